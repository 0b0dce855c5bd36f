import { BrambleError } from "../../base/errors.ts";
import { WarmMap } from "../clones/warm.ts";
import type { Host, TreeFile } from "./host.ts";

/** A data file with its descriptor. */
export interface OpenFile {
  readonly path: string;
  readonly file: TreeFile;
  /** What of it is in the page cache, as far as we know. */
  readonly warm: WarmMap;
  /** Reads and syncs under way. */
  users: number;
  isForgotten: boolean;
}

/** Descriptors of the data files of all trees: the ones used last stay open. */
export class OpenFiles {
  readonly #host: Host;
  readonly #most: number;
  /** The one used longest ago is the first. */
  readonly #files = new Map<string, OpenFile>();

  constructor(host: Host, most = 512) {
    this.#host = host;
    this.#most = most;
  }

  /** undefined: there is no such file. */
  get(path: string): OpenFile | undefined {
    const known = this.#files.get(path);
    if (known) {
      this.#files.delete(path);
      this.#files.set(path, known);
      return known;
    }
    try {
      return this.#add(path, this.#host.open(path, "write"));
    } catch (error) {
      if (error instanceof BrambleError && error.code === "FILE_UNKNOWN") return undefined;
      throw error;
    }
  }

  /** Makes it where there is none. */
  make(path: string): OpenFile {
    return this.#add(path, this.#host.open(path, "create"));
  }

  #add(path: string, file: TreeFile): OpenFile {
    const open = { path, file, warm: new WarmMap(file.size()), users: 0, isForgotten: false };
    this.#files.set(path, open);
    this.#closeOld(open);
    return open;
  }

  #closeOld(newest?: OpenFile): void {
    let tooMany = this.#files.size - this.#most;
    if (tooMany <= 0) return;
    for (const open of this.#files.values()) {
      if (tooMany <= 0) return;
      if (open.users > 0 || open === newest) continue;
      this.forget(open.path);
      tooMany -= 1;
    }
  }

  /** Something that goes on after this turn: the descriptor stays until it has ended. */
  async during<T>(open: OpenFile, work: (file: TreeFile) => Promise<T>): Promise<T> {
    open.users += 1;
    try {
      return await work(open.file);
    } finally {
      open.users -= 1;
      if (open.isForgotten && open.users === 0) open.file.close();
      this.#closeOld();
    }
  }

  /** Its name leads elsewhere from now on, or nobody needs it. */
  forget(path: string): void {
    const open = this.#files.get(path);
    if (!open) return;
    this.#files.delete(path);
    open.isForgotten = true;
    if (open.users === 0) open.file.close();
  }

  /** All below a folder; without one: all. */
  forgetAll(folder?: string): void {
    for (const path of [...this.#files.keys()])
      if (folder === undefined || path.startsWith(`${folder}/`)) this.forget(path);
  }
}
