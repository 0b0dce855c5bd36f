// A FAT32 file system with these files in it, made by FatFs straight into its place in a disk image.
import { fstatSync, readSync, writeSync } from "node:fs";
import * as fatfs from "js-fatfs";
import type { ReadableDisk } from "../../base/disk.ts";
import { BrambleError } from "../../base/errors.ts";
import { toLatin1, utf8 } from "../../base/text.ts";
import type { Planned } from "./tar-plan.ts";

const SECTOR = 512;
const PIECE = 1 << 20;

export interface FatWish {
  /** Of the image, open for writing; the range reads as zeros. */
  fd: number;
  offset: number;
  size: number;
  label: string;
  root: Planned;
  source: ReadableDisk;
  signal: AbortSignal;
}

/** Bytes that a FAT32 file system for all this should have: as much again for the next kernel, 256 MiB at least. */
export function roomForFat(root: Planned): number {
  let bytes = 0;
  const count = ({ size, children }: Planned): void => {
    bytes += Math.ceil(size / 4096) * 4096 + 4096;
    for (const child of children.values()) count(child);
  };
  count(root);
  return Math.max(256 << 20, Math.ceil((bytes * 2) / (4 << 20)) * (4 << 20));
}

/** Gives back the paths that FAT cannot have: symlinks, devices, odd names. */
export async function makeFat(wish: FatWish): Promise<string[]> {
  const { size, label, root } = wish;
  const ff = await fatfs.create({ diskio: at(wish) });
  const work = ff.malloc(65536);
  const how = { fmt: fatfs.FM_FAT32 | fatfs.FM_SFD, n_fat: 2, align: 1, n_root: 0, au_size: size > 1 << 30 ? 4096 : 2048 }; // biome-ignore format: one line
  check("mkfs", ff.f_mkfs("", how, work, 65536));
  const volume = ff.malloc(fatfs.sizeof_FATFS);
  check("mount", ff.f_mount(volume, "", 1));
  const left: string[] = [];
  await fill(ff, wish, "", root, left);
  check("unmount", ff.f_unmount(""));
  for (const sector of [0, 6]) writeSync(wish.fd, toLatin1(label.padEnd(11)), 0, 11, wish.offset + sector * SECTOR + 71); // biome-ignore format: one line
  return left;
}

/** What a name of FAT's cannot hold, and bytes that are no UTF-8. */
const isForbidden = (path: string): boolean =>
  [...path].some((c) => c < " " || '"*:<>?|\\\ufffd'.includes(c));

async function fill(
  ff: fatfs.FatFs,
  wish: FatWish,
  path: string,
  { children }: Planned,
  left: string[],
): Promise<void> {
  for (const [name, one] of children) {
    const here = `${path}${utf8(toLatin1(name))}`;
    if ((one.kind !== "file" && one.kind !== "directory") || isForbidden(here)) {
      left.push(here);
      continue;
    }
    wish.signal.throwIfAborted();
    if (one.kind === "directory") {
      check(`mkdir ${here}`, ff.f_mkdir(here));
      await fill(ff, wish, `${here}/`, one, left);
    } else await write(ff, wish, here, one);
  }
}

async function write(ff: fatfs.FatFs, { source }: FatWish, path: string, one: Planned): Promise<void> {
  const file = ff.malloc(fatfs.sizeof_FIL);
  const buffer = ff.malloc(PIECE + 4);
  check(`create ${path}`, ff.f_open(file, path, fatfs.FA_WRITE | fatfs.FA_CREATE_NEW));
  for (let from = 0; from < one.size; from += PIECE) {
    const piece = new Uint8Array(Math.min(PIECE, one.size - from));
    await source.read(piece, one.at + from);
    ff.HEAPU8.set(piece, buffer + 4);
    check(`write ${path}`, ff.f_write(file, buffer + 4, piece.length, buffer));
    if (ff.getValue(buffer, "i32") !== piece.length)
      throw new BrambleError("INTERNAL", `FatFs: ${path} does not fit`); // a full volume is FR_OK
  }
  check(`close ${path}`, ff.f_close(file));
  ff.free(buffer);
  ff.free(file);
}

function check(what: string, result: number): void {
  if (result === fatfs.FR_OK) return;
  throw new BrambleError("FORMAT_VALUE", `the boot partition could not be made: ${what}: error ${result}`);
}

/** FatFs asks while nobody can wait: these are reads and writes of the page cache. */
function at({ fd, offset, size }: FatWish): fatfs.DiskIO {
  if (fstatSync(fd).size < offset + size)
    throw new BrambleError("INTERNAL", "the image ends within its boot partition");
  return {
    initialize: () => 0,
    status: () => 0,
    read(ff, _drive, into, sector, count) {
      const piece = new Uint8Array(count * SECTOR);
      readSync(fd, piece, 0, piece.length, offset + sector * SECTOR);
      ff.HEAPU8.set(piece, into);
      return fatfs.RES_OK;
    },
    write(ff, _drive, from, sector, count) {
      writeSync(
        fd,
        ff.HEAPU8.subarray(from, from + count * SECTOR),
        0,
        count * SECTOR,
        offset + sector * SECTOR,
      );
      return fatfs.RES_OK;
    },
    ioctl(ff, _drive, command, into) {
      if (command === fatfs.GET_SECTOR_COUNT) ff.setValue(into, size / SECTOR, "i32");
      else if (command === fatfs.GET_SECTOR_SIZE) ff.setValue(into, SECTOR, "i16");
      else if (command === fatfs.GET_BLOCK_SIZE) ff.setValue(into, 1, "i32");
      else if (command !== fatfs.CTRL_SYNC && command !== fatfs.CTRL_TRIM) return fatfs.RES_PARERR;
      return fatfs.RES_OK;
    },
  };
}
