import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { BrambleError } from "../../base/errors.ts";
import { errorCode, writeWhole } from "./durable.ts";
import { imagesFolder, incomingFolder } from "./incoming.ts";
import type { ImageFacts } from "./inspect.ts";

/** What is known of an image; <sha256>.json beside the disk image. Times are ISO 8601, sizes bytes. */
export interface ImageManifest {
  /** Of the raw disk image. */
  sha256: string;
  /** Of the file that it came from, packed as it was. */
  sourceSha256: string;
  name: string;
  version: string;
  /** Other names that the same bytes were added under, "name:version". */
  aliases: string[];
  /** Of the raw disk image. */
  size: number;
  /** What it takes on our disk: it is sparse. */
  allocated: number;
  source: string;
  addedAt: string;
  facts: ImageFacts;
}

/** Where an image's raw bytes are (read-only). */
export const imageFile = (data: string, sha256: string): string => join(imagesFolder(data), `${sha256}.img`);
export const manifestFile = (data: string, sha256: string): string =>
  join(imagesFolder(data), `${sha256}.json`);

/** All published images, newest first. A folder without images is an empty list. */
export async function readManifests(data: string): Promise<ImageManifest[]> {
  const names = await readdir(imagesFolder(data)).catch((error: unknown) => {
    if (errorCode(error) === "ENOENT") return [];
    throw error;
  });
  const found: ImageManifest[] = [];
  for (const name of names) {
    if (!/^[0-9a-f]{64}\.json$/.test(name)) continue;
    const text = await readFile(join(imagesFolder(data), name), "utf8").catch((error: unknown) => {
      if (errorCode(error) === "ENOENT") return undefined; // removed this moment
      throw error;
    });
    if (text !== undefined) found.push(parse(text, join(imagesFolder(data), name)));
  }
  return found.sort((a, b) => b.addedAt.localeCompare(a.addedAt) || a.name.localeCompare(b.name));
}

function parse(text: string, path: string): ImageManifest {
  try {
    return JSON.parse(text) as ImageManifest;
  } catch (cause) {
    throw new BrambleError("IMAGE_DAMAGED", `the manifest ${path} is damaged`, {
      hint: "remove that file and add the image again",
      cause,
    });
  }
}

/** From this moment on the image is listed. */
export const writeManifest = (data: string, manifest: ImageManifest): Promise<void> =>
  writeWhole(
    manifestFile(data, manifest.sha256),
    `${JSON.stringify(manifest, undefined, 2)}\n`,
    join(incomingFolder(data), `${manifest.sha256}.json.new`),
  );
