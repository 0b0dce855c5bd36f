// How long a boot may be silent in each stage: what this node needed in its last good boots, within bounds.
import type { BootStage } from "./boots.ts";

interface Patience {
  /** No history makes a deadline shorter than this. */
  floorMs: number;
  /** For a node of which too little is known. */
  firstMs: number;
  /** No history makes it longer. */
  mostMs: number;
}

/**
 * Floors: an EEPROM looks for other media first, 20 s for USB, and spanning tree holds a port for 30 s (`power`); DHCP_TIMEOUT is 45 s;
 * TFTP_FILE_TIMEOUT is 30 s, with 5 s and a new DISCOVER behind it (`firmware`); a kernel, its network and systemd take what they take
 * (spec pi-boot.md 1.1, 1.4, 2.1, 7 rows 1 and 20).
 */
export const PATIENCE: Record<Exclude<BootStage, "booted">, Patience> = {
  power: { floorMs: 60_000, firstMs: 90_000, mostMs: 300_000 },
  dhcp: { floorMs: 60_000, firstMs: 60_000, mostMs: 180_000 },
  firmware: { floorMs: 45_000, firstMs: 90_000, mostMs: 300_000 },
  kernel: { floorMs: 60_000, firstMs: 180_000, mostMs: 600_000 },
  agent: { floorMs: 60_000, firstMs: 180_000, mostMs: 900_000 },
  root: { floorMs: 60_000, firstMs: 180_000, mostMs: 900_000 },
  "switched-root": { floorMs: 180_000, firstMs: 600_000, mostMs: 3_600_000 },
};

/** Good boots of a node that are looked back on. */
export const HISTORY = 20;
/** Fewer good boots than this teach nothing. */
const ENOUGH = 3;
/** A silence this many times as long as the longest of the good boots is no silence of a good boot. */
const MARGIN = 3;

type Silences = Partial<Record<BootStage, number>>;

/** Deadlines by node. `scale` multiplies all of them; below 1 it is for tests. */
export class Deadlines {
  readonly #past = new Map<string, Silences[]>();
  scale = 1;

  /** A good boot has ended: how long the node was silent at most, by stage, ms. */
  learn(nodeId: string, silences: Silences): void {
    const past = this.#past.get(nodeId) ?? [];
    past.push(silences);
    this.#past.set(nodeId, past.slice(-HISTORY));
  }

  forget(nodeId: string): void {
    this.#past.delete(nodeId);
  }

  deadlineMs(nodeId: string, stage: BootStage): number {
    if (stage === "booted") return Number.POSITIVE_INFINITY;
    const { floorMs, firstMs, mostMs } = PATIENCE[stage];
    const seen = (this.#past.get(nodeId) ?? []).flatMap((silences) => silences[stage] ?? []);
    if (seen.length < ENOUGH) return firstMs * this.scale;
    // what was seen is real time already; the floor is what tests make shorter
    return Math.min(Math.max(MARGIN * Math.max(...seen), floorMs * this.scale), mostMs * this.scale);
  }
}
