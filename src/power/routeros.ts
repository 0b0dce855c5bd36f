// MikroTik RouterOS by its REST API (7.1 and later): /interface/ethernet with poe-out, and who is learned on its bridges.
import { BrambleError } from "../base/errors.ts";
import type { DiscoveredPort, PowerReading } from "../base/power.ts";
import type { PowerDriver } from "./driver.ts";
import { askJson, type DeviceUrl } from "./http.ts";

interface Ethernet {
  ".id": string;
  name: string;
  "poe-out"?: string;
  comment?: string;
  running?: string;
}
interface Monitored {
  name: string;
  "poe-out"?: string;
  "poe-out-status"?: string;
  "poe-out-power"?: string | number;
}

const STATES: Record<string, PowerReading["state"]> = {
  "powered-on": "on",
  "waiting-for-load": "searching",
  disabled: "off",
  off: "off",
};
/** Range of its own power-cycle, and its unit. */
const MOST_CYCLE_MS = 60_000;

/** `PowerTarget.port` is the interface's name: ether5. */
export function routeros(device: DeviceUrl, now: () => number): PowerDriver {
  const post = <T>(path: string, body: object, signal: AbortSignal) =>
    askJson<T>(device, { method: "POST", path, body }, signal);
  const ethernets = (signal: AbortSignal) =>
    askJson<Ethernet[]>(device, { method: "GET", path: "/rest/interface/ethernet" }, signal);

  async function need(port: string, signal: AbortSignal): Promise<Ethernet> {
    const found = (await ethernets(signal)).find(({ name }) => name === port);
    if (found?.["poe-out"] !== undefined) return found;
    throw new BrambleError("POWER_REFUSED", `${port} is no interface of it that gives power`, {
      hint: "bramble switch ports NAME shows those that do",
    });
  }
  async function monitor(ports: readonly string[], signal: AbortSignal): Promise<Map<string, PowerReading>> {
    if (ports.length === 0) return new Map();
    const body = { numbers: ports.join(","), once: "" };
    const told = await post<Monitored[]>("/rest/interface/ethernet/poe/monitor", body, signal);
    return new Map(told.map((one) => [one.name, readingOf(one, now())]));
  }

  return {
    kind: "routeros",
    caps: { read: true, cycleAtomic: true, measure: true },
    async get({ port }, signal) {
      const reading = (await monitor([port], signal)).get(port);
      if (reading) return reading;
      throw new BrambleError("POWER_REFUSED", `it says nothing about ${port}`);
    },
    async set({ port }, on, signal) {
      const { ".id": id } = await need(port, signal);
      const body = { "poe-out": on ? "auto-on" : "off" };
      const path = `/rest/interface/ethernet/${encodeURIComponent(id)}`;
      await askJson(device, { method: "PATCH", path, body }, signal);
    },
    async cycle({ port }, offMs, signal) {
      const duration = `${Math.max(1, Math.round(Math.min(offMs, MOST_CYCLE_MS) / 1000))}s`;
      await post("/rest/interface/ethernet/poe/power-cycle", { numbers: port, duration }, signal);
    },
    async sweep(signal) {
      const ports = (await ethernets(signal)).filter((one) => one["poe-out"] !== undefined);
      const told = await monitor(
        ports.map(({ name }) => name),
        signal,
      );
      const { uptime } = await askJson<{ uptime?: string }>(
        device,
        { method: "GET", path: "/rest/system/resource" },
        signal,
      );
      const upTimeMs = durationMs(uptime ?? "");
      return { ports: told, ...(upTimeMs !== undefined && { upTimeMs }) };
    },
    async link({ port }, signal) {
      const { running } = await need(port, signal);
      return running === undefined ? undefined : running === "true";
    },
    async discover(signal) {
      const hosts = await askJson<{ "mac-address"?: string; interface?: string; local?: string }[]>(
        device,
        { method: "GET", path: "/rest/interface/bridge/host" },
        signal,
      );
      const learned = hosts.filter(({ local }) => local !== "true");
      return (await ethernets(signal)).map(
        (one): DiscoveredPort => ({
          name: one.name,
          macs: learned
            .flatMap((host) =>
              host.interface === one.name ? [(host["mac-address"] ?? "").toLowerCase()] : [],
            )
            .sort(),
          ...(one["poe-out"] !== undefined && { port: one.name }),
          ...(one.comment && { alias: one.comment }),
          ...(one.running !== undefined && { up: one.running === "true" }),
        }),
      );
    },
    close() {},
  };
}

function readingOf(told: Monitored, atMs: number): PowerReading {
  const status = told["poe-out-status"] ?? "";
  const watts = Number(String(told["poe-out-power"] ?? "").replace(/W$/, "")); // some numbers are strings
  return {
    state: STATES[status] ?? (status === "" ? "unknown" : "fault"),
    adminOn: told["poe-out"] === undefined ? null : told["poe-out"] !== "off",
    detail: status,
    atMs,
    ...(watts > 0 && { milliwatts: Math.round(watts * 1000) }),
  };
}

/** RouterOS's way to write a time, "1w2d3h4m5s". */
export function durationMs(text: string): number | undefined {
  const units: Record<string, number> = { w: 604_800, d: 86_400, h: 3_600, m: 60, s: 1 };
  if (!/^(\d+[wdhms])+$/.test(text)) return undefined;
  return [...text.matchAll(/(\d+)([wdhms])/g)].reduce(
    (sum, [, n, unit]) => sum + Number(n) * (units[unit ?? ""] ?? 0) * 1000,
    0,
  );
}
