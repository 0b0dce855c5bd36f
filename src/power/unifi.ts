// Switches behind a UniFi Network controller: classic, and on UniFi OS (with its prefix and CSRF token).
import { BrambleError } from "../base/errors.ts";
import type { DiscoveredPort, PowerReading } from "../base/power.ts";
import type { PowerDriver } from "./driver.ts";
import { ask, type DeviceUrl } from "./http.ts";
import { stateOfText } from "./vendors.ts";

export interface UnifiOptions extends DeviceUrl {
  /** Default: default. */
  site?: string;
  /** Of the switch. */
  mac: string;
  /** UniFi OS (Dream Machine, Cloud Key 2): default true. */
  unifiOs?: boolean;
  now(): number;
}

interface PortOverride {
  port_idx: number;
  poe_mode?: string;
}
interface Port {
  port_idx: number;
  name?: string;
  port_poe?: boolean;
  poe_enable?: boolean;
  poe_mode?: string;
  poe_good?: boolean;
  poe_power?: string | number;
  poe_class?: string;
  up?: boolean;
  is_uplink?: boolean;
}
interface Switch {
  _id: string;
  mac: string;
  uptime?: number;
  port_overrides?: PortOverride[];
  port_table?: Port[];
}

/** `PowerTarget.port` is the port's number. */
export function unifi(options: UnifiOptions): PowerDriver {
  const { user = "", password = "", unifiOs = true, site = "default", now } = options;
  const { user: _user, password: _password, ...device } = options; // its session is a cookie, never Basic
  const api = `${unifiOs ? "/proxy/network" : ""}/api/s/${site}`;
  let session: Record<string, string> | undefined;
  /** A change replaces the whole list of ports: two at once would lose one. */
  let changing: Promise<unknown> = Promise.resolve();

  async function login(signal: AbortSignal): Promise<Record<string, string>> {
    const path = unifiOs ? "/api/auth/login" : "/api/login";
    const answer = await ask(
      device,
      { method: "POST", path, body: { username: user, password }, also: [400] },
      signal,
    );
    const cookies = (answer.headers["set-cookie"] ?? []).map((one) => one.split(";")[0] ?? "");
    if (answer.status === 400 || cookies.length === 0) {
      throw new BrambleError("POWER_AUTH", "the controller refuses our user or password", {
        hint: "a local user of the controller without a second factor: bramble switch set NAME --user … --password-file …",
      });
    }
    const token = csrfOf(cookies);
    session = {
      cookie: cookies.join("; "),
      ...(unifiOs && token !== undefined && { "x-csrf-token": token }),
    };
    return session;
  }

  /** Logs in where that is needed, once more where the session has ended. */
  async function call<T>(
    method: "GET" | "POST" | "PUT",
    path: string,
    signal: AbortSignal,
    body?: object,
  ): Promise<T[]> {
    const wish = { method, path: api + path, also: [401], ...(body && { body }) };
    let answer = await ask(device, { ...wish, headers: session ?? (await login(signal)) }, signal);
    if (answer.status === 401)
      answer = await ask(device, { ...wish, also: [], headers: await login(signal) }, signal);
    return (JSON.parse(answer.text) as { data?: T[] }).data ?? [];
  }

  async function find(signal: AbortSignal): Promise<Switch> {
    const wanted = options.mac.toLowerCase();
    const found = (await call<Switch>("GET", "/stat/device", signal)).find(
      ({ mac }) => mac.toLowerCase() === wanted,
    );
    if (found) return found;
    throw new BrambleError("POWER_REFUSED", `the controller knows no switch ${options.mac} at site ${site}`);
  }
  const portOf = (of: Switch, port: string): Port => {
    const found = of.port_table?.find(
      ({ port_idx, port_poe }) => String(port_idx) === port && port_poe !== false,
    );
    if (found) return found;
    throw new BrambleError("POWER_REFUSED", `the switch ${options.mac} has no port ${port} that gives power`);
  };

  return {
    kind: "unifi",
    caps: { read: true, cycleAtomic: true, measure: true },
    get: async ({ port }, signal) => readingOf(portOf(await find(signal), port), now()),
    set({ port }, on, signal) {
      const next = changing.then(async () => {
        const of = await find(signal);
        portOf(of, port);
        const index = Number(port);
        const rest = (of.port_overrides ?? []).filter(({ port_idx }) => port_idx !== index);
        const mine = of.port_overrides?.find(({ port_idx }) => port_idx === index);
        const port_overrides = [...rest, { ...mine, port_idx: index, poe_mode: on ? "auto" : "off" }];
        await call("PUT", `/rest/device/${of._id}`, signal, { port_overrides });
      });
      changing = next.catch(() => {}); // told to whoever asked for it
      return next;
    },
    async cycle({ port }, _offMs, signal) {
      const mac = options.mac.toLowerCase();
      await call("POST", "/cmd/devmgr", signal, { cmd: "power-cycle", mac, port_idx: Number(port) });
    },
    async sweep(signal) {
      const of = await find(signal);
      const giving = (of.port_table ?? []).filter(({ port_poe }) => port_poe !== false);
      return {
        ports: new Map(giving.map((one) => [String(one.port_idx), readingOf(one, now())])),
        ...(of.uptime !== undefined && { upTimeMs: of.uptime * 1000 }),
      };
    },
    link: async ({ port }, signal) => portOf(await find(signal), port).up,
    async discover(signal) {
      const of = await find(signal);
      const wanted = of.mac.toLowerCase();
      const clients = await call<{ mac?: string; sw_mac?: string; sw_port?: number }>(
        "GET",
        "/stat/sta",
        signal,
      );
      return (of.port_table ?? []).map(
        (one): DiscoveredPort => ({
          name: String(one.port_idx),
          macs: clients.flatMap(({ mac, sw_mac, sw_port }) =>
            mac && sw_mac?.toLowerCase() === wanted && sw_port === one.port_idx ? [mac.toLowerCase()] : [],
          ),
          ...(one.port_poe !== false && { port: String(one.port_idx) }),
          ...(one.name && { alias: one.name }),
          ...(one.up !== undefined && { up: one.up }),
          ...(one.is_uplink && { neighbour: { isBridge: true } }),
        }),
      );
    },
    close() {},
  };
}

function readingOf(port: Port, atMs: number): PowerReading {
  const off = port.poe_mode === "off" || port.poe_enable === false;
  const state = port.poe_good ? "on" : off ? "off" : stateOfText("searching");
  const watts = Number(port.poe_power ?? 0);
  const pdClass = /(\d)/.exec(port.poe_class ?? "")?.[1];
  return {
    state,
    adminOn: port.poe_mode === undefined ? null : port.poe_mode !== "off",
    atMs,
    ...(watts > 0 && { milliwatts: Math.round(watts * 1000) }),
    ...(state === "on" && pdClass !== undefined && { pdClass: Number(pdClass) }),
  };
}

/** The claim csrfToken of the JWT in UniFi OS's cookie. */
function csrfOf(cookies: readonly string[]): string | undefined {
  const jwt = cookies.find((one) => one.startsWith("TOKEN="))?.slice("TOKEN=".length);
  const claims = jwt?.split(".")[1];
  if (claims === undefined) return undefined;
  try {
    return (JSON.parse(Buffer.from(claims, "base64url").toString()) as { csrfToken?: string }).csrfToken;
  } catch {
    return undefined; // a cookie of another kind: without the token the controller says what it wants
  }
}
