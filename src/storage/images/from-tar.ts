// A tar file of a system becomes a disk image: boot partition (FAT32) from its /boot/firmware or /boot, root (ext4) from everything else.
import { randomBytes } from "node:crypto";
import { closeSync, openSync } from "node:fs";
import { mkdir, rm, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { ReadableDisk } from "../../base/disk.ts";
import { BrambleError } from "../../base/errors.ts";
import { toUtf8, utf8 } from "../../base/text.ts";
import { isTar, TAR_BLOCK } from "../../formats/tar.ts";
import { asDiskFull } from "./durable.ts";
import { makeExt4, roomFor } from "./ext4-make.ts";
import { makeFat, roomForFat } from "./fat-make.ts";
import { RawFile } from "./raw-file.ts";
import { copyBack } from "./raw-parts.ts";
import { find, type Planned, planTar } from "./tar-plan.ts";

export interface FromTar {
  tar: string;
  /** The disk image, which is made. */
  to: string;
  /** Of its MBR, as PARTUUIDs have it; else a new one. */
  diskId?: number;
  signal: AbortSignal;
  onProgress?(done: number, total: number): void;
}

export interface MadeDisk {
  /** What was done besides, in words. */
  notes: string[];
  rootPartition: number;
}

/** The ending of the folder that lies beside the image while it is made. */
export const FROM_TAR_WORK = ".d";

const SECTOR = 512;
const FIRST = 4 << 20;
/** What a Pi's firmware looks for. */
const BOOT_FILE = /^(config\.txt|bootcode\.bin|start.*\.elf|kernel.*\.img|cmdline\.txt)$/i;
const SYSTEM = ["etc", "usr", "bin", "sbin"];
const PLACES = ["boot/firmware", "boot"];
/** What Bramble has put before the lines of a card (fleet/settle.ts). */
const SETTLED = /^# comes over NFS, or was the card's: /;
const MOST_FSTAB = 1 << 20;

/** Is this a tar file that was packed as it is? */
export async function isTarFile(path: string): Promise<boolean> {
  const file = await RawFile.open(path);
  try {
    const head = new Uint8Array(Math.min(TAR_BLOCK, file.size));
    await file.read(head, 0);
    return isTar(head);
  } finally {
    await file.close();
  }
}

/**
 * Throws FORMAT_VALUE, FORMAT_SHORT and FORMAT_UNSUPPORTED for a tar file that cannot be read,
 * TOOL_MISSING without e2fsprogs, DISK_FULL, CANCELLED.
 */
export async function diskOfTar(wish: FromTar): Promise<MadeDisk> {
  const { tar, to, signal } = wish;
  const file = await RawFile.open(tar);
  try {
    const root = await planTar(file);
    if (!SYSTEM.some((name) => root.children.has(name)))
      throw new BrambleError("IMAGE_DAMAGED", `there is no system in it: none of ${SYSTEM.join(", ")}`, {
        hint: "what is packed must be the root of a system: tar -C FOLDER -cf FILE.tar .",
      });
    return await make(wish, file, root);
  } catch (error) {
    await rm(to, { force: true });
    throw asDiskFull(error, `making a disk image of ${tar}`);
  } finally {
    await rm(to + FROM_TAR_WORK, { recursive: true, force: true });
    await file.close();
    signal.throwIfAborted();
  }
}

async function make(
  { to, diskId, signal, onProgress }: FromTar,
  tar: RawFile,
  root: Planned,
): Promise<MadeDisk> {
  const id = diskId ?? randomBytes(4).readUInt32LE();
  const boot = takeBoot(root);
  const fstab = await newFstab(root, tar, id, boot?.place);
  const source = fstab.source;
  const { size } = roomFor(root);
  const bootSize = boot ? roomForFat(boot.files) : 0;
  const rootAt = FIRST + bootSize;
  await writeFile(to, "", { mode: 0o600 });
  await truncate(to, rootAt + size);
  const notes = [...fstab.notes];
  const fd = openSync(to, "r+");
  try {
    if (boot) {
      const wish = { fd, offset: FIRST, size: bootSize, label: "bootfs", root: boot.files, source, signal };
      const left = await makeFat(wish);
      if (left.length > 0)
        notes.push(`FAT cannot have ${left.length} files of /${boot.place}: ${left.slice(0, 5).join(", ")}`);
    } else
      notes.push(
        "there are no boot files in it (/boot/firmware, /boot): no board can boot from it by itself",
      );
  } finally {
    closeSync(fd);
  }
  await mkdir(to + FROM_TAR_WORK, { mode: 0o700 });
  const apart = join(to + FROM_TAR_WORK, "root");
  const progress = onProgress && { onProgress };
  notes.push(...(await makeExt4({ path: apart, size, label: "rootfs", root, source, signal, ...progress })));
  await copyBack(apart, to, { offset: rootAt, size }, signal);
  const parts = [
    ...(boot ? [{ at: FIRST, size: bootSize, type: 0x0c }] : []),
    { at: rootAt, size, type: 0x83 },
  ];
  await writeFile(to, masterBootRecord(id, parts), { flag: "r+" });
  return { notes, rootPartition: parts.length };
}

/** Its boot files leave the root; the folder that they are mounted on stays, empty. */
function takeBoot(root: Planned): { place: string; files: Planned } | undefined {
  for (const place of PLACES) {
    const folder = find(root, place);
    if (folder?.kind !== "directory" || ![...folder.children.keys()].some((name) => BOOT_FILE.test(name)))
      continue;
    const files = { ...folder, children: folder.children };
    folder.children = new Map();
    return { place, files };
  }
  return undefined;
}

/** Root and boot partition are found by the new disk's ids, whatever disk the lines were of. A system without the file stays without. */
async function newFstab(root: Planned, tar: RawFile, id: number, bootPlace: string | undefined) {
  const file = find(root, "etc/fstab");
  const unchanged = { source: tar as ReadableDisk, notes: [] as string[] };
  if (file?.kind !== "file" || file.size > MOST_FSTAB) return unchanged;
  const bytes = new Uint8Array(file.size);
  await tar.read(bytes, file.at);
  const before = utf8(bytes);
  const disk = id.toString(16).padStart(8, "0");
  const after = before
    .split("\n")
    .map((settled) => {
      const line = settled.replace(SETTLED, "");
      const [what = "", place = ""] = line.trim().split(/\s+/);
      const number = place === "/" ? (bootPlace ? 2 : 1) : place === `/${bootPlace}` ? 1 : undefined;
      if (what === "" || what.startsWith("#") || number === undefined) return line;
      return line.replace(what, () => `PARTUUID=${disk}-0${number}`);
    })
    .join("\n");
  if (after === before) return unchanged;
  const next = toUtf8(after);
  // behind the end of the tar file
  const at = tar.size;
  Object.assign(file, { size: next.length, at });
  const source: ReadableDisk = {
    size: at + next.length,
    read: (into, offset) =>
      offset < at ? tar.read(into, offset) : into.set(next.subarray(offset - at, offset - at + into.length)),
  };
  return { source, notes: ["/etc/fstab names the partitions of the new disk"] };
}

/** Partitions 1 and 2, in bytes; no CHS addresses, as all partitions past 8 GB. */
function masterBootRecord(id: number, parts: readonly { at: number; size: number; type: number }[]): Buffer {
  const sector = Buffer.alloc(SECTOR);
  sector.writeUInt32LE(id >>> 0, 440);
  for (const [i, { at, size, type }] of parts.entries()) {
    const entry = 446 + i * 16;
    sector.set([0, 0xfe, 0xff, 0xff, type, 0xfe, 0xff, 0xff], entry);
    sector.writeUInt32LE(at / SECTOR, entry + 8);
    sector.writeUInt32LE(size / SECTOR, entry + 12);
  }
  sector.writeUInt16LE(0xaa55, 510);
  return sector;
}
