// A system that lies in a folder becomes an image: packed by GNU tar, which knows what Node does not tell (extended attributes, devices).
import { spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { mkdir, rm, stat } from "node:fs/promises";
import { basename, join, resolve } from "node:path";
import { BrambleError } from "../../base/errors.ts";
import { type AddOptions, importImage } from "./import.ts";
import { claim, incomingFolder } from "./incoming.ts";
import type { ImageManifest } from "./manifest.ts";
import { nameOfFile } from "./name.ts";

export const isFolder = async (source: string): Promise<boolean> =>
  !/^[a-z][a-z0-9+.-]*:\/\//i.test(source) &&
  ((await stat(source).catch(() => undefined))?.isDirectory() ?? false); // what it is else, the import says

/** As importImage(). What this account may not read is an error: an image with holes in it would boot, and fail later. */
export async function importFolder(options: AddOptions): Promise<ImageManifest> {
  const { data, signal } = options;
  const folder = resolve(options.source);
  const tar = join(incomingFolder(data), `${randomUUID()}.folder`);
  await mkdir(incomingFolder(data), { recursive: true });
  const release = claim(tar);
  try {
    await pack(folder, tar, signal);
    const { name, version } = nameOfFile(basename(folder));
    const own = version === undefined ? name : `${name}:${version}`;
    return await importImage({ ...options, source: tar, name: options.name ?? own, label: folder });
  } finally {
    await rm(tar, { force: true });
    release();
  }
}

async function pack(folder: string, to: string, signal: AbortSignal | undefined): Promise<void> {
  const words = ["--format=posix", "--numeric-owner", "--one-file-system", "--xattrs", "--xattrs-include=*"];
  const child = spawn("tar", [...words, "-cf", to, "-C", folder, "."], {
    stdio: ["ignore", "ignore", "pipe"],
    env: { ...process.env, LC_ALL: "C" },
    ...(signal && { signal }),
  });
  let said = "";
  child.stderr.on("data", (bytes: Buffer) => {
    if (said.length < 1 << 16) said += bytes.toString("latin1");
  });
  try {
    const [code] = (await once(child, "close")) as [number | null];
    if (code === 0) return;
  } catch (error) {
    if (signal?.aborted)
      throw new BrambleError("CANCELLED", `the import of ${folder} was stopped`, { cause: error });
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
    throw new BrambleError("TOOL_MISSING", "tar is not installed here", { hint: "sudo apt install tar" });
  }
  // a socket is no file of a system: whoever listens makes its own
  const why =
    said.split("\n").find((line) => line !== "" && !line.endsWith("socket ignored")) ?? "tar failed";
  throw new BrambleError("BAD_INPUT", `${folder} could not be packed: ${why}`, {
    hint: "Bramble packs it with the rights of its own account: for what only root may read, sudo tar -cf FILE.tar -C FOLDER . and add that",
  });
}
