// Power by somebody's HTTP service: ours (one POST, signed), or three URLs as MAAS has them (on, off, query).
import { createHmac } from "node:crypto";
import { BrambleError } from "../base/errors.ts";
import type { PowerReading, PowerTarget } from "../base/power.ts";
import type { PowerDriver } from "./driver.ts";
import { readingOfText, valuesOf } from "./exec.ts";
import { ask, type DeviceUrl } from "./http.ts";

export interface WebhookOptions extends DeviceUrl {
  /** Signs what we send: `x-bramble-signature: sha256=<hex of HMAC-SHA256 over "<x-bramble-time>.<body>">`. */
  secret?: string;
  now(): number;
}

/** POST {"action": "on" | "off" | "query", "port", "node", "serial", "mac"}; the answer is {"state": "on" | "off" | …}. */
export function webhook({ secret, now, ...device }: WebhookOptions): PowerDriver {
  async function post(action: string, target: PowerTarget, signal: AbortSignal): Promise<string> {
    const body = JSON.stringify({ action, ...valuesOf(target) });
    const time = String(Math.floor(now() / 1000));
    const mac =
      secret === undefined ? undefined : createHmac("sha256", secret).update(`${time}.${body}`).digest("hex");
    const headers = {
      "x-bramble-time": time,
      ...(mac !== undefined && { "x-bramble-signature": `sha256=${mac}` }),
    };
    return (await ask(device, { method: "POST", path: "", body, headers }, signal)).text;
  }
  return {
    kind: "webhook",
    caps: { read: true, cycleAtomic: false, measure: false },
    get: async (target, signal) => readingOfText(await post("query", target, signal), now()),
    async set(target, on, signal) {
      await post(on ? "on" : "off", target, signal);
    },
    close() {},
  };
}

export interface MaasOptions extends Omit<DeviceUrl, "url"> {
  /** With {port}, {node}, {serial}, {mac}. */
  onUrl: string;
  offUrl: string;
  queryUrl: string;
  /** What the query's answer looks like then; defaults are MAAS's. */
  onPattern?: string;
  offPattern?: string;
  /** Bearer, instead of user and password. */
  token?: string;
  now(): number;
}

const RUNNING = "status.*:.*running";
const STOPPED = "status.*:.*stopped";

/** POST to switch, GET to ask: the convention of MAAS's webhook power type. */
export function maasWebhook(options: MaasOptions): PowerDriver {
  const { onUrl, offUrl, queryUrl, token, now, ...access } = options;
  const [on, off] = [pattern(options.onPattern ?? RUNNING), pattern(options.offPattern ?? STOPPED)];
  const call = async (method: "GET" | "POST", url: string, target: PowerTarget, signal: AbortSignal) => {
    const values = valuesOf(target);
    const path = url.replace(/\{(\w+)\}/g, (whole, name: string) =>
      values[name] === undefined ? whole : encodeURIComponent(values[name]),
    );
    const headers = token === undefined ? {} : { authorization: `Bearer ${token}` };
    return (await ask({ ...access, url: path }, { method, path, headers }, signal)).text;
  };
  return {
    kind: "webhook",
    caps: { read: true, cycleAtomic: false, measure: false },
    async get(target, signal): Promise<PowerReading> {
      const text = await call("GET", queryUrl, target, signal);
      const state = on.test(text) ? "on" : off.test(text) ? "off" : "unknown";
      return { state, adminOn: state === "unknown" ? null : state === "on", atMs: now() };
    },
    async set(target, wantOn, signal) {
      await call("POST", wantOn ? onUrl : offUrl, target, signal);
    },
    close() {},
  };
}

function pattern(text: string): RegExp {
  try {
    return new RegExp(text);
  } catch (cause) {
    throw new BrambleError("BAD_INPUT", `${text} is no pattern: ${(cause as Error).message}`, { cause });
  }
}
