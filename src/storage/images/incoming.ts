import { mkdir, readdir, rm, stat } from "node:fs/promises";
import { join } from "node:path";

/** images/ of a data folder: <sha256>.img and <sha256>.json, and incoming/ for what is not finished. */
export const imagesFolder = (data: string): string => join(data, "images");
export const incomingFolder = (data: string): string => join(data, "images", "incoming");

/** A download that nobody came back for is thrown away after a week. */
const KEEP_DOWNLOAD_MS = 7 * 24 * 3600 * 1000;

/** Files that imports of this process are working on. Other processes have none: the data folder has one owner. */
const working = new Set<string>();

/** Marks paths as in work until the function that it returns is called. */
export function claim(...paths: string[]): () => void {
  for (const path of paths) working.add(path);
  return () => {
    for (const path of paths) working.delete(path);
  };
}

/** Is somebody at it already? */
export const claimed = (path: string): boolean => working.has(path);

/**
 * Makes the folders and clears what killed imports left: half files in incoming/ (downloads stay, to be resumed) and disk images
 * that never got their manifest.
 */
export async function sweep(data: string): Promise<void> {
  const images = imagesFolder(data);
  const incoming = incomingFolder(data);
  await mkdir(incoming, { recursive: true });
  for (const name of await readdir(incoming)) {
    const path = join(incoming, name);
    if (working.has(path)) continue;
    const download = /\.(part|part\.json)$/.test(name);
    if (download && Date.now() - (await stat(path)).mtimeMs < KEEP_DOWNLOAD_MS) continue;
    await rm(path, { recursive: true, force: true });
  }
  const names = new Set(await readdir(images));
  for (const name of names) {
    const sha = /^([0-9a-f]{64})\.img$/.exec(name)?.[1];
    if (sha && !names.has(`${sha}.json`) && !working.has(join(images, name)))
      await rm(join(images, name), { force: true });
  }
}
