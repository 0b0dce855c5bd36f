// Plugs: Shelly of the first and the later generations, Tasmota.
import { BrambleError } from "../base/errors.ts";
import type { PowerReading } from "../base/power.ts";
import type { PowerDriver } from "./driver.ts";
import { askJson, type DeviceUrl } from "./http.ts";

const reading = (on: boolean | undefined, atMs: number, watts?: number): PowerReading => ({
  state: on === undefined ? "unknown" : on ? "on" : "off",
  adminOn: on ?? null,
  atMs,
  ...(watts !== undefined && { milliwatts: Math.round(watts * 1000) }),
});

/** `PowerTarget.port` is the relay, from 0. */
export function shelly(device: DeviceUrl & { generation: 1 | 2 }, now: () => number): PowerDriver {
  const { generation, ...to } = device;
  const relay = (port: string) => `/relay/${encodeURIComponent(port)}`;
  const rpc = async <T>(method: string, params: object, signal: AbortSignal): Promise<T> => {
    const body = { id: 1, method, params };
    const { result, error } = await askJson<{ result?: T; error?: { message?: string } }>(
      to,
      { method: "POST", path: "/rpc", body },
      signal,
    );
    if (result !== undefined) return result;
    throw new BrambleError("POWER_REFUSED", `${method} failed: ${error?.message ?? "no result"}`);
  };
  return {
    kind: "shelly",
    caps: { read: true, cycleAtomic: false, measure: generation === 2 },
    async get({ port }, signal) {
      if (generation === 1) {
        const { ison } = await askJson<{ ison?: boolean }>(to, { method: "GET", path: relay(port) }, signal);
        return reading(ison, now());
      }
      const status = await rpc<{ output?: boolean; apower?: number }>(
        "Switch.GetStatus",
        { id: Number(port) },
        signal,
      );
      return reading(status.output, now(), status.apower);
    },
    async set({ port }, on, signal) {
      if (generation === 2) {
        await rpc("Switch.Set", { id: Number(port), on }, signal);
        return;
      }
      const headers = { "content-type": "application/x-www-form-urlencoded" };
      const body = `turn=${on ? "on" : "off"}`;
      await askJson(to, { method: "POST", path: relay(port), body, headers }, signal);
    },
    close() {},
  };
}

/** `PowerTarget.port` is the relay, from 1. Its password goes in the query, as it wants it: never over networks that strangers share. */
export function tasmota({ user, password, ...device }: DeviceUrl, now: () => number): PowerDriver {
  async function command(port: string, argument: string, signal: AbortSignal): Promise<PowerReading> {
    const login =
      password === undefined
        ? ""
        : `&user=${encodeURIComponent(user ?? "admin")}&password=${encodeURIComponent(password)}`;
    const path = `/cm?cmnd=Power${encodeURIComponent(port)}${argument}${login}`;
    const told = await askJson<Record<string, unknown>>(device, { method: "GET", path }, signal);
    const said = told[`POWER${port}`] ?? (port === "1" ? told["POWER"] : undefined); // of a single relay
    if (said === undefined && "WARNING" in told)
      throw new BrambleError("POWER_AUTH", `the plug refuses us: ${String(told["WARNING"]).slice(0, 100)}`);
    return reading(said === "ON" ? true : said === "OFF" ? false : undefined, now());
  }
  return {
    kind: "tasmota",
    caps: { read: true, cycleAtomic: false, measure: false },
    get: ({ port }, signal) => command(port, "", signal),
    async set({ port }, on, signal) {
      await command(port, on ? "%20on" : "%20off", signal);
    },
    close() {},
  };
}
