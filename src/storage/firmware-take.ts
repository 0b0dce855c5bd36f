import { createHash } from "node:crypto";
import { mkdir, open, readFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { BrambleError } from "../base/errors.ts";
import type { SourceFile } from "./firmware-source.ts";
import { syncFolder } from "./images/durable.ts";

/** A boot file that was copied. */
export interface TakenFile {
  path: string;
  /** Bytes. */
  size: number;
  sha256: string;
}

const MOST_FILES = 20_000;
const MOST_BYTES = 2 ** 31;
/** What marks the folder that a bootloader would see as its root. */
const MARK =
  /^(bootcode\.bin|start[^/]*\.elf|fixup[^/]*\.dat|kernel[^/]*\.img|bcm27\d\d[^/]*\.dtb|config\.txt)$/i;

/** Copies the files of the boot folder inside a source; gives them sorted by path, durable. */
export async function takeBootFiles(
  files: () => AsyncGenerator<SourceFile>,
  to: string,
  source: string,
): Promise<TakenFile[]> {
  const root = await bootFolder(files, source);
  const taken = new Map<string, { path: string; size: number; sha256: string }>();
  const links = new Map<string, string>();
  const folders = new Set([to]);
  let left = MOST_BYTES;
  for await (const file of files()) {
    const path = inside(root, file.path);
    if (path === undefined) continue;
    if (file.linkTo !== undefined) {
      const target = inside(root, file.linkTo);
      if (target !== undefined) links.set(path, target);
      continue;
    }
    const place = join(to, path);
    await mkdir(dirname(place), { recursive: true });
    folders.add(dirname(place));
    const { size, sha256 } = await copy(file.bytes(), place, left);
    left -= size;
    taken.set(path, { path, size, sha256 });
    if (taken.size > MOST_FILES) throw tooMuch(source);
  }
  for (const [path, target] of links) {
    const found = taken.get(target);
    if (!found || taken.has(path)) continue; // a link to nowhere, or out of the boot files
    await mkdir(dirname(join(to, path)), { recursive: true });
    folders.add(dirname(join(to, path)));
    await copy([await readFile(join(to, target))], join(to, path), left);
    taken.set(path, { ...found, path });
  }
  for (const folder of folders) await syncFolder(folder);
  return [...taken.values()].sort((a, b) => (a.path < b.path ? -1 : 1));
}

async function copy(bytes: AsyncIterable<Uint8Array> | Uint8Array[], to: string, limit: number) {
  const hash = createHash("sha256");
  let size = 0;
  const file = await open(to, "w", 0o644);
  try {
    for await (const part of bytes) {
      size += part.length;
      if (size > limit) throw tooMuch(to);
      hash.update(part);
      await file.writeFile(part); // goes on where the last one ended
    }
    await file.sync();
  } finally {
    await file.close();
  }
  return { size, sha256: hash.digest("hex") };
}

/** The folder with the most marks; of two alike the one nearer to the top. */
async function bootFolder(files: () => AsyncGenerator<SourceFile>, source: string): Promise<string> {
  const marks = new Map<string, number>();
  let count = 0;
  for await (const { path } of files()) {
    if (++count > 50 * MOST_FILES) throw tooMuch(source);
    const [, folder = "", name = ""] = /^(?:(.*)\/)?([^/]*)$/.exec(path) ?? [];
    if (MARK.test(name)) marks.set(folder, (marks.get(folder) ?? 0) + 1);
  }
  const depth = (folder: string) => (folder === "" ? 0 : folder.split("/").length);
  const [best] = [...marks].sort(
    ([a, many], [b, more]) => more - many || depth(a) - depth(b) || a.localeCompare(b),
  );
  if (!best) {
    throw new BrambleError("BAD_INPUT", `${source} holds no boot files`, {
      hint: "wanted: bootcode.bin, start*.elf, kernel*.img or *.dtb, as in the boot folder of raspberrypi/firmware",
    });
  }
  return best[0];
}

const inside = (root: string, path: string): string | undefined =>
  root === "" ? path : path.startsWith(`${root}/`) ? path.slice(root.length + 1) : undefined;

const tooMuch = (what: string) =>
  new BrambleError("BAD_INPUT", `${what}: too much for boot files`, {
    hint: `at most ${MOST_FILES} files and 2 GiB`,
  });
