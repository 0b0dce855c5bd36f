// What is measured when Prometheus asks: nodes, addresses, space. Nothing here opens a clone or waits for the network.
import { readdir, stat, statfs } from "node:fs/promises";
import { join } from "node:path";
import type { Core } from "../core.ts";
import { clockState } from "./clock.ts";
import type { Metrics } from "./metrics.ts";

/** Clones of thousands of nodes are looked at no more often than this. */
const SPACE_EVERY_MS = 60_000;
/** Above this many nodes no metric has a node's name (spec observability.md 7.3). */
export const MOST_NODE_LABELS = 1_000;

export interface GaugeSources {
  core: Core;
  bootsInFlight(): number;
  /** Places in line, and the nodes that were given up. */
  supervision(): { limit: number; fetching: number; failed: number };
  pools(): { name: string; leased: number; free: number }[];
  planes(): { name: string; restarts: number }[];
  power?(): PowerGauges;
  /** Somebody wants the per-node metrics. */
  perNode: boolean;
}

export interface PowerGauges {
  switches: { name: string; budgetWatts?: number; usedWatts?: number; up: boolean }[];
  nodes: { name: string; watts?: number; alarm: boolean }[];
}

export function gauges(metrics: Metrics, sources: GaugeSources): () => Promise<void> {
  const { core } = sources;
  let spaceMs = Number.NEGATIVE_INFINITY;

  function nodes(): void {
    metrics.nodes.reset();
    for (const node of core.registry.all()) metrics.nodes.inc({ state: node.state, pool: node.profile });
  }

  function power(): void {
    const now = sources.power?.();
    if (!now) return;
    for (const { name, budgetWatts, usedWatts, up } of now.switches) {
      if (budgetWatts !== undefined) metrics.pseBudget.set({ switch: name }, budgetWatts);
      if (usedWatts !== undefined) metrics.pseUsed.set({ switch: name }, usedWatts);
      metrics.switchUp.set({ switch: name }, up ? 1 : 0);
    }
    metrics.powerAlarms.set(now.nodes.filter(({ alarm }) => alarm).length);
    metrics.watts.reset();
    if (!perNodeNow()) return;
    for (const { name, watts } of now.nodes)
      if (watts !== undefined) metrics.watts.set({ node: name }, watts);
  }

  const perNodeNow = () => sources.perNode && core.registry.all().length <= MOST_NODE_LABELS;

  async function space(): Promise<void> {
    const { bavail, blocks, bsize } = await statfs(core.data.root);
    metrics.volumeFree.set(bavail * bsize);
    metrics.volumeSize.set(blocks * bsize);
    if (Date.now() - spaceMs < SPACE_EVERY_MS) return;
    spaceMs = Date.now();
    const bytes = await ownBytes(core.data.clones);
    metrics.poolDelta.reset();
    metrics.cloneDelta.reset();
    const named = perNodeNow();
    for (const node of core.registry.all()) {
      const own = bytes.get(node.id) ?? 0;
      metrics.poolDelta.inc({ pool: node.profile }, own);
      if (named) metrics.cloneDelta.set({ node: node.name }, own);
    }
  }

  return async () => {
    nodes();
    power();
    metrics.bootsInFlight.set(sources.bootsInFlight());
    const { limit, fetching, failed } = sources.supervision();
    metrics.nodesFailed.set(failed);
    if (Number.isFinite(limit)) metrics.bootTickets.set({ pod: "here" }, Math.max(0, limit - fetching));
    for (const { name, leased, free: left } of sources.pools()) {
      metrics.leases.set({ pool: name }, leased);
      metrics.leaseFree.set({ pool: name }, left);
    }
    for (const { name, restarts } of sources.planes()) metrics.planeRestarts.set({ plane: name }, restarts);
    const clock = await clockState();
    if (clock !== "unknown") metrics.clockSynchronised.set(clock === "synchronised" ? 1 : 0);
    await space();
  };
}

/** Bytes on disk of each clone with its layers and journals, by node id: names begin with it. */
async function ownBytes(folder: string): Promise<Map<string, number>> {
  const sums = new Map<string, number>();
  const names = await readdir(folder).catch(() => []); // no clone was made yet
  for (const name of names) {
    const id = name.split(".")[0] ?? "";
    const { blocks } = await stat(join(folder, name)).catch(() => ({ blocks: 0 })); // it was removed meanwhile
    sums.set(id, (sums.get(id) ?? 0) + blocks * 512);
  }
  return sums;
}
