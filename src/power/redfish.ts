// Servers with a BMC by Redfish (DMTF DSP0266): ComputerSystem.Reset, PowerState, a session or Basic.
import { BrambleError } from "../base/errors.ts";
import type { PowerReading } from "../base/power.ts";
import type { PowerDriver } from "./driver.ts";
import { ask, type DeviceUrl } from "./http.ts";

interface System {
  "@odata.id": string;
  PowerState?: string;
  Name?: string;
  Actions?: {
    "#ComputerSystem.Reset"?: { target?: string; "ResetType@Redfish.AllowableValues"?: string[] };
  };
}
const STATES: Record<string, PowerReading["state"]> = { On: "on", Off: "off" };

/** `PowerTarget.port` is the id of a system, or its whole path. */
export function redfish(device: DeviceUrl, now: () => number): PowerDriver {
  const { user, password, ...bare } = device;
  let token: string | undefined;

  /** A session where the service gives one, else Basic: some BMCs count Basic logins as audit events, some have no sessions. */
  async function headers(signal: AbortSignal): Promise<Record<string, string>> {
    if (user === undefined) return {};
    if (token === undefined) {
      const body = { UserName: user, Password: password ?? "" };
      const path = "/redfish/v1/SessionService/Sessions";
      const answer = await ask(bare, { method: "POST", path, body, also: [400, 404, 405, 501] }, signal);
      token = String(answer.headers["x-auth-token"] ?? "");
    }
    if (token !== "") return { "x-auth-token": token };
    return { authorization: `Basic ${Buffer.from(`${user}:${password ?? ""}`).toString("base64")}` };
  }
  async function call<T>(
    method: "GET" | "POST",
    path: string,
    signal: AbortSignal,
    body?: object,
  ): Promise<T> {
    const wish = { method, path, also: [401], ...(body && { body }) };
    let answer = await ask(bare, { ...wish, headers: await headers(signal) }, signal);
    if (answer.status === 401 && token) {
      token = undefined; // the session has ended
      answer = await ask(bare, { ...wish, also: [], headers: await headers(signal) }, signal);
    }
    if (answer.status === 401)
      throw new BrambleError("POWER_AUTH", `${path} refuses us: 401`, { hint: "check user and password" });
    return (answer.text === "" ? {} : JSON.parse(answer.text)) as T;
  }
  const pathOf = (port: string) =>
    port.startsWith("/") ? port : `/redfish/v1/Systems/${encodeURIComponent(port)}`;
  const system = (port: string, signal: AbortSignal) => call<System>("GET", pathOf(port), signal);

  /** The first of `types` that the system allows; where it does not say, the first. */
  async function reset(port: string, types: readonly string[], signal: AbortSignal): Promise<void> {
    const action = (await system(port, signal)).Actions?.["#ComputerSystem.Reset"];
    const allowed = action?.["ResetType@Redfish.AllowableValues"];
    const ResetType = types.find((one) => allowed?.includes(one) ?? true);
    if (ResetType === undefined) {
      throw new BrambleError("POWER_REFUSED", `it allows none of ${types.join(", ")}`, {
        hint: `it allows ${allowed?.join(", ")}`,
      });
    }
    await call("POST", action?.target ?? `${pathOf(port)}/Actions/ComputerSystem.Reset`, signal, {
      ResetType,
    });
  }
  const readingOf = ({ PowerState }: System): PowerReading => {
    const state = STATES[PowerState ?? ""] ?? "unknown"; // PoweringOn, PoweringOff, Paused: on its way
    return {
      state,
      adminOn: state === "unknown" ? null : state === "on",
      ...(PowerState !== undefined && { detail: PowerState }),
      atMs: now(),
    };
  };

  return {
    kind: "redfish",
    caps: { read: true, cycleAtomic: false, measure: false },
    get: async ({ port }, signal) => readingOf(await system(port, signal)),
    async set({ port }, on, signal) {
      const wanted = on ? "On" : "Off";
      if ((await system(port, signal)).PowerState === wanted) return; // a second On is a 409 for some
      await reset(port, on ? ["On", "ForceOn", "PushPowerButton"] : ["ForceOff"], signal);
    },
    async sweep(signal) {
      const { Members = [] } = await call<{ Members?: { "@odata.id": string }[] }>(
        "GET",
        "/redfish/v1/Systems",
        signal,
      );
      const ports = new Map<string, PowerReading>();
      for (const { "@odata.id": path } of Members) {
        const id = path.split("/").at(-1) ?? path;
        ports.set(decodeURIComponent(id), readingOf(await call<System>("GET", path, signal)));
      }
      return { ports };
    },
    close() {
      token = undefined;
    },
  };
}
