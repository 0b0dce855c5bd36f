// Power that a person switches, and power that is only pretended.
import { BrambleError } from "../base/errors.ts";
import type { PowerReading } from "../base/power.ts";
import type { PowerDriver } from "./driver.ts";

/** Nobody can be asked: every order is told to a person. */
export function manual(now: () => number): PowerDriver {
  return {
    kind: "manual",
    caps: { read: false, cycleAtomic: false, measure: false },
    get: async () => ({ state: "unknown", adminOn: null, detail: "switched by hand", atMs: now() }),
    async set({ port, node }, on) {
      throw new BrambleError("POWER_REFUSED", `${node?.name ?? port} is switched by hand`, {
        hint: `switch it ${on ? "on" : "off"}, at ${port}`,
      });
    },
    close() {},
  };
}

/** Does at once what it is told, and remembers it while we run. Every port begins on. */
export function virtual(now: () => number): PowerDriver {
  const off = new Set<string>();
  const get = async ({ port }: { port: string }): Promise<PowerReading> => {
    const on = !off.has(port);
    return { state: on ? "on" : "off", adminOn: on, atMs: now() };
  };
  return {
    kind: "virtual",
    caps: { read: true, cycleAtomic: false, measure: false },
    get,
    async set({ port }, on) {
      if (on) off.delete(port);
      else off.add(port);
    },
    close() {},
  };
}
