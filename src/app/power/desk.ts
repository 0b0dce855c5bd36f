// Power of nodes: what it is to be, what it was seen to be, and one operation at a time for each.
import { BrambleError } from "../../base/errors.ts";
import type { PowerTarget } from "../../base/power.ts";
import { SYSTEM } from "../../fleet/actor.ts";
import type { Node } from "../../fleet/node.ts";
import type { Core } from "../core.ts";
import { type Binding, openBindings } from "./bindings.ts";
import { openCircuits } from "./circuits.ts";
import { deviceOperation } from "./device-operation.ts";
import { type Device, type OpenDriver, openDevices } from "./devices.ts";
import { guarded } from "./guard.ts";
import { giveBack, type Operation, powerCycle, switchTo, TIMINGS, type Timings } from "./operation.ts";
import { failedBy, seenPower } from "./seen.ts";
import type { Asked, PowerEnded, PowerSight, Want } from "./sight.ts";
import { pacer } from "./slots.ts";
import { openWants } from "./wants.ts";

export interface PowerDeskOptions {
  core: Pick<Core, "book" | "registry" | "journal" | "news">;
  open: OpenDriver;
  now(): number;
  timings?: Partial<Timings>;
  /** Asks a node's system to end; fails where that cannot be asked. */
  shutdown(node: Node, signal: AbortSignal): Promise<void>;
}

const SITE_PER_SECOND = 50;

const superseded = () =>
  new BrambleError("POWER_SUPERSEDED", "a newer request about the same node took the place of this one");
const ended = () =>
  new BrambleError("CANCELLED", "Bramble ends; what is under way is taken up when it starts again");

export type PowerDesk = Awaited<ReturnType<typeof openPowerDesk>>;

export async function openPowerDesk(options: PowerDeskOptions) {
  const { core, now } = options;
  const { registry, journal, news } = core;
  const timings = { ...TIMINGS, ...options.timings };
  const devices = await openDevices(core.book, options.open, now);
  const bindings = await openBindings(core.book, registry, devices, now);
  const wants = await openWants(core.book, now);
  const circuits = await openCircuits(core.book);
  const lines = new Map<string, { stop: AbortController; tail: Promise<void> }>();
  const endings = new Set<(ended: PowerEnded) => void>();
  const closing = new AbortController();
  const siteTurnMs = pacer(SITE_PER_SECOND);

  const event = (nodeId: string, words: string) => journal.event("power", nodeId, words);
  const changed = (nodeId: string) => news.tell({ about: "power", id: nodeId });
  const isBusy = (nodeId: string) => lines.has(nodeId);
  const seen = seenPower({ core, devices, bindings, wants, isBusy, now });

  function target(at: Binding): PowerTarget {
    const node = registry.byId(at.nodeId);
    const { name = at.nodeId, serial, mac } = node ?? {};
    return { port: at.port, node: { name, ...(serial && { serial }), ...(mac && { mac }) } };
  }

  function refuseGuarded(device: Device, at: Binding): void {
    const why = devices.whyGuarded(device, at.port) ?? seen.whyMoved(at);
    if (why !== undefined) throw guarded(device, at.port, why);
  }

  const operation = (device: Device, at: Binding, signal: AbortSignal): Operation =>
    deviceOperation({
      device,
      target: target(at),
      model: registry.byId(at.nodeId)?.model,
      signal,
      closing: closing.signal,
      timings,
      now,
      siteTurnMs,
      saw: (reading) => seen.saw(at.nodeId, reading),
      note: (doing) => wants.doing(at.nodeId, doing),
      async stuckOff(error) {
        const { nodeId } = at;
        seen.failed(nodeId, error);
        const first = !wants.of(nodeId)?.alarm;
        await wants.alarm(nodeId, "power.stuck_off");
        if (first)
          event(
            nodeId,
            `ALARM: it should be on, and is not: ${failedBy(error)}. It is tried again until it is.`,
          );
        changed(nodeId);
      },
    });

  /** Is there a link on its port? Undefined: nobody can say. */
  async function link(nodeId: string, signal: AbortSignal = closing.signal): Promise<boolean | undefined> {
    const at = bindings.of(nodeId);
    const device = at && devices.byId(at.switchId);
    return at && device?.call(async (driver) => driver.link?.(target(at), signal));
  }

  /** Its system has ended, by our wish or by itself: a port that delivers does not start it. A board that was just switched on has no link, too. */
  async function isDark(nodeId: string): Promise<boolean> {
    if (wants.of(nodeId)?.halted) return true;
    if (now() - seen.sinceMs(nodeId) < timings.linkMs) return false;
    return (await link(nodeId).catch(() => undefined)) === false; // a switch that does not answer is told of by what follows
  }

  /** Runs after what is under way for this node has let go. `answer` is told the first failure, while `on` may be tried on and on. */
  async function perform(
    at: Binding,
    want: Want,
    soft: boolean,
    resumed: string | null,
    op: Operation,
    signal: AbortSignal,
  ) {
    const { nodeId } = at;
    const node = registry.byId(nodeId);
    const device = devices.byId(at.switchId);
    const offMs = (device?.options.offSeconds ?? timings.offMs / 1000) * 1000;
    if (soft && node && want !== "on") await softOff(node, op, signal);
    if (resumed === "on-half") await giveBack(op);
    else if (want === "cycle") await powerCycle(op, offMs);
    else if (want === "on" && op.reads && (await isDark(nodeId)) && (await op.read()).state === "on") {
      event(nodeId, "it has shut itself down while its port delivers: off, then on");
      await powerCycle(op, offMs);
    } else await switchTo(op, want === "on");
    await wants.halted(nodeId, false);
  }

  async function softOff(node: Node, op: Operation, signal: AbortSignal): Promise<void> {
    try {
      await wants.halted(node.id, true); // from here on it may have halted, whatever becomes of us
      await options.shutdown(node, signal);
    } catch (error) {
      signal.throwIfAborted();
      event(
        node.id,
        `it could not be asked to shut down: ${failedBy(error as BrambleError)}; its power is cut`,
      );
      return;
    }
    const end = now() + timings.shutdownMs;
    while (now() < end) {
      if ((await link(node.id, signal)) === false) return;
      await op.sleep(Math.min(timings.everyMs, Math.max(0, end - now())));
    }
  }

  /** The newest request of a node; the one before is told and lets go. */
  function start(at: Binding, want: Want, how: Asked, resumed: string | null): Promise<void> {
    const { nodeId } = at;
    const device = devices.byId(at.switchId);
    if (!device) return Promise.reject(new BrambleError("SWITCH_UNKNOWN", "its switch is gone"));
    const before = lines.get(nodeId);
    before?.stop.abort(superseded());
    const stop = new AbortController();
    const signal = AbortSignal.any([stop.signal, closing.signal]);
    const op = operation(device, at, signal);
    const desired = want === "off" ? "off" : "on";
    return new Promise((resolve, reject) => {
      const fail = () => reject(signal.reason);
      signal.addEventListener("abort", fail, { once: true });
      const told = op.stuckOff;
      op.stuckOff = async (error) => {
        await told(error);
        reject(error);
      };
      const run = async () => {
        await before?.tail;
        signal.throwIfAborted();
        // a newer "on" takes over from a cycle whose second half fails: it, too, must not give up
        const half = resumed ?? (want === "on" && wants.of(nodeId)?.doing === "on-half" ? "on-half" : null);
        if (resumed === null) await wants.want(nodeId, desired, how);
        event(nodeId, `${want}: ${how.why} (${how.by.name})`);
        changed(nodeId);
        await perform(at, want, how.soft ?? false, half, op, signal);
        if (wants.of(nodeId)?.alarm) event(nodeId, "the alarm is over: it is on");
        await wants.over(nodeId);
        event(nodeId, `it was seen to be ${desired}`);
      };
      const line = { stop, tail: Promise.resolve() };
      const began = now();
      const tell = (result: PowerEnded["result"]) => {
        const ended = { driver: device.row.driver, op: want, result, ms: now() - began };
        for (const listener of endings) listener(ended);
      };
      const over = () => {
        signal.removeEventListener("abort", fail);
        if (lines.get(nodeId) === line) lines.delete(nodeId);
        changed(nodeId);
      };
      line.tail = run()
        .then(
          () => {
            tell("ok");
            over();
          },
          async (error: BrambleError) => {
            tell(signal.aborted ? "superseded" : "failed");
            if (!signal.aborted) {
              seen.failed(nodeId, error);
              event(nodeId, `${want} failed: ${failedBy(error)}`);
              await wants.over(nodeId);
            }
            over();
            throw signal.aborted ? signal.reason : error;
          },
        )
        .then(resolve, (error) => {
          over();
          reject(error);
        });
      lines.set(nodeId, line);
    });
  }

  return {
    devices,
    bindings,
    circuits,
    wants,
    timings,
    closing: closing.signal,
    view: seen.view,
    saw: seen.saw,
    on: seen.on,
    isBound: (nodeId: string): boolean => bindings.of(nodeId) !== undefined,
    isBusy,
    link,
    /** Told of each operation when it has ended. */
    onEnded(listener: (ended: PowerEnded) => void): () => void {
      endings.add(listener);
      return () => endings.delete(listener);
    },

    /** Ends when it was seen to be so. A newer request makes an older one fail with POWER_SUPERSEDED. */
    async set(nodeId: string, want: Want, how: Asked): Promise<PowerSight> {
      const at = bindings.need(nodeId);
      const device = devices.byId(at.switchId);
      if (want !== "on" && device) refuseGuarded(device, at);
      await start(at, want, how, null);
      return seen.view(nodeId);
    },

    /** Asks its device now. */
    async read(nodeId: string, signal: AbortSignal): Promise<PowerSight> {
      const at = bindings.need(nodeId);
      const device = devices.byId(at.switchId);
      try {
        if (device) seen.saw(nodeId, await device.call((driver) => driver.get(target(at), signal)));
      } catch (error) {
        seen.failed(nodeId, error as BrambleError);
      }
      return seen.view(nodeId);
    },

    /** The node is no more, or nothing of ours gives it power any more. */
    async forget(nodeId: string): Promise<void> {
      lines.get(nodeId)?.stop.abort(superseded());
      await lines.get(nodeId)?.tail;
      await bindings.unbind(nodeId);
      await wants.forget(nodeId);
      seen.forget(nodeId);
    },

    /** What was under way when we ended goes on. */
    resume(): void {
      for (const { nodeId, want, doing, why } of wants.all()) {
        const at = doing === null ? undefined : bindings.of(nodeId);
        if (!at) continue;
        const again: Want = doing === "set" ? (want as "on" | "off") : "cycle";
        start(at, again, { by: SYSTEM, why: `taken up again: ${why}` }, doing).catch(() => {}); // told on the node's page
      }
    },

    async close(): Promise<void> {
      closing.abort(ended());
      await Promise.all([...lines.values()].map(({ tail }) => tail));
      devices.close();
    },
  };
}
