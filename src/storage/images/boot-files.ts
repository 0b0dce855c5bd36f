import { BrambleError } from "../../base/errors.ts";
import type { Tree } from "../../base/tree.ts";

/** overlays/ of a release has about 350 files; a folder that holds itself would have no end. */
const MOST_FILES = 20_000;
const DEEPEST = 8;

/** The paths of all files of a boot partition. What cannot be listed, or has no end, becomes a note. */
export async function listBootFiles(tree: Tree, notes: string[]): Promise<string[]> {
  const files: string[] = [];
  const folders: { path: string; depth: number }[] = [{ path: "", depth: 0 }];
  for (let folder = folders.shift(); folder; folder = folders.shift()) {
    const { path, depth } = folder;
    let entries: Awaited<ReturnType<Tree["list"]>>;
    try {
      entries = await tree.list(path);
    } catch (error) {
      if (!(error instanceof BrambleError) || error.code === "DISK_IO") throw error;
      notes.push(`the folder ${path || "/"} of the boot partition cannot be read: ${error.message}`);
      continue;
    }
    for (const { name, kind } of entries) {
      const inside = path === "" ? name : `${path}/${name}`;
      if (kind === "file" || kind === "symlink") files.push(inside);
      else if (kind === "directory" && depth < DEEPEST) folders.push({ path: inside, depth: depth + 1 });
      else if (kind === "directory")
        notes.push(`${inside} on the boot partition is nested too deeply to be followed`);
      if (files.length + folders.length > MOST_FILES) {
        notes.push(`the boot partition has more than ${MOST_FILES} files: the rest was not looked at`);
        return files;
      }
    }
  }
  return files;
}
