import { rm } from "node:fs/promises";
import { BrambleError } from "../base/errors.ts";
import { syncFolder } from "./images/durable.ts";
import { importFolder, isFolder } from "./images/from-folder.ts";
import { type AddOptions, importImage } from "./images/import.ts";
import { imagesFolder } from "./images/incoming.ts";
import { type ImageManifest, imageFile, manifestFile, readManifests } from "./images/manifest.ts";

/**
 * Brings a disk image into the data folder: `source` is a path or an http(s) URL, packed or not; also a system as a tar file, or a folder. The same bytes again give the
 * image that is there, under the new name too if one was asked for. Nothing half is ever listed, whenever the process dies.
 * Throws FILE_UNKNOWN, BAD_INPUT, DOWNLOAD_FAILED, IMAGE_DAMAGED, IMAGE_CHECKSUM, IMAGE_NAME_TAKEN, DISK_FULL, CANCELLED.
 */
export const addImage = async (options: AddOptions): Promise<ImageManifest> =>
  (await isFolder(options.source)) ? importFolder(options) : importImage(options);

/** All images, newest first. */
export const listImages = (data: string): Promise<ImageManifest[]> => readManifests(data);

/**
 * The image that a person means: "name:version", "name" where it has one version only, or the first 4 or more digits of its hash.
 * Throws IMAGE_UNKNOWN with what there is.
 */
export async function findImage(data: string, ref: string): Promise<ImageManifest> {
  const all = await readManifests(data);
  const names = (image: ImageManifest) => [`${image.name}:${image.version}`, ...image.aliases];
  const exact = all.filter((image) => names(image).includes(ref));
  const named = all.filter((image) => names(image).some((name) => name.split(":")[0] === ref));
  const sha = ref.toLowerCase().replace(/^sha256:/, "");
  const hashed = /^[0-9a-f]{4,64}$/.test(sha) ? all.filter((image) => image.sha256.startsWith(sha)) : [];
  const found = [exact, named, hashed].find((images) => images.length > 0) ?? [];
  if (found.length === 1 && found[0]) return found[0];
  const say = (images: ImageManifest[]) =>
    images
      .slice(0, 8)
      .map((image) => `${image.name}:${image.version} (${image.sha256.slice(0, 12)})`)
      .join(", ") + (images.length > 8 ? ", …" : "");
  if (found.length > 1) {
    throw new BrambleError("IMAGE_UNKNOWN", `"${ref}" may be any of ${found.length} images`, {
      hint: `say which: ${say(found)}`,
    });
  }
  throw new BrambleError("IMAGE_UNKNOWN", `there is no image "${ref}"`, {
    hint: all.length > 0 ? `there are: ${say(all)}` : "add one: bramble image add FILE|URL",
  });
}

/**
 * Removes an image and gives its manifest back. Throws IMAGE_IN_USE while clones stand on it.
 * @param inUse names of the nodes whose clones have the image with this hash as their base.
 */
export async function removeImage(
  data: string,
  ref: string,
  { inUse }: { inUse: (sha256: string) => string[] | Promise<string[]> },
): Promise<ImageManifest> {
  const image = await findImage(data, ref);
  const nodes = await inUse(image.sha256);
  if (nodes.length > 0) {
    const shown = nodes.slice(0, 10).join(", ") + (nodes.length > 10 ? ", …" : "");
    throw new BrambleError(
      "IMAGE_IN_USE",
      `${image.name}:${image.version} is the base of ${nodes.length} ${nodes.length === 1 ? "clone" : "clones"}: ${shown}`,
      { hint: "give these nodes another image, or forget them, first" },
    );
  }
  // Unlisted first: a crash between the two leaves a file without manifest, which the next import clears away.
  await rm(manifestFile(data, image.sha256));
  await syncFolder(imagesFolder(data));
  await rm(imageFile(data, image.sha256), { force: true });
  return image;
}
