import * as fatfs from "js-fatfs";

const SECTOR = 512;

export interface FatContent {
  /** Bytes; FAT32 needs about 34 MB at least. */
  size: number;
  /** Up to 11 upper-case characters. */
  label: string;
  /** Serial number of the volume. */
  volumeId: number;
  /** Paths like "overlays/README"; folders are made as needed. */
  files: ReadonlyMap<string, Uint8Array>;
}

/** 2026-01-01 00:00, as FAT keeps it. */
const DATE = ((2026 - 1980) << 9) | (1 << 5) | 1;

/** A FAT32 volume in memory. The same content gives the same bytes: FatFs's clock is painted over. */
export async function makeFat32({ size, label, volumeId, files }: FatContent): Promise<Uint8Array> {
  const disk = Buffer.alloc(size);
  const ff = await fatfs.create({ diskio: memory(disk) });
  const work = ff.malloc(65536);
  check(
    "mkfs",
    ff.f_mkfs(
      "",
      { fmt: fatfs.FM_FAT32 | fatfs.FM_SFD, n_fat: 2, align: 1, n_root: 0, au_size: SECTOR },
      work,
      65536,
    ),
  );
  const volume = ff.malloc(fatfs.sizeof_FATFS);
  check("mount", ff.f_mount(volume, "", 1));
  write(ff, label, new Uint8Array(0)); // the root's first entry: becomes the label below
  const folders = new Set<string>();
  for (const [path, bytes] of files) {
    const parts = path.split("/").slice(0, -1);
    for (let depth = 1; depth <= parts.length; depth++) {
      const folder = parts.slice(0, depth).join("/");
      if (!folders.has(folder)) check(`mkdir ${folder}`, ff.f_mkdir(folder));
      folders.add(folder);
    }
    write(ff, path, bytes);
  }
  check("unmount", ff.f_unmount(""));
  for (const sector of [0, 6]) {
    disk.writeUInt32LE(volumeId >>> 0, sector * SECTOR + 67); // FAT specification 3.3, and its copy in sector 6
    disk.write(label.padEnd(11), sector * SECTOR + 71, "latin1");
  }
  const table = disk.readUInt16LE(14) * SECTOR;
  const data = table + 2 * disk.readUInt32LE(36) * SECTOR;
  const root = data + (disk.readUInt32LE(44) - 2) * SECTOR;
  disk[root + 11] = fatfs.AM_DIR >> 1; // ATTR_VOLUME_ID
  stampFolder({ disk, table, data }, disk.readUInt32LE(44));
  return disk;
}

function check(what: string, result: number): void {
  if (result !== fatfs.FR_OK) throw new Error(`FatFs: ${what}: error ${result}`);
}

function write(ff: fatfs.FatFs, path: string, bytes: Uint8Array): void {
  const file = ff.malloc(fatfs.sizeof_FIL);
  const buffer = ff.malloc(bytes.length + 4);
  check(`create ${path}`, ff.f_open(file, path, fatfs.FA_WRITE | fatfs.FA_CREATE_NEW));
  ff.HEAPU8.set(bytes, buffer + 4);
  check(`write ${path}`, ff.f_write(file, buffer + 4, bytes.length, buffer));
  if (ff.getValue(buffer, "i32") !== bytes.length) throw new Error(`FatFs: ${path} does not fit`); // a full volume is FR_OK
  check(`close ${path}`, ff.f_close(file));
  ff.free(buffer);
  ff.free(file);
}

/** One time for all entries of a folder and of those in it. */
function stampFolder(at: { disk: Buffer; table: number; data: number }, first: number): void {
  for (
    let cluster = first;
    cluster >= 2 && cluster < 0x0ffffff8;
    cluster = at.disk.readUInt32LE(at.table + cluster * 4) & 0x0fffffff
  ) {
    const from = at.data + (cluster - 2) * SECTOR;
    for (let entry = from; entry < from + SECTOR && at.disk[entry] !== 0; entry += 32) {
      const attributes = at.disk[entry + 11] ?? 0;
      if (attributes === 0x0f) continue; // part of a long name: it has no time
      at.disk[entry + 13] = 0;
      at.disk.writeUInt16LE(0, entry + 14);
      for (const field of [16, 18, 24]) at.disk.writeUInt16LE(DATE, entry + field);
      at.disk.writeUInt16LE(0, entry + 22);
      const child = at.disk.readUInt16LE(entry + 20) * 65536 + at.disk.readUInt16LE(entry + 26);
      if (attributes & fatfs.AM_DIR && at.disk[entry] !== 0x2e) stampFolder(at, child);
    }
  }
}

function memory(disk: Buffer): fatfs.DiskIO {
  return {
    initialize: () => 0,
    status: () => 0,
    read(ff, _drive, into, sector, count) {
      ff.HEAPU8.set(disk.subarray(sector * SECTOR, (sector + count) * SECTOR), into);
      return fatfs.RES_OK;
    },
    write(ff, _drive, from, sector, count) {
      disk.set(ff.HEAPU8.subarray(from, from + count * SECTOR), sector * SECTOR);
      return fatfs.RES_OK;
    },
    ioctl(ff, _drive, command, into) {
      if (command === fatfs.GET_SECTOR_COUNT) ff.setValue(into, disk.length / SECTOR, "i32");
      else if (command === fatfs.GET_SECTOR_SIZE) ff.setValue(into, SECTOR, "i16");
      else if (command === fatfs.GET_BLOCK_SIZE) ff.setValue(into, 1, "i32");
      else if (command !== fatfs.CTRL_SYNC && command !== fatfs.CTRL_TRIM) return fatfs.RES_PARERR;
      return fatfs.RES_OK;
    },
  };
}
