import { createHash } from "node:crypto";
import type { BootDetail } from "../../src/api/contract.ts";
import type { BootStage } from "../../src/fleet/boots.ts";
import type { VirtualPi } from "../../src/sim/board.ts";
import type { AssetName, Stage } from "../scenario.ts";
import { type Bramble, startBramble } from "./bramble.ts";
import { bootGuest, type Guest } from "./guest.ts";
import { makeNetwork, type Network } from "./network.ts";
import { type Fetched, netboot } from "./pi.ts";

/** Bramble as the DHCP server of a network, with one image, taking every board. */
export interface Fleet {
  network: Network;
  bramble: Bramble;
}

export async function standUp(t: Stage, image: AssetName, up: string[] = []): Promise<Fleet> {
  const network = await makeNetwork();
  const pool = `${network.host(100)}-${network.host(199)}`;
  const options = ["--mode", "full", "--pool", pool, "--enrol", "auto", "--image", t.asset(image), ...up];
  const bramble = await startBramble(t, { network, up: options });
  await bramble.server.saw(/becomes every node's image/, 120);
  return { network, bramble };
}

/** A Pi 4 that waits for nothing but the network; its number makes serial and MAC. */
export const pi4 = (number: number): VirtualPi => ({
  model: "4B",
  serial: (0x10000000 + number).toString(16),
  mac: `dc:a6:32:00:00:${number.toString(16).padStart(2, "0")}`,
  hardwareWaits: 0,
});

export const nodeName = (pi: VirtualPi): string => `pi-${pi.serial}`;

export interface BootedNode {
  fetched: Fetched;
  guest: Guest;
}

let boots = 0;

/** One whole boot: the virtual Pi fetches, QEMU goes on from exactly these bytes. */
export async function bootNode(
  t: Stage,
  fleet: Fleet,
  pi: VirtualPi,
  options: { memoryMb?: number; cores?: number; beforeKernel?: () => Promise<unknown> } = {},
): Promise<BootedNode> {
  const fetched = await netboot(t, fleet.network, pi);
  await options.beforeKernel?.();
  const { kernel, initramfs, cmdline } = fetched;
  const guest = await bootGuest({
    name: `${nodeName(pi)}-${boots++}`,
    folder: t.folder,
    network: fleet.network,
    mac: pi.mac,
    kernel,
    initramfs,
    cmdline,
    ...(options.memoryMb !== undefined && { memoryMb: options.memoryMb }),
    ...(options.cores !== undefined && { cores: options.cores }),
  });
  t.atEnd(() => guest.stop());
  return { fetched, guest };
}

export interface MiniUp {
  boots: number;
  host: string;
  id: string;
  root: string;
}

/** What the mini image says of itself when it is up. */
export async function miniUp(guest: Guest, seconds = 120): Promise<MiniUp> {
  const [, count, host = "", id = "", root = ""] = await guest.saw(
    /ROOT-UP boots=(\d+) host=(\S+) id=(\S+) root=(\S+ \S+)\s/,
    seconds,
  );
  return { boots: Number(count), host, id, root };
}

/** Waits until the last boot of a node has come to `stage`, or ended. */
export async function reached(
  fleet: Fleet,
  pi: VirtualPi,
  stage: BootStage,
  seconds: number,
): Promise<BootDetail> {
  const deadline = Date.now() + seconds * 1000;
  for (;;) {
    const { boot } = await fleet.bramble.explain(nodeName(pi));
    if (boot?.stage === stage) return boot;
    if (Date.now() > deadline || boot?.outcome === "failed")
      throw new Error(
        `${nodeName(pi)} came to ${boot?.stage}, not ${stage}: ${boot?.verdict ?? boot?.steps.at(-1)?.words}`,
      );
    await new Promise((resolve) => setTimeout(resolve, 1000));
  }
}

/** Waits until the last boot of a node has an outcome. */
export async function outcome(fleet: Fleet, pi: VirtualPi, seconds: number): Promise<BootDetail> {
  const deadline = Date.now() + seconds * 1000;
  for (;;) {
    const { boot } = await fleet.bramble.explain(nodeName(pi));
    if (boot?.outcome) return boot;
    if (Date.now() > deadline) throw new Error(`${nodeName(pi)} is still at ${boot?.stage}`);
    await new Promise((resolve) => setTimeout(resolve, 500));
  }
}

export const sha256 = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex");
