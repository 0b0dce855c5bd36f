// A guest that mounts an NFS export with its kernel's own client: Debian's kernel, a program in an initramfs.
import { mkdir, readFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";
import { toUtf8 } from "../../src/base/text.ts";
import { type CpioEntry, writeCpio } from "../../src/formats/cpio.ts";
import { planModules, readModules } from "../../src/storage/agent-modules.ts";
import type { Need, Stage } from "../scenario.ts";
import { bytesOf, openCard } from "./card.ts";
import { output } from "./commands.ts";
import { bootGuest, type Guest } from "./guest.ts";
import type { Network } from "./network.ts";

export const ARM64_GCC: Need = { tool: "aarch64-linux-gnu-gcc", package: "gcc-aarch64-linux-gnu" };
const SOURCES = fileURLToPath(new URL("../../", import.meta.url)).replace(/dist\/$/, "");

export interface NfsGuestOptions {
  network: Network;
  /** Its own address is host(number) of the network. */
  number: number;
  /** For mount -t nfs, behind the address of the server and version 3 over TCP. */
  options: string;
  server: string;
  path: string;
  /** C programs of e2e/guest, by name: they are /bin/NAME. */
  programs: readonly string[];
  /** Lines of the shell, with the export at /mnt, which they begin in. */
  script: string;
  memoryMb?: number;
}

const init = (
  { number, options, server, path, script }: NfsGuestOptions,
  address: string,
): string => `#!/bin/busybox sh
/bin/busybox --install -s /bin
export PATH=/bin
mount -t proc proc /proc; mount -t sysfs sysfs /sys; mount -t devtmpfs dev /dev
for name in virtio_pci virtio_net nfs nfsv3; do modprobe -q $name; done
hostname guest-${number}
ip link set lo up; ip link set eth0 up; ip addr add ${address}/24 dev eth0
tries=0
until mount -t nfs -o vers=3,proto=tcp,mountproto=tcp,nolock,addr=${server},${options} ${server}:${path} /mnt; do
  tries=$((tries + 1)); [ $tries -lt 20 ] || { echo GUEST no mount; poweroff -f; }
  sleep 1
done
cd /mnt; echo GUEST mounted
${script}
cd /; umount /mnt && echo GUEST unmounted
poweroff -f
`;

/** Compiles a C program of e2e/guest for arm64. */
export async function armProgram(folder: string, name: string): Promise<string> {
  const binary = join(folder, name);
  const source = join(SOURCES, "e2e/guest", `${name}.c`);
  await mkdir(folder, { recursive: true });
  await output("aarch64-linux-gnu-gcc", ["-static", "-O2", "-w", "-o", binary, source]);
  return binary;
}

let guests = 0;

export async function bootNfsGuest(t: Stage, options: NfsGuestOptions): Promise<Guest> {
  const card = await openCard(t.asset("mini-image"));
  const [kernelFolder] = await card.root.list("usr/lib/modules");
  const version = kernelFolder?.name ?? "";
  const wanted = ["virtio_net", "nfs", "nfsv3"];
  const plan = await planModules(card.root, { version, modules: `usr/lib/modules/${version}` }, wanted);
  const file = (path: string, bytes: Uint8Array): CpioEntry => ({ kind: "file", path, mode: 0o755, bytes });
  const programs = await Promise.all(options.programs.map((name) => armProgram(t.folder, name)));
  const address = options.network.host(options.number);
  const initramfs = writeCpio([
    ...(await readModules(card.root, plan)),
    file("bin/busybox", await bytesOf(card.root, "bin/busybox")),
    ...(await Promise.all(programs.map(async (path) => file(`bin/${basename(path)}`, await readFile(path))))),
    file("init", toUtf8(init(options, address))),
    ...["dev", "proc", "sys", "mnt"].map((path) => ({ kind: "directory", path, mode: 0o755 }) as const),
  ]);
  const kernel = await bytesOf(card.boot, "kernel8.img");
  card.close();
  const guest = await bootGuest({
    name: `nfs-guest-${guests++}`,
    folder: t.folder,
    network: options.network,
    mac: `52:54:00:00:01:${options.number.toString(16).padStart(2, "0")}`,
    kernel,
    initramfs,
    cmdline: toUtf8("console=ttyAMA0,115200 panic=-1 quiet"),
    ...(options.memoryMb !== undefined && { memoryMb: options.memoryMb }),
  });
  t.atEnd(() => guest.stop());
  return guest;
}
