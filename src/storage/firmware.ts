import { createHash, randomUUID } from "node:crypto";
import { mkdir, readdir, readFile, rm, stat } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import { BrambleError } from "../base/errors.ts";
import type { Tree } from "../base/tree.ts";
import { openFirmwareSource } from "./firmware-source.ts";
import { type TakenFile, takeBootFiles } from "./firmware-take.ts";
import { FolderTree } from "./firmware-tree.ts";
import { asDiskFull, errorCode, publish, syncFolder, writeWhole } from "./images/durable.ts";
import { claim, claimed } from "./images/incoming.ts";
import { type ImageName, nameOfFile, parseImageName } from "./images/name.ts";

/** A set of boot files; firmware/<name>/<version>/manifest.json, the files beside it under files/. Sizes in bytes. */
export interface FirmwareManifest {
  name: string;
  version: string;
  /** Over the paths and hashes of all files: the same set, the same hash. */
  sha256: string;
  size: number;
  files: TakenFile[];
  source: string;
  /** ISO 8601. */
  addedAt: string;
}

const folderOf = (data: string) => join(data, "firmware");
const placeOf = (data: string, { name, version }: { name: string; version: string }) =>
  join(folderOf(data), name, version);

/**
 * Adds a versioned set of boot files: a folder (raspberrypi/firmware's boot/), a Debian package (raspi-firmware), a .tar in any packing
 * or a .zip; the folder inside it that holds the boot files is found by itself. The same set again gives the one that is there.
 * Throws FILE_UNKNOWN, BAD_INPUT, IMAGE_DAMAGED, IMAGE_NAME_TAKEN, DISK_FULL.
 */
export async function addFirmware(options: {
  data: string;
  source: string;
  name?: string | undefined;
}): Promise<FirmwareManifest> {
  const wanted = options.name === undefined ? undefined : parseImageName(options.name);
  const source = resolve(options.source);
  if (!(await isThere(source))) {
    throw new BrambleError("FILE_UNKNOWN", `there is no ${options.source}`, {
      hint: "give a folder with boot files, an archive (.tar.*, .zip) or a .deb",
    });
  }
  const work = join(folderOf(options.data), ".incoming", randomUUID());
  const release = claim(work);
  try {
    await sweep(options.data);
    await mkdir(join(work, "files"), { recursive: true });
    const opened = await openFirmwareSource(source);
    const files = await takeBootFiles(opened.files, join(work, "files"), source);
    const sha256 = createHash("sha256").update(JSON.stringify(files)).digest("hex");
    const { name, version } = nameFor(wanted, opened.debian, source, sha256);
    const manifest: FirmwareManifest = {
      name,
      version,
      sha256,
      size: files.reduce((sum, file) => sum + file.size, 0),
      files,
      source,
      addedAt: new Date().toISOString(),
    };
    const place = placeOf(options.data, manifest);
    if (await isThere(place)) return sameOrTaken(await readManifest(place), manifest);
    await writeWhole(
      join(work, "manifest.json"),
      `${JSON.stringify(manifest, undefined, 2)}\n`,
      join(work, "new"),
    );
    await mkdir(dirname(place), { recursive: true });
    await publish(work, place);
    return manifest;
  } catch (error) {
    throw explained(error, source);
  } finally {
    await rm(work, { recursive: true, force: true });
    release();
  }
}

/** All sets, by name, then newest first. */
export async function listFirmware(data: string): Promise<FirmwareManifest[]> {
  const found: FirmwareManifest[] = [];
  for (const name of await names(folderOf(data))) {
    if (name === ".incoming") continue;
    for (const version of await names(join(folderOf(data), name))) {
      found.push(await readManifest(join(folderOf(data), name, version)));
    }
  }
  return found.sort((a, b) => a.name.localeCompare(b.name) || b.addedAt.localeCompare(a.addedAt));
}

/** "name:version", or "name" where it has one version only. Throws FIRMWARE_UNKNOWN with what there is. */
export async function findFirmware(data: string, ref: string): Promise<FirmwareManifest> {
  const all = await listFirmware(data);
  const label = (set: FirmwareManifest) => `${set.name}:${set.version}`;
  const found = all.filter((set) => label(set) === ref || set.name === ref);
  if (found.length === 1 && found[0]) return found[0];
  if (found.length > 1) {
    throw new BrambleError("FIRMWARE_UNKNOWN", `"${ref}" has ${found.length} versions`, {
      hint: `say which: ${found.slice(0, 8).map(label).join(", ")}`,
    });
  }
  throw new BrambleError("FIRMWARE_UNKNOWN", `there is no firmware "${ref}"`, {
    hint:
      all.length > 0
        ? `there are: ${all.slice(0, 8).map(label).join(", ")}`
        : "add one: bramble firmware add DIR|ARCHIVE|DEB",
  });
}

/** The files of a set. Throws FIRMWARE_UNKNOWN. */
export async function openFirmware(data: string, ref: string): Promise<Tree> {
  return new FolderTree(join(placeOf(data, await findFirmware(data, ref)), "files"));
}

/**
 * Removes a set. Throws FIRMWARE_UNKNOWN, and FIRMWARE_IN_USE while something names it.
 * @param inUse names of the profiles that lay this set under their nodes' boot files.
 */
export async function removeFirmware(
  data: string,
  ref: string,
  { inUse }: { inUse: (set: FirmwareManifest) => string[] | Promise<string[]> },
): Promise<FirmwareManifest> {
  const set = await findFirmware(data, ref);
  const users = await inUse(set);
  if (users.length > 0) {
    throw new BrambleError(
      "FIRMWARE_IN_USE",
      `${set.name}:${set.version} is used by ${users.slice(0, 10).join(", ")}`,
      {
        hint: "give these profiles another firmware set first",
      },
    );
  }
  const gone = join(folderOf(data), ".incoming", randomUUID());
  await mkdir(dirname(gone), { recursive: true });
  await publish(placeOf(data, set), gone); // unlisted in one step; what a crash leaves is swept by the next add
  await syncFolder(join(folderOf(data), set.name));
  await rm(gone, { recursive: true, force: true });
  return set;
}

function nameFor(
  wanted: ImageName | undefined,
  debian: ImageName | undefined,
  source: string,
  sha256: string,
) {
  const base = basename(source);
  const derived = nameOfFile(
    /^boot$|^firmware$/.test(base) ? basename(dirname(source)) : base.replace(/\.(tar|tgz|txz)(?=\.|$)/g, ""),
  );
  const said = debian?.name ? debian : derived;
  const { name, version = said.version } = wanted ?? said;
  return {
    name,
    version: version?.replace(/^\d+:/, "").replace(/[^A-Za-z0-9._+-]/g, "-") || sha256.slice(0, 12),
  };
}

function sameOrTaken(there: FirmwareManifest, wanted: FirmwareManifest): FirmwareManifest {
  if (there.sha256 === wanted.sha256) return there;
  throw new BrambleError(
    "IMAGE_NAME_TAKEN",
    `${there.name}:${there.version} is another set of boot files already`,
    {
      hint: "give this one a name or version of its own: --name name:version",
    },
  );
}

function explained(error: unknown, source: string): unknown {
  const known = asDiskFull(error, `adding ${source}`);
  if (known instanceof BrambleError && !known.code.startsWith("FORMAT_")) return known;
  if (known instanceof Error && "syscall" in known) return known;
  const why = known instanceof Error ? known.message : String(known);
  return new BrambleError("IMAGE_DAMAGED", `${source} is damaged, cut short, or no archive: ${why}`, {
    hint: "give a folder with boot files, an archive (.tar.*, .zip) or a .deb",
    cause: known,
  });
}

async function readManifest(place: string): Promise<FirmwareManifest> {
  return JSON.parse(await readFile(join(place, "manifest.json"), "utf8")) as FirmwareManifest;
}

const isThere = (path: string): Promise<boolean> =>
  stat(path).then(
    () => true,
    (error: unknown) => {
      if (errorCode(error) === "ENOENT" || errorCode(error) === "ENOTDIR") return false;
      throw error;
    },
  );

const names = (folder: string): Promise<string[]> =>
  readdir(folder).catch((error: unknown) => {
    if (errorCode(error) === "ENOENT") return [];
    throw error;
  });

/** What killed runs left. */
async function sweep(data: string): Promise<void> {
  const incoming = join(folderOf(data), ".incoming");
  for (const name of await names(incoming)) {
    if (!claimed(join(incoming, name))) await rm(join(incoming, name), { recursive: true, force: true });
  }
}
