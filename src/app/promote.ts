// A node's disk becomes an image: copied as it is at one moment, cleaned of what makes it this node's, and published like any other.
import { randomUUID } from "node:crypto";
import { mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import type { PromotedView } from "../api/contract.ts";
import type { Progress } from "../api/route.ts";
import { BrambleError } from "../base/errors.ts";
import type { Node } from "../fleet/node.ts";
import { checkKeep, cleanImage } from "../storage/images/clean.ts";
import { claim, incomingFolder } from "../storage/images/incoming.ts";
import type { ImageManifest } from "../storage/images/manifest.ts";
import { nextVersion, parseImageName } from "../storage/images/name.ts";
import { addImage, listImages } from "../storage/images.ts";
import type { Core } from "./core.ts";

export interface Promotion {
  node: Node;
  /** The image that its clone stands on. */
  base: ImageManifest;
  /** Writes the disk as a raw image; `notes`: what is to be told of that. */
  copy(raw: string): Promise<{ notes: string[]; rootPartition: number | undefined }>;
  /** Files beside the raw image that copy() works on. */
  works: readonly string[];
  /** The node runs from it, and no snapshot of before is asked for. */
  busy: boolean;
  /** "name" or "name:version"; else the base's name and its next version. */
  name: string | undefined;
  snapshot: string | undefined;
  /** Cleaning rules to leave out; undefined: nothing is cleaned. */
  keep: readonly string[] | undefined;
  progress(progress: Progress): void;
  signal: AbortSignal;
}

/** What the cleaning puts beside the copy for a while. */
const WORK = [".part", ".root", ".root.debugfs"];

export async function promote(core: Pick<Core, "data">, wish: Promotion): Promise<PromotedView> {
  const { node, base, snapshot, keep, progress, signal } = wish;
  if (keep) checkKeep(keep);
  const name = freeName(wish, await listImages(core.data.root));
  const folder = incomingFolder(core.data.root);
  await mkdir(folder, { recursive: true });
  const raw = join(folder, `${randomUUID()}.promoted`);
  const release = claim(raw, ...[...WORK, ...wish.works].map((ending) => raw + ending));
  try {
    const { notes: told, rootPartition } = await wish.copy(raw);
    signal.throwIfAborted();
    const { cleaned, notes } = keep
      ? await cleanImage(raw, {
          keep,
          rootPartition,
          signal,
          onProgress: (done, total) => progress({ phase: "clean", bytes: done, total }),
        })
      : { cleaned: [], notes: ["nothing was cleaned: it holds this node's keys, ids and logs"] };
    const image = await addImage({
      data: core.data.root,
      source: raw,
      name,
      label: `the disk of ${node.name}${snapshot ? `, snapshot ${snapshot}` : ""}, made of ${base.name}:${base.version}`,
      onProgress: ({ phase, bytesRead, bytesTotal }) =>
        progress({ phase, bytes: bytesRead, ...(bytesTotal !== undefined && { total: bytesTotal }) }),
      signal,
    });
    notes.push(...told);
    if (wish.busy)
      notes.unshift("the node was running: the image is what a power cut at that moment would have left");
    return { image, cleaned, notes, ...(snapshot !== undefined && { snapshot }) };
  } catch (error) {
    if (!signal.aborted) throw error;
    throw new BrambleError("CANCELLED", `the promotion of ${node.name} was stopped`, { cause: error });
  } finally {
    await rm(raw, { force: true });
    release();
  }
}

/** Asked before the copying: nobody waits minutes to hear that a name is taken. */
function freeName({ base, name }: Promotion, images: readonly ImageManifest[]): string {
  const all = images.flatMap((image) => [`${image.name}:${image.version}`, ...image.aliases]);
  const wanted = name === undefined ? { name: base.name } : parseImageName(name);
  const versions = all.flatMap((one) =>
    one.startsWith(`${wanted.name}:`) ? one.slice(wanted.name.length + 1) : [],
  );
  const from = wanted.name === base.name ? base.version : "0";
  const version = ("version" in wanted && wanted.version) || nextVersion(from, versions);
  if (!versions.includes(version)) return `${wanted.name}:${version}`;
  throw new BrambleError("IMAGE_NAME_TAKEN", `${wanted.name}:${version} is an image already`, {
    hint: `leave --name out for ${base.name}:${nextVersion(base.version, versions)}, or give another version`,
  });
}
