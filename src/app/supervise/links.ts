// Links of boards that have power and say nothing: their ports are asked meanwhile, so that the diagnosis knows when their time is over.
import type { BootStage, Boots } from "../../fleet/boots.ts";
import type { PowerSeam } from "./power-seam.ts";

/** Questions under way: a hall that comes on has thousands of silent boards. */
const AT_ONCE = 8;

export function portLinks(options: {
  boots: Pick<Boots, "inStage">;
  /** Absent: nobody can say. */
  power: Pick<PowerSeam, "isBound" | "link"> | undefined;
  deadlineMs(nodeId: string, stage: BootStage): number;
  now(): number;
}) {
  const { boots, power, now } = options;
  /** By boot: when it was asked, and what was seen. A link that was up once did come up. */
  const seen = new Map<string, { askedMs: number; link?: "up" | "down" }>();
  let asking = 0;

  async function ask(bootId: string, nodeId: string): Promise<void> {
    asking += 1;
    const known = { ...seen.get(bootId), askedMs: now() };
    seen.set(bootId, known);
    try {
      const isUp = await power?.link?.(nodeId);
      if (isUp !== undefined && known.link !== "up") known.link = isUp ? "up" : "down";
    } catch {
      // a switch that does not answer is told of where it is read
    } finally {
      asking -= 1;
    }
  }

  return {
    /** Asks about boards that have been silent for a third of their time, and again after the next third. */
    tick(): void {
      if (!power?.link) return;
      const silent = boots.inStage("power");
      const open = new Set(silent.map(({ id }) => id));
      for (const id of seen.keys()) if (!open.has(id)) seen.delete(id);
      for (const { id, nodeId, startedMs } of silent) {
        if (asking >= AT_ONCE) return;
        const since = seen.get(id)?.askedMs ?? startedMs;
        if (!power.isBound(nodeId) || now() - since < options.deadlineMs(nodeId, "power") / 3) continue;
        void ask(id, nodeId);
      }
    },
    of: (bootId: string): "up" | "down" | undefined => seen.get(bootId)?.link,
  };
}
