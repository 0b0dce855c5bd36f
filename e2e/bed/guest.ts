import { createWriteStream } from "node:fs";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type Running, start } from "./commands.ts";
import type { Network } from "./network.ts";

export interface GuestOptions {
  name: string;
  /** For the files handed to QEMU and the console's log (NAME.console.log). */
  folder: string;
  network: Network;
  mac: string;
  /** What a bootloader has fetched, byte for byte. */
  kernel: Uint8Array;
  /** Absent: the kernel mounts its root by itself. */
  initramfs?: Uint8Array;
  cmdline: Uint8Array;
  memoryMb?: number;
  /** 1; a system of many processes is up sooner with 2. */
  cores?: number;
  /** A disk, in QEMU's words (-drive). */
  drive?: string;
}

export interface Guest extends Running {
  consoleLog: string;
  /** A line typed on the serial console. */
  type(line: string): void;
}

/**
 * A machine with a Pi 4's processor (QEMU has no Pi 4 or 5 that could netboot), booted with exactly these bytes. It ends at power off
 * and at reboot. All instructions are interpreted: nothing of this needs KVM.
 */
export async function bootGuest(options: GuestOptions): Promise<Guest> {
  const path = (what: string) => join(options.folder, `${options.name}.${what}`);
  await writeFile(path("kernel"), options.kernel);
  if (options.initramfs) await writeFile(path("initramfs"), options.initramfs);
  const tap = await options.network.tap();
  const consoleLog = path("console.log");
  const log = createWriteStream(consoleLog);
  const started = Date.now();
  let fresh = true;
  const stamp = (text: string) => {
    for (const line of text.split(/(?<=\n)/)) {
      log.write(
        `${fresh ? `${((Date.now() - started) / 1000).toFixed(2).padStart(7)} ` : ""}${line.replace("\r", "")}`,
      );
      fresh = line.endsWith("\n");
    }
  };
  const cores = String(options.cores ?? 1);
  const machine = ["-M", "virt", "-cpu", "cortex-a72", "-smp", cores, "-m", String(options.memoryMb ?? 512)];
  const speed = ["-accel", "tcg,thread=multi,tb-size=512"];
  const plain = ["-nodefaults", "-display", "none", "-serial", "stdio", "-no-reboot"];
  const network = ["-netdev", `tap,id=n0,ifname=${tap},script=no,downscript=no`];
  const card = [
    "-device",
    `virtio-net-pci,netdev=n0,mac=${options.mac},romfile=`,
    "-device",
    "virtio-rng-pci",
  ];
  const drive = options.drive === undefined ? [] : ["-drive", options.drive];
  const boot = [
    "-kernel",
    path("kernel"),
    ...(options.initramfs ? ["-initrd", path("initramfs")] : []),
    "-append",
    Buffer.from(options.cmdline).toString("latin1"),
  ];
  const running = start(
    "qemu-system-aarch64",
    [...machine, ...speed, ...plain, ...network, ...card, ...drive, ...boot],
    { onText: stamp, stdio: ["pipe", "pipe", "pipe"] },
  );
  void running.ended.then(() => log.end());
  return { ...running, consoleLog, type: (line) => void running.process.stdin?.write(`${line}\n`) };
}
