import { latin1 } from "../../base/text.ts";
import { readDirectory } from "./files.ts";
import type { Inode } from "./inode.ts";
import type { Volume } from "./volume.ts";

/** Names held in all; the directories read longest ago are forgotten first. */
const MAX_NAMES = 200_000;

/** Names of the directories that were looked into, so that opening every file of a large one does not read it each time. */
export class Names {
  readonly #volume: Volume;
  readonly #directories = new Map<number, Map<string, number>>();
  #held = 0;

  constructor(volume: Volume) {
    this.#volume = volume;
  }

  /** The inode of the first of `keys` (names, one character per byte) that is there. */
  async find(directory: Inode, keys: readonly string[]): Promise<number | undefined> {
    const names = this.#directories.get(directory.number) ?? (await this.#read(directory));
    for (const key of keys) {
      const number = names.get(key);
      if (number !== undefined) return number;
    }
    return undefined;
  }

  async #read(directory: Inode): Promise<Map<string, number>> {
    const names = new Map<string, number>();
    for await (const dirents of readDirectory(this.#volume, directory)) {
      for (const { nameBytes, inode } of dirents) {
        const key = latin1(nameBytes);
        if (!names.has(key)) names.set(key, inode);
      }
    }
    if (this.#directories.has(directory.number)) return names;
    for (const [oldest, held] of this.#directories) {
      if (this.#held + names.size <= MAX_NAMES) break;
      this.#directories.delete(oldest);
      this.#held -= held.size;
    }
    if (this.#held + names.size <= MAX_NAMES) {
      this.#directories.set(directory.number, names);
      this.#held += names.size;
    }
    return names;
  }
}
