import type { Tree } from "../base/tree.ts";

/** A folder of a tree as a bootloader knows it, a FAT file system: names fit exactly first, then in any case. */
export function bootFolder(tree: Tree, folder: string): Tree {
  const at = (path: string) => (path === "" ? folder : `${folder}/${path}`);

  /** The path as the tree has it; undefined where it has none like it. */
  async function spelled(path: string): Promise<string | undefined> {
    if (path === "" || (await tree.lookup(at(path)))) return path;
    const cut = path.lastIndexOf("/");
    const above = await spelled(cut < 0 ? "" : path.slice(0, cut));
    if (above === undefined || (await tree.lookup(at(above)))?.kind !== "directory") return undefined;
    const name = path.slice(cut + 1).toLowerCase();
    const found = (await tree.list(at(above))).find((entry) => entry.name.toLowerCase() === name);
    return found && (above === "" ? found.name : `${above}/${found.name}`);
  }

  return {
    async lookup(path) {
      const found = await spelled(path);
      return found === undefined ? undefined : tree.lookup(at(found));
    },
    async list(path) {
      return tree.list(at((await spelled(path)) ?? path));
    },
    async open(path) {
      const found = await spelled(path);
      return found === undefined ? undefined : tree.open(at(found));
    },
  };
}
