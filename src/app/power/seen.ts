// What was seen of nodes' power: the last reading of each, what went wrong, where its board is.
import type { BrambleError } from "../../base/errors.ts";
import type { PowerReading } from "../../base/power.ts";
import type { Core } from "../core.ts";
import type { Binding, Bindings } from "./bindings.ts";
import type { Devices } from "./devices.ts";
import { portOfMac } from "./guard.ts";
import type { PowerSight } from "./sight.ts";
import type { Wants } from "./wants.ts";

export const failedBy = (error: BrambleError): string =>
  `${error.message}${error.hint ? ` (${error.hint})` : ""}`;

export function seenPower(options: {
  core: Pick<Core, "registry" | "journal" | "news">;
  devices: Devices;
  bindings: Bindings;
  wants: Wants;
  /** An operation of ours is under way. */
  isBusy(nodeId: string): boolean;
  now(): number;
}) {
  const { devices, bindings, wants, isBusy } = options;
  const { registry, journal, news } = options.core;
  const readings = new Map<string, PowerReading>();
  /** When its state changed, where that was seen. */
  const since = new Map<string, number>();
  const errors = new Map<string, string>();
  const listeners = new Set<(nodeId: string, reading: PowerReading) => void>();

  function saw(nodeId: string, reading: PowerReading): void {
    const before = readings.get(nodeId);
    readings.set(nodeId, reading);
    if (before && before.state !== reading.state) since.set(nodeId, reading.atMs);
    errors.delete(nodeId);
    if (before?.state === reading.state) return;
    if (before && !isBusy(nodeId))
      journal.event(
        "power",
        nodeId,
        `its port went from ${before.state} to ${reading.state}, and nobody asked us for it`,
      );
    for (const listener of listeners) listener(nodeId, reading);
    news.tell({ about: "power", id: nodeId });
  }

  /** The board was last learned somewhere else: cutting this port would cut somebody else's. */
  function whyMoved(at: Binding): string | undefined {
    const mac = registry.byId(at.nodeId)?.mac;
    if (!mac || at.proof === "place") return undefined;
    for (const device of devices.all()) {
      const seen = portOfMac([...device.ports.values()], mac);
      if (seen && (device.row.id !== at.switchId || seen.row.port !== at.port)) {
        const here = portOfMac([...(devices.byId(at.switchId)?.ports.values() ?? [])], mac);
        if (here?.row.port === at.port) continue;
        return `it was last seen on port ${seen.row.name} of ${device.row.name}`;
      }
    }
    return undefined;
  }

  function view(nodeId: string): PowerSight {
    const at = bindings.need(nodeId);
    const device = devices.byId(at.switchId);
    const want = wants.of(nodeId);
    const reading = readings.get(nodeId);
    const error = errors.get(nodeId) ?? device?.down?.words;
    const alarm = want?.alarm ?? (whyMoved(at) && `node.moved: ${whyMoved(at)}`);
    return {
      node: registry.byId(nodeId)?.name ?? nodeId,
      actual: reading?.state ?? "unknown",
      driver: device?.row.driver ?? "",
      switch: device?.row.name ?? "",
      port: at.port,
      proof: at.proof,
      atMs: reading?.atMs ?? 0,
      busy: isBusy(nodeId),
      ...(want && { desired: want.want as "on" | "off" }),
      ...(reading?.milliwatts !== undefined && { watts: reading.milliwatts / 1000 }),
      ...(reading?.detail && { detail: reading.detail }),
      ...(error && { error }),
      ...(alarm && { alarm }),
    };
  }

  return {
    saw,
    view,
    whyMoved,
    /** Since when its port is as it is; 0: longer than anybody has looked. */
    sinceMs: (nodeId: string): number => since.get(nodeId) ?? 0,
    failed: (nodeId: string, error: BrambleError): void => void errors.set(nodeId, failedBy(error)),
    forget(nodeId: string): void {
      readings.delete(nodeId);
      since.delete(nodeId);
      errors.delete(nodeId);
    },
    on(listener: (nodeId: string, reading: PowerReading) => void): () => void {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
}
