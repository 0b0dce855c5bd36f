import { existsSync } from "node:fs";
import { readFile, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { gunzipSync } from "node:zlib";
import { makeFat32 } from "./demo-image-fat.ts";
import { asDiskFull } from "./images/durable.ts";
import { SparseFile } from "./images/sparse.ts";

const SECTOR = 512;
const DISK_ID = 0xb0071234;
const BOOT_AT = 4 << 20;
const BOOT_SIZE = 36 << 20;
const ROOT_AT = BOOT_AT + BOOT_SIZE;

const dummy = (name: string): string =>
  `DUMMY FILE: this is not ${name}, it only has its name. It is part of a demo image, for virtual boards; real boards need real files.\n`;

/** `kb` of the same words, so that a transfer takes its time; kernels say a version, as real ones do. */
const filler = (name: string, kb: number, first = ""): Uint8Array => {
  const line = dummy(name);
  const text = first + line.repeat(Math.ceil((kb * 1024) / line.length));
  return Buffer.from(text.slice(0, kb * 1024), "latin1");
};
const kernel = (name: string, version: string) =>
  filler(name, 512, `${dummy(name)}Linux version ${version} (demo@image) #1 SMP PREEMPT\n`);

/** As pi-gen writes it for Raspberry Pi OS trixie (RPi-Distro/pi-gen stage1/00-boot-files). */
const CMDLINE = `console=serial0,115200 console=tty1 root=PARTUUID=${DISK_ID.toString(16)}-02 rootfstype=ext4 fsck.repair=yes rootwait resize\n`;
const CONFIG = `# ${dummy("a config.txt to copy")}dtparam=audio=on
camera_auto_detect=1
display_auto_detect=1
auto_initramfs=1
dtoverlay=vc4-kms-v3d
max_framebuffers=2
disable_fw_kms_setup=1
disable_overscan=1
arm_boost=1
[cm4]
otg_mode=1
[cm5]
dtoverlay=dwc2,dr_mode=host
[pi5]
dtoverlay=nospi10
[all]
`;

const DTBS = [
  "bcm2710-rpi-2-b",
  "bcm2710-rpi-3-b",
  "bcm2710-rpi-3-b-plus",
  "bcm2711-rpi-4-b",
  "bcm2711-rpi-400",
  "bcm2711-rpi-cm4",
  "bcm2712-rpi-5-b",
  "bcm2712-rpi-500",
  "bcm2712-rpi-cm5-cm5io",
  "bcm2712-rpi-cm5l-cm5io",
];
const OVERLAYS = [
  "bcm2712d0",
  "disable-bt",
  "dwc2",
  "nospi10",
  "vc4-kms-v3d",
  "vc4-kms-v3d-pi4",
  "vc4-kms-v3d-pi5",
];

function bootFiles(): Map<string, Uint8Array> {
  const files = new Map<string, Uint8Array>();
  files.set("config.txt", Buffer.from(CONFIG));
  files.set("cmdline.txt", Buffer.from(CMDLINE));
  files.set("bootcode.bin", filler("bootcode.bin", 51));
  for (const [name, kb] of [
    ["start.elf", 256],
    ["start_cd.elf", 64],
    ["start4.elf", 256],
    ["start4cd.elf", 64],
  ] as const) {
    files.set(name, filler(name, kb));
  }
  for (const name of ["fixup.dat", "fixup_cd.dat", "fixup4.dat", "fixup4cd.dat"])
    files.set(name, filler(name, 5));
  files.set("kernel8.img", kernel("kernel8.img", "6.12.99-demo-v8"));
  files.set("kernel_2712.img", kernel("kernel_2712.img", "6.12.99-demo-2712"));
  for (const name of ["initramfs8", "initramfs_2712"]) files.set(name, filler(name, 384));
  for (const name of DTBS) files.set(`${name}.dtb`, filler(`${name}.dtb`, 32));
  files.set("overlays/README", Buffer.from(dummy("the overlays' README")));
  files.set("overlays/overlay_map.dtb", filler("overlay_map.dtb", 2));
  for (const name of OVERLAYS) files.set(`overlays/${name}.dtbo`, filler(`${name}.dtbo`, 2));
  return files;
}

/** Partitions 1 (type 0c, FAT32 with LBA) and 2 (83, Linux). */
function masterBootRecord(partitions: { at: number; size: number; type: number }[]): Buffer {
  const sector = Buffer.alloc(SECTOR);
  sector.writeUInt32LE(DISK_ID, 440);
  for (const [index, { at, size, type }] of partitions.entries()) {
    const entry = 446 + index * 16;
    sector.set([0, 0xfe, 0xff, 0xff, type, 0xfe, 0xff, 0xff], entry); // no CHS address: as all partitions past 8 GB have it
    sector.writeUInt32LE(at / SECTOR, entry + 8);
    sector.writeUInt32LE(size / SECTOR, entry + 12);
  }
  sector.writeUInt16LE(0xaa55, 510);
  return sector;
}

/** Files that are data, not code, lie in src/ also when the built program runs. */
function fixture(name: string): string {
  let folder = dirname(fileURLToPath(import.meta.url));
  while (!existsSync(join(folder, "package.json")) && folder !== dirname(folder)) folder = dirname(folder);
  return join(folder, "src/storage/fixtures", name);
}

/**
 * Writes a small disk image, 56 MB apparent, about 5 real: MBR, FAT32 with the boot files of Pi 3, 4 and 5 (all dummies that say so),
 * ext4 root without programs. Real partitions and file systems, the same bytes each time. A file at `path` is replaced.
 * Throws DISK_FULL.
 */
export async function makeDemoImage(path: string): Promise<void> {
  const root = gunzipSync(await readFile(fixture("demo-root.ext4.gz")));
  const boot = await makeFat32({
    size: BOOT_SIZE,
    label: "BOOTFS",
    volumeId: 0xd37012ab,
    files: bootFiles(),
  });
  const record = masterBootRecord([
    { at: BOOT_AT, size: BOOT_SIZE, type: 0x0c },
    { at: ROOT_AT, size: root.length, type: 0x83 },
  ]);
  await rm(path, { force: true });
  const file = await SparseFile.create(path);
  try {
    await file.write(record);
    await file.write(Buffer.alloc(BOOT_AT - SECTOR));
    await file.write(boot);
    await file.write(root);
    await file.finish(0o644);
  } catch (error) {
    await rm(path, { force: true });
    throw asDiskFull(error, `writing the demo image ${path}`);
  } finally {
    await file.close();
  }
}
