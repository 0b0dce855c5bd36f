// OpenWrt switches with realtek-poe: its ubus object `poe` over uhttpd's JSON-RPC, logged in by session.login.
import { BrambleError } from "../base/errors.ts";
import type { PowerReading } from "../base/power.ts";
import type { PowerDriver } from "./driver.ts";
import { askJson, type DeviceUrl } from "./http.ts";
import { stateOfText } from "./vendors.ts";

interface Info {
  ports?: Record<string, string | { status?: string; consumption?: number; mode?: string }>;
  budget?: number;
  consumption?: number;
}
type RpcAnswer = { result?: [number, unknown?]; error?: { code: number; message: string } };

const NO_SESSION = "00000000000000000000000000000000";
/** ubus's own codes, and rpcd's way to say that a session has ended. */
const DENIED = 6;
const ACCESS_DENIED = -32002;

/** `PowerTarget.port` is the interface's name: lan3. */
export function ubus({ user = "root", password = "", ...device }: DeviceUrl, now: () => number): PowerDriver {
  let session: string | undefined;
  let ids = 0;

  async function rpc(of: string, object: string, method: string, args: object, signal: AbortSignal) {
    const body = { jsonrpc: "2.0", id: ++ids, method: "call", params: [of, object, method, args] };
    return askJson<RpcAnswer>(device, { method: "POST", path: "/ubus", body }, signal);
  }
  async function login(signal: AbortSignal): Promise<string> {
    const answer = await rpc(NO_SESSION, "session", "login", { username: user, password }, signal);
    const [status, told] = answer.result ?? [DENIED];
    const id = (told as { ubus_rpc_session?: string } | undefined)?.ubus_rpc_session;
    if (status === 0 && id !== undefined) return id;
    throw new BrambleError("POWER_AUTH", `the switch refuses ${user}'s login`, {
      hint: "check user and password, and that rpcd and uhttpd-mod-ubus are installed",
    });
  }
  async function call<T>(method: string, args: object, signal: AbortSignal): Promise<T> {
    for (let tries = 0; ; tries++) {
      session ??= await login(signal);
      const { result, error } = await rpc(session, "poe", method, args, signal);
      const denied = error?.code === ACCESS_DENIED || result?.[0] === DENIED;
      if (denied && tries === 0) {
        session = undefined; // it has ended, as sessions do after some minutes
        continue;
      }
      if (denied) {
        throw new BrambleError("POWER_AUTH", `${user} may not call poe ${method}`, {
          hint: "an ACL in /usr/share/rpcd/acl.d must allow the object poe",
        });
      }
      if (error || result?.[0] !== 0)
        throw new BrambleError(
          "POWER_REFUSED",
          `poe ${method} failed: ${error?.message ?? `ubus status ${result?.[0]}`}`,
        );
      return (result[1] ?? {}) as T;
    }
  }
  const info = (signal: AbortSignal) => call<Info>("info", {}, signal);

  return {
    kind: "ubus",
    caps: { read: true, cycleAtomic: false, measure: true },
    async get({ port }, signal) {
      const told = (await info(signal)).ports?.[port];
      if (told !== undefined) return readingOf(told, now());
      throw new BrambleError("POWER_REFUSED", `it has no PoE port ${port}`, {
        hint: "bramble switch ports NAME shows those that it has",
      });
    },
    async set({ port }, on, signal) {
      await call("manage", { port, enable: on }, signal);
    },
    async sweep(signal) {
      const { ports = {} } = await info(signal);
      return { ports: new Map(Object.entries(ports).map(([name, told]) => [name, readingOf(told, now())])) };
    },
    async budget(_target, signal) {
      const { budget, consumption } = await info(signal);
      return budget !== undefined && consumption !== undefined
        ? { capacityW: budget, usedW: consumption }
        : undefined;
    },
    close() {},
  };
}

/** Older versions give a port's word alone. */
function readingOf(told: string | { status?: string; consumption?: number }, atMs: number): PowerReading {
  const { status = "", consumption = 0 } = typeof told === "string" ? { status: told } : told;
  const state = stateOfText(status);
  return {
    state,
    adminOn: state === "unknown" ? null : state !== "off",
    detail: status,
    atMs,
    ...(consumption > 0 && { milliwatts: Math.round(consumption * 1000) }),
  };
}
