import { dice } from "./dice.ts";

/** What a bad network does to datagrams, by the dice of a seed. Chances from 0 to 1. */
export interface Impairment {
  seed?: number;
  loss?: number;
  duplicate?: number;
  reorder?: number;
  /** How much longer a reordered datagram takes, at most, ms. */
  reorderMs?: number;
  /** Every datagram, one way, ms. */
  delayMs?: number;
}

/** For each datagram: when its copies arrive, ms from now. [] is a loss. */
export function impairment(options: Impairment): () => number[] {
  const { loss = 0, duplicate = 0, reorder = 0, reorderMs = 5, delayMs = 0 } = options;
  const random = dice(options.seed ?? 1);
  return () => {
    if (random() < loss) return [];
    const copies = random() < duplicate ? 2 : 1;
    return Array.from({ length: copies }, () => delayMs + (random() < reorder ? random() * reorderMs : 0));
  };
}
