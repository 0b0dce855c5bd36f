import { execFileSync } from "node:child_process";
import { open, readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { which } from "../../test/tools.ts";
import { output } from "../bed/commands.ts";

const SECTOR = 512;
const BOOT_START = 8192;

export interface DiskOptions {
  /** Disk signature, 8 hex digits: the PARTUUIDs begin with it. */
  diskId: string;
  /** Folders with the content of the two partitions. */
  boot: string;
  root: string;
  bootMb: number;
  rootMb: number;
}

/** An SD card's image: MBR, FAT32 "bootfs", ext4 "rootfs"; files of its own, no mount, no loop device. */
export async function makeDisk(path: string, options: DiskOptions): Promise<void> {
  const { diskId, bootMb, rootMb } = options;
  const bootSectors = bootMb * 2048;
  const rootStart = BOOT_START + bootSectors;
  await size(path, rootStart * SECTOR + rootMb * 1024 * 1024);
  const table = `label: dos\nlabel-id: 0x${diskId}\n${BOOT_START},${bootSectors},c\n${rootStart},${rootMb * 2048},83\n`;
  execFileSync(which("sfdisk") ?? "sfdisk", ["-q", path], { input: table });

  const fat = `${path}.fat`;
  await size(fat, bootSectors * SECTOR);
  await output("mkfs.vfat", ["-F", "32", "-n", "bootfs", "-i", diskId, fat]);
  const files = (await readdir(options.boot)).sort().map((name) => join(options.boot, name));
  await output("mcopy", ["-s", "-i", fat, ...files, "::/"], { env: { MTOOLS_SKIP_CHECK: "1" } });
  await output("dd", [
    `if=${fat}`,
    `of=${path}`,
    "bs=1M",
    `seek=${BOOT_START * SECTOR}`,
    "oflag=seek_bytes",
    "conv=notrunc,sparse",
  ]);
  await rm(fat);

  const layout = [
    "-q",
    "-t",
    "ext4",
    "-L",
    "rootfs",
    "-E",
    `offset=${rootStart * SECTOR},lazy_itable_init=1`,
  ];
  await output("mke2fs", [...layout, "-d", options.root, path, `${rootMb}m`]);
}

async function size(path: string, bytes: number): Promise<void> {
  const file = await open(path, "w");
  await file.truncate(bytes).finally(() => file.close());
}

/** The fstab of such a card. */
export const fstab = (diskId: string): string =>
  `proc            /proc           proc    defaults          0       0
PARTUUID=${diskId}-01  /boot/firmware  vfat    defaults          0       2
PARTUUID=${diskId}-02  /               ext4    defaults,noatime  0       1
`;
