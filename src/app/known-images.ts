import type { Node } from "../fleet/node.ts";
import type { Model } from "../formats/boards.ts";
import type { ImageManifest } from "../storage/images/manifest.ts";
import { findImage } from "../storage/images.ts";
import type { Core } from "./core.ts";

/** The images that nodes and profiles are set to, in memory: the answer to a DISCOVER waits for no disk. */
export function knownImages({ registry, data }: Pick<Core, "registry" | "data">) {
  const images = new Map<string, ImageManifest>();
  return {
    /** The image of a node; undefined where none is set, there is none of that name, or it was not learned yet. */
    of(node: Node): ImageManifest | undefined {
      const reference = registry.resolve(node).image;
      return reference ? images.get(reference) : undefined;
    },
    async learn(): Promise<void> {
      const nodes = registry.all();
      const overrides = nodes.flatMap(({ override }) => override ?? []);
      const wanted = [...registry.profiles(), ...registry.groups.all(), ...nodes, ...overrides].flatMap(
        (one) => (one.image ? [one.image] : []),
      );
      images.clear();
      for (const reference of new Set(wanted)) {
        const found = await findImage(data.root, reference).catch(() => undefined); // answered as "no such image"
        if (found) images.set(reference, found);
      }
    },
  };
}

/** Files that an image lacks for a model, as far as is known. */
export function lackedBy(image: ImageManifest | undefined, model: Model | undefined): readonly string[] {
  const found = image?.facts.models.find((one) => one.model === model);
  return found && !found.boots ? found.missing : [];
}
