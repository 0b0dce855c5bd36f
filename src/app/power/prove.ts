// Which board hangs on a port: its power is taken and given, and whoever asks for an address after that is it.
import { BrambleError } from "../../base/errors.ts";
import { SYSTEM } from "../../fleet/actor.ts";
import type { Node } from "../../fleet/node.ts";
import type { Registry } from "../registry.ts";
import type { PowerDesk } from "./desk.ts";
import { deviceOperation, pause } from "./device-operation.ts";
import type { Device } from "./devices.ts";
import { guarded } from "./guard.ts";
import { powerCycle } from "./operation.ts";

const WAIT_MS = 60_000;
const LOOK_MS = 250;
/** Another board may start by chance: those that start only now and then are told apart by doing it twice. */
const SETTLE_MS = 3_000;
const ROUNDS = 3;

/** One port at a time for each switch. */
const proving = new WeakSet<Device>();

/**
 * Cycles the port's power and gives the one node that asked for an address each time. Throws POWER_GUARDED, SWITCH_IN_USE, and
 * POWER_TIMEOUT where none or several came. Only with a running server: somebody must hear the boards.
 */
export async function provePort(options: {
  desk: PowerDesk;
  registry: Pick<Registry, "all" | "byId">;
  device: Device;
  port: string;
  now(): number;
  signal: AbortSignal;
  waitMs?: number;
  settleMs?: number;
}): Promise<Node> {
  const { desk, registry, device, port, now } = options;
  const { waitMs = WAIT_MS, settleMs = SETTLE_MS } = options;
  const why = desk.devices.whyGuarded(device, port);
  if (why !== undefined) throw guarded(device, port, why);
  if (proving.has(device)) {
    throw new BrambleError("SWITCH_IN_USE", `another port of ${device.row.name} is being proved`, {
      hint: "one at a time for each switch: try again in a minute",
    });
  }
  proving.add(device);
  const signal = AbortSignal.any([options.signal, desk.closing]);
  try {
    let left: Set<string> | undefined;
    for (let round = 1; round <= ROUNDS; round++) {
      const cut = now();
      await cycle(options);
      const heard = await hear({ registry, since: cut, waitMs, settleMs, now, signal });
      const before: Set<string> | undefined = left;
      left = new Set([...heard].filter((id) => before?.has(id) ?? true));
      const [only] = left;
      if (left.size === 0) break;
      const node = only === undefined ? undefined : registry.byId(only);
      if (left.size === 1 && node) return node;
    }
    throw new BrambleError(
      "POWER_TIMEOUT",
      left && left.size > 0
        ? `${left.size} boards asked for an address each time: which hangs on port ${port} cannot be told`
        : `no board asked for an address within ${waitMs / 1000} s after port ${port} had power again`,
      { hint: "does the board boot from the network? Try when no other boards start" },
    );
  } finally {
    proving.delete(device);
  }
}

/** A node that is known to hang there is cycled as ever. Fails with the first failure, and the power is given back all the same. */
async function cycle({ desk, device, port, now }: Parameters<typeof provePort>[0]): Promise<void> {
  const bound = desk.bindings.nodeAt(device, port);
  if (bound !== undefined) {
    await desk.set(bound, "cycle", { by: SYSTEM, why: "its port is being proved" });
    return;
  }
  await new Promise<void>((resolve, reject) => {
    const operation = deviceOperation({
      device,
      target: { port },
      model: undefined,
      signal: desk.closing,
      closing: desk.closing,
      timings: desk.timings,
      now,
      siteTurnMs: () => 0,
      saw() {},
      async note() {},
      async stuckOff(error) {
        reject(error);
      },
    });
    const offMs = (device.options.offSeconds ?? desk.timings.offMs / 1000) * 1000;
    powerCycle(operation, offMs).then(resolve, reject);
  });
}

/** Nodes heard since then. When the first has come, the others get a moment more. */
async function hear(options: {
  registry: Pick<Registry, "all">;
  since: number;
  waitMs: number;
  settleMs: number;
  now(): number;
  signal: AbortSignal;
}): Promise<Set<string>> {
  const { registry, since, now } = options;
  let end = now() + options.waitMs;
  const heard = new Set<string>();
  while (now() < end) {
    await pause(Math.min(LOOK_MS, options.settleMs), options.signal);
    for (const { id, lastSeenMs } of registry.all()) {
      if (lastSeenMs <= since || heard.has(id)) continue;
      if (heard.size === 0) end = Math.min(end, now() + options.settleMs);
      heard.add(id);
    }
  }
  return heard;
}
