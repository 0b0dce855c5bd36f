import type { Node } from "../fleet/node.ts";
import type { Model } from "../formats/boards.ts";
import { findFirmware } from "../storage/firmware.ts";
import type { ImageManifest } from "../storage/images/manifest.ts";
import { findImage } from "../storage/images.ts";
import type { Core } from "./core.ts";

/** The images that nodes and profiles are set to, in memory: the answer to a DISCOVER waits for no disk. */
export function knownImages({ registry, data }: Pick<Core, "registry" | "data">) {
  const images = new Map<string, ImageManifest>();
  const laid = new Map<string, ReadonlySet<string>>();
  return {
    /** The image of a node; undefined where none is set, there is none of that name, or it was not learned yet. */
    of(node: Node): ImageManifest | undefined {
      const reference = registry.resolve(node).image;
      return reference ? images.get(reference) : undefined;
    },
    /** Files that a node's model asks for, and neither its image nor the firmware laid under it has, as far as is known. */
    lacks(node: Node): readonly string[] {
      return lackedBy(this.of(node), node.model, laid.get(registry.resolve(node).firmware ?? ""));
    },
    async learn(): Promise<void> {
      const nodes = registry.all();
      const overrides = nodes.flatMap(({ override }) => override ?? []);
      const owners = [...registry.profiles(), ...registry.groups.all(), ...nodes, ...overrides];
      images.clear();
      for (const reference of new Set(owners.flatMap(({ image }) => image ?? []))) {
        const found = await findImage(data.root, reference).catch(() => undefined); // answered as "no such image"
        if (found) images.set(reference, found);
      }
      laid.clear();
      for (const reference of new Set(owners.flatMap((one) => ("firmware" in one && one.firmware) || [])))
        laid.set(reference, await firmwarePaths(data.root, reference));
    },
  };
}

/** Paths of a set of boot files, in lower case; empty where there is no such set. */
export async function firmwarePaths(data: string, reference: string): Promise<ReadonlySet<string>> {
  const set = await findFirmware(data, reference).catch(() => undefined); // a node that boots is told
  return new Set(set?.files.map(({ path }) => path.toLowerCase()));
}

/** Files that an image lacks for a model, as far as is known. `laid`: what a firmware set has in their place, in lower case. */
export function lackedBy(
  image: Pick<ImageManifest, "facts"> | undefined,
  model: Model | undefined,
  laid: ReadonlySet<string> = new Set(),
): readonly string[] {
  const found = image?.facts.models.find((one) => one.model === model);
  const has = (names: string) => names.split(" | ").some((name) => laid.has(name.toLowerCase()));
  return found?.missing.filter((names) => !has(names)) ?? [];
}
