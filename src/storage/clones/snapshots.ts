import { BrambleError } from "../../base/errors.ts";
import type { LayersIndex } from "./layers-index.ts";
import type { KnownLayer } from "./layers-look.ts";
import { chainOf } from "./merge-plan.ts";

/** A snapshot, as users see it. */
export interface SnapshotFacts {
  name: string;
  createdMs: number;
  /** Bytes of the disk as it was. */
  size: number;
  /** Bytes that its file takes on the host's disk: what had changed since the snapshot that it stands on. */
  ownBytes: number;
  /** The snapshot that it stands on, if any. */
  on?: string;
  /** Does the clone, as it is now, come from this one? */
  isBelow: boolean;
}

/** The layers that have a name, the oldest first. `top`: the number of the layer that the clone itself stands on. */
export function snapshotFacts(layers: readonly KnownLayer[], top: number | undefined): SnapshotFacts[] {
  const below = chainOf(top, layers);
  /** The nearest one below that has a name. */
  const nameBelow = (layer: KnownLayer) =>
    chainOf(layer.on, layers).find(({ entry }) => entry.name)?.entry.name;
  return layers.flatMap((layer) => {
    const { name, createdMs } = layer.entry;
    if (name === undefined) return [];
    const on = nameBelow(layer);
    const facts = {
      name,
      createdMs,
      size: layer.size,
      ownBytes: layer.bytes,
      isBelow: below.includes(layer),
    };
    return [on === undefined ? facts : { ...facts, on }];
  });
}

const NAME = /^[a-z0-9][a-z0-9._-]{0,62}$/i;

/** Throws BAD_INPUT for a name that is taken or none. */
export function mustBeFree(index: LayersIndex, name: string): void {
  if (!NAME.test(name))
    throw new BrambleError("BAD_INPUT", `"${name}" cannot name a snapshot`, {
      hint: "up to 63 letters, digits, dots, dashes and underscores",
    });
  if (find(index, name) !== undefined)
    throw new BrambleError("BAD_INPUT", `there is a snapshot ${name} already`);
}

/** The number of a snapshot's layer. Throws SNAPSHOT_UNKNOWN. */
export function needSnapshot(index: LayersIndex, name: string): number {
  const number = find(index, name);
  if (number !== undefined) return number;
  const names = Object.values(index.layers).flatMap((entry) => entry.name ?? []);
  throw new BrambleError("SNAPSHOT_UNKNOWN", `there is no snapshot ${name}`, {
    hint: names.length > 0 ? `there are: ${names.join(", ")}` : "there are none of this clone",
  });
}

function find(index: LayersIndex, name: string): number | undefined {
  const found = Object.entries(index.layers).find(([, entry]) => entry.name === name);
  return found && Number(found[0]);
}
