import type { Host } from "./host.ts";

/** Names of data files that are new in their folder, until they are on the disk. Whoever needs the same ones waits for the same fsyncs. */
export class NewNames {
  readonly #host: Host;
  readonly #folders: readonly string[];
  #made = 0;
  #synced = 0;
  #syncing: { upTo: number; ended: Promise<void> } | undefined;

  /** @param folders that must be synced for a name to last */
  constructor(host: Host, folders: readonly string[]) {
    this.#host = host;
    this.#folders = folders;
  }

  get isDirty(): boolean {
    return this.#made > this.#synced;
  }
  made(): void {
    this.#made += 1;
  }

  /** Undefined: all are on the disk. */
  sync(): Promise<void> | undefined {
    const upTo = this.#made;
    if (upTo === this.#synced) return undefined;
    if (this.#syncing?.upTo === upTo) return this.#syncing.ended;
    const ended = Promise.all(this.#folders.map((folder) => this.#host.syncNames(folder))).then(() => {
      this.#synced = Math.max(this.#synced, upTo);
    });
    const syncing = { upTo, ended };
    this.#syncing = syncing;
    const over = () => {
      if (this.#syncing === syncing) this.#syncing = undefined;
    };
    ended.then(over, over); // whoever waits is told how it went
    return ended;
  }
}
