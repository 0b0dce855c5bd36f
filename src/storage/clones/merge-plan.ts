/** More qcow2 files than this between a node and its image make reads slow (spec/clone-engine.md). */
export const MOST_CHAINED = 4;
/** A layer below this is not worth a detour. */
const SMALL_BYTES = 64 << 20;

/** A frozen layer. */
export interface PlannedLayer {
  number: number;
  /** What it stands on: a layer, or (undefined) the image or nothing. */
  on: number | undefined;
  /** A snapshot, or held by an export. */
  wanted: boolean;
  /** A dropped one, whose space somebody waits for. */
  due: boolean;
  bytes: number;
}

export type MergeStep =
  /** Nothing stands on it. */
  | { do: "remove"; layer: number }
  /** Copies what `from` holds up into what stands on it, which then stands on what `from` stands on. */
  | { do: "pull"; from: number; into: number | "top" }
  /** Copies `from` down into the layer below it, which then takes its place. Only where nobody wants the lower one. */
  | { do: "push"; from: number; into: number }
  /** Freezes the clone, so that a push can follow: less to copy than the layer below it. */
  | { do: "freeze" };

/** What to do next about a clone's layers, undefined when all is well. Each step makes one file less, or prepares that. */
export function nextStep(
  top: { on: number | undefined; bytes: number },
  layers: readonly PlannedLayer[],
): MergeStep | undefined {
  const children = (number: number) => layers.filter(({ on }) => on === number);
  const unused = layers.find((l) => !l.wanted && top.on !== l.number && children(l.number).length === 0);
  if (unused) return { do: "remove", layer: unused.number };
  for (const lower of layers) {
    if (!lower.due || lower.wanted) continue;
    const above = children(lower.number).toSorted((a, b) => a.bytes - b.bytes)[0];
    if (above) return merge(above, lower, children(lower.number).length === 1 && top.on !== lower.number);
    if (lower.bytes <= 2 * Math.max(top.bytes, SMALL_BYTES))
      return { do: "pull", from: lower.number, into: "top" };
    return { do: "freeze" };
  }
  const chain = chainOf(top.on, layers);
  if (chain.length + 1 <= MOST_CHAINED) return undefined;
  const pairs = chain.slice(1).map((lower, i) => {
    const upper = chain[i] as PlannedLayer;
    const free = !lower.wanted && children(lower.number).length === 1;
    return { upper, lower, free, cost: free ? Math.min(lower.bytes, upper.bytes) : lower.bytes };
  });
  // Where it costs the same, better one file less than bytes that are there twice.
  const cheapest = pairs.toSorted((a, b) => a.cost - b.cost || Number(b.free) - Number(a.free))[0];
  return cheapest && merge(cheapest.upper, cheapest.lower, cheapest.free);
}

/** `free`: nobody but `upper` needs `lower`, so that its bytes may change. */
function merge(upper: PlannedLayer, lower: PlannedLayer, free: boolean): MergeStep {
  if (free && upper.bytes < lower.bytes) return { do: "push", from: upper.number, into: lower.number };
  return { do: "pull", from: lower.number, into: upper.number };
}

/** The frozen layers that a clone stands on, the highest first. */
export function chainOf<T extends Pick<PlannedLayer, "number" | "on">>(
  on: number | undefined,
  layers: readonly T[],
): T[] {
  const chain: T[] = [];
  for (let at = on; at !== undefined && chain.length <= layers.length; ) {
    const layer = layers.find(({ number }) => number === at);
    if (!layer) break;
    chain.push(layer);
    at = layer.on;
  }
  return chain;
}
