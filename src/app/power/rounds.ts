// Every switch is read as a whole now and then; one that has restarted is brought back to what its nodes should be.
import type { BrambleError } from "../../base/errors.ts";
import { SYSTEM } from "../../fleet/actor.ts";
import type { Journal } from "../journal.ts";
import type { NewsDesk } from "../news.ts";
import type { PowerDesk } from "./desk.ts";
import type { Device } from "./devices.ts";
import { scanDevice } from "./scan.ts";

/** Between two readings of a switch; `every` of its options changes it. */
const EVERY_S = 120;
const SCAN_MS = 15 * 60_000;
/** Clocks differ, and sysUpTime counts hundredths: a switch that restarts again within this time after it started goes unnoticed. */
const SLACK_MS = 2_000;

export interface Rounds {
  /** Reads one switch now. */
  read(device: Device): Promise<void>;
  close(): void;
}

export function startRounds(options: {
  desk: PowerDesk;
  journal: Pick<Journal, "event">;
  news: NewsDesk;
  now(): number;
}): Rounds {
  const { desk, journal, news, now } = options;
  const timers = new Map<string, NodeJS.Timeout>();
  let closed = false;
  const tell = (device: Device, words: string) => {
    journal.event("switch", undefined, `${device.row.name}: ${words}`);
    news.tell({ about: "switch", id: device.row.id });
  };
  const nodesOf = (device: Device) =>
    desk.bindings.all().filter(({ switchId }) => switchId === device.row.id);

  async function read(device: Device): Promise<void> {
    const { driver } = device;
    const nodes = nodesOf(device);
    let upTimeMs: number | undefined;
    const beganMs = now(); // long tables take their time: what it said is at least as new as this
    try {
      if (driver.sweep) {
        const sweep = await device.call(async () => driver.sweep?.(desk.closing));
        for (const { nodeId, port } of nodes) {
          const reading = sweep?.ports.get(port);
          if (reading) desk.saw(nodeId, reading);
        }
        upTimeMs = sweep?.upTimeMs;
      } else if (driver.caps.read) {
        await Promise.all(nodes.map(({ nodeId }) => desk.read(nodeId, desk.closing)));
      }
    } catch (error) {
      if (!closed) isDown(device, error as BrambleError);
      return;
    }
    if (device.down) {
      delete device.down;
      tell(device, "it answers again");
    }
    if (upTimeMs === undefined) return;
    const restarted = hasRestarted(device, upTimeMs, beganMs);
    await desk.devices.sawUpTime(device, upTimeMs);
    if (restarted) await reconcile(device);
  }

  function isDown(device: Device, error: BrambleError): void {
    const words = `${error.message}${error.hint ? ` (${error.hint})` : ""}`;
    if (!device.down) tell(device, words);
    device.down = { words, sinceMs: device.down?.sinceMs ?? now() };
    for (const { nodeId } of nodesOf(device))
      desk.saw(nodeId, {
        state: "unknown",
        adminOn: null,
        detail: "its switch does not answer",
        atMs: now(),
      });
  }

  /** What was set on it may be gone, or may have lasted: both happen. */
  async function reconcile(device: Device): Promise<void> {
    tell(device, "it has restarted: its ports are compared with what they should be");
    const why = `${device.row.name} has restarted, and left it otherwise`;
    const orders = nodesOf(device).flatMap(({ nodeId }) => {
      const want = desk.wants.of(nodeId)?.want;
      const { actual } = desk.view(nodeId);
      if (desk.isBusy(nodeId)) return [];
      if (want === "off" && actual !== "off") return [desk.set(nodeId, "off", { by: SYSTEM, why })];
      if (want === "on" && actual === "off") return [desk.set(nodeId, "on", { by: SYSTEM, why })];
      return [];
    });
    await Promise.allSettled(orders); // each is told on its node's page
  }

  async function round(device: Device): Promise<void> {
    await read(device);
    const due = now() - (device.row.scannedMs ?? 0) > SCAN_MS;
    if (!due || !device.driver.discover || device.down || closed) return;
    await scanDevice(desk, device, desk.closing).catch((error: Error) => {
      if (!closed) tell(device, `its ports could not be looked at: ${error.message}`);
    });
  }

  /** Devices come and go: whoever has no timer yet gets one, whose device is gone loses it. */
  function look(): void {
    for (const device of desk.devices.all()) {
      if (closed || timers.has(device.row.id)) continue;
      const again = async () => {
        await round(device);
        if (closed || desk.devices.byId(device.row.id) === undefined)
          return void timers.delete(device.row.id);
        timers.set(device.row.id, setTimeout(again, (device.options.every ?? EVERY_S) * 1000));
      };
      timers.set(device.row.id, setTimeout(again, 0));
    }
  }
  look();
  const looking = setInterval(look, 1_000);

  return {
    read,
    close() {
      closed = true;
      clearInterval(looking);
      for (const timer of timers.values()) clearTimeout(timer);
    },
  };
}

/** Its time since it started is less than it was, or than it should be by now. */
export function hasRestarted({ row }: Pick<Device, "row">, upTimeMs: number, now: number): boolean {
  if (row.upTimeMs === null || row.upAtMs === null) return false;
  const passed = now - row.upAtMs;
  return upTimeMs < row.upTimeMs || upTimeMs < row.upTimeMs + passed * 0.99 - SLACK_MS;
}
