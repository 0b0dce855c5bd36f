// Trees, boards and a network in memory that the virtual Pi's tests share.
import { createHash } from "node:crypto";
import type { SimBoot, VirtualPi } from "../board.ts";
import { bootPi } from "../pi.ts";
import { type ToyDhcp, type ToyTftp, toyDhcp, toyTftp, treeOf } from "../toy-servers.ts";
import { type VirtualNetOptions, virtualNet } from "../virtual-net.ts";

export const sha = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex");
export const blob = (size: number, seed: number) =>
  Uint8Array.from({ length: size }, (_, i) => (i * 31 + seed) & 255);

export const KERNEL = blob(100_000, 7);
export const PI4_FILES = {
  "start4.elf": blob(20_000, 1),
  "fixup4.dat": blob(5436, 2),
  "config.txt": "arm_64bit=1\nauto_initramfs=1\ndtoverlay=vc4-kms-v3d\n",
  "cmdline.txt": "root=/dev/ram0",
  "kernel8.img": KERNEL,
  initramfs8: blob(70_000, 3),
  "bcm2711-rpi-4-b.dtb": blob(5000, 4),
  "overlays/vc4-kms-v3d.dtbo": blob(512, 5),
};
export const PI5_FILES = {
  "config.txt": "",
  "cmdline.txt": "root=/dev/ram0",
  "kernel_2712.img": KERNEL,
  "bcm2712-rpi-5-b.dtb": blob(5000, 4),
};
export const PI3_FILES = {
  "bootcode.bin": blob(52_476, 1),
  "start.elf": blob(30_000, 1),
  "fixup.dat": blob(7303, 2),
  "config.txt": "arm_64bit=1",
  "cmdline.txt": "root=/dev/ram0",
  "kernel8.img": KERNEL,
  "bcm2710-rpi-3-b.dtb": blob(5000, 4),
};

export const PI3: VirtualPi = {
  model: "3B",
  serial: "a2ef5644",
  mac: "b8:27:eb:ef:56:44",
  firmwareDate: "2024-04-01",
};
export const PI4: VirtualPi = {
  model: "4B",
  serial: "91cdf03d",
  mac: "e4:5f:01:09:02:f7",
  firmwareDate: "2024-04-01",
};
export const PI5: VirtualPi = {
  model: "5",
  serial: "da591740",
  mac: "88:a2:9e:ae:c8:7f",
  firmwareDate: "2025-11-01",
};

export interface World {
  dhcp?: ToyDhcp;
  tftp?: Partial<ToyTftp>;
  net?: Partial<VirtualNetOptions>;
}

export function boot(
  pi: VirtualPi,
  files: Record<string, string | Uint8Array>,
  world: World = {},
  keepBytes = false,
) {
  const dhcp = toyDhcp(world.dhcp);
  const tftp = toyTftp({ files: treeOf(files), ...world.tftp });
  const net = virtualNet({ servers: [dhcp, tftp], ...world.net });
  return bootPi(pi, net, { keepBytes }).then((result) => ({ ...result, dhcp, tftp }));
}

export const brief = (result: SimBoot) =>
  result.requests.map(
    ({ path, result: how }) => `${path} ${how === "probe" ? "?" : how === "missing" ? "x" : how}`,
  );
