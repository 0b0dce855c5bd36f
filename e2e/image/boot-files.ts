import { createReadStream, createWriteStream } from "node:fs";
import { copyFile, cp, mkdir, readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import { createGzip } from "node:zlib";
import { cached } from "../cache.ts";
import { pins, unpack } from "./packages.ts";

/** What raspi-firmware and a kernel package hold, unpacked: `firmware/` and `kernel/`. */
export interface Pieces {
  folder: string;
  version: string;
}

/** Debian's firmware for the Pi and its unchanged arm64 kernel. */
export async function pieces(): Promise<Pieces> {
  const { mirror, kernel, firmware } = await pins();
  const folder = await cached("pieces", [kernel.sha256, firmware.sha256], async (into) => {
    await unpack(mirror, kernel, join(into, "kernel"));
    await unpack(mirror, firmware, join(into, "firmware"));
  });
  return { folder, version: kernel.name.replace("linux-image-", "") };
}

/** The content of the boot partition, laid out as Raspberry Pi OS does. */
export async function bootFiles(from: Pieces, diskId: string, into: string): Promise<void> {
  const firmware = join(from.folder, "firmware/usr/lib/raspi-firmware");
  await mkdir(join(into, "overlays"), { recursive: true });
  for (const name of await readdir(firmware))
    if (/^(bootcode\.bin|start.*\.elf|fixup.*\.dat|LICENCE.*)$/.test(name))
      await copyFile(join(firmware, name), join(into, name));
  await cp(join(firmware, "overlays"), join(into, "overlays"), { recursive: true });
  const trees = join(from.folder, `kernel/usr/lib/linux-image-${from.version}/broadcom`);
  for (const name of await readdir(trees))
    if (/^bcm2(71|837).*rpi.*\.dtb$/.test(name)) await copyFile(join(trees, name), join(into, name));
  const kernel = createReadStream(join(from.folder, `kernel/boot/vmlinuz-${from.version}`));
  await pipeline(kernel, createGzip(), createWriteStream(join(into, "kernel8.img")));
  await writeFile(join(into, "config.txt"), CONFIG);
  await writeFile(join(into, "cmdline.txt"), cmdline(diskId));
}

const CONFIG = `# For more options and information see
# http://rptl.io/configtxt
dtparam=audio=on
camera_auto_detect=1
display_auto_detect=1
auto_initramfs=1
disable_fw_kms_setup=1
arm_64bit=1
disable_overscan=1
arm_boost=1

[cm4]
otg_mode=1

[all]
enable_uart=1
`;

/** The serial console by the name that it also has in QEMU; the rest as on a fresh card, with what a card does once. */
const cmdline = (diskId: string): string =>
  `console=tty1 console=ttyAMA0,115200 root=PARTUUID=${diskId}-02 rootfstype=ext4 fsck.repair=yes rootwait quiet init=/usr/lib/raspberrypi-sys-mods/firstboot\n`;
