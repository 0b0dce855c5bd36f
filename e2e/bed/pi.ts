import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { SimBoot, VirtualPi } from "../../src/sim/board.ts";
import type { Stage } from "../scenario.ts";
import { output, sh, start } from "./commands.ts";
import type { Network } from "./network.ts";

const ENDING = import.meta.url.slice(-3);
const MAIN = fileURLToPath(new URL(`pi-main${ENDING}`, import.meta.url));

/** What a virtual Pi fetched: its boot as it saw it, and the bytes for the machine that goes on from there. */
export interface Fetched {
  boot: Omit<SimBoot, "files">;
  /** By name without the board's prefix. */
  files: Record<string, { path: string; size: number; sha256: string }>;
  kernel: Uint8Array;
  initramfs: Uint8Array;
  cmdline: Uint8Array;
}

let plugged = 0;

/** A virtual Pi on its own cable: a network namespace with one interface on the network's switch. Boots once up to the kernel's last byte. */
export async function netboot(t: Stage, network: Network, pi: VirtualPi): Promise<Fetched> {
  const boot = await powerOn(t, network, pi);
  const { kernel, initramfs, cmdline } = boot.bytes;
  if (boot.boot.outcome !== "kernel" || !kernel || !initramfs || !cmdline) {
    const log = boot.boot.log.slice(-15).join("\n");
    throw new Error(
      `the virtual Pi ${pi.serial} ended with ${boot.boot.outcome}: ${boot.boot.reason}\n${log}`,
    );
  }
  return { ...boot, kernel, initramfs, cmdline };
}

export interface PowerOn {
  boot: Omit<SimBoot, "files">;
  files: Fetched["files"];
  bytes: Partial<Record<"kernel" | "initramfs" | "cmdline", Uint8Array>>;
}

/** The same, whatever comes of it. */
export async function powerOn(t: Stage, network: Network, pi: VirtualPi): Promise<PowerOn> {
  const name = `pi${plugged++}`;
  await sh(`ip netns add ${name}`);
  await sh(`ip link add ${name} type veth peer name eth0 netns ${name}`);
  await sh(`ip link set ${name} master ${network.bridge} up`);
  const inside = `ip -n ${name} link set eth0`;
  await sh(`${inside} address ${pi.mac}`);
  await sh(`${inside} up`);
  const out = join(t.folder, name);
  await writeFile(`${out}.json`, JSON.stringify({ pi, out }));
  const child = ["netns", "exec", name, process.execPath, ...process.execArgv, MAIN, `${out}.json`];
  const running = start("ip", child);
  try {
    const code = await running.ended;
    if (code !== 0) throw new Error(`the virtual Pi's process ended with ${code}: ${running.text()}`);
  } finally {
    await output("ip", ["netns", "del", name]);
    await output("ip", ["link", "del", name]).catch(() => {}); // gone with its peer
  }
  const { boot, files } = JSON.parse(await readFile(`${out}.boot.json`, "utf8")) as Pick<
    Fetched,
    "boot" | "files"
  >;
  const bytes = (what: "kernel" | "initramfs" | "cmdline") =>
    boot[what] ? readFile(`${out}.${what}`) : undefined;
  const [kernel, initramfs, cmdline] = await Promise.all([
    bytes("kernel"),
    bytes("initramfs"),
    bytes("cmdline"),
  ]);
  return {
    boot,
    files,
    bytes: { ...(kernel && { kernel }), ...(initramfs && { initramfs }), ...(cmdline && { cmdline }) },
  };
}
