import type { Watch } from "../../fleet/supervision.ts";
import type { Book, Tables } from "../../storage/book.ts";

/** The nodes that are not up yet, in memory and in the book. Writes keep their order; `save` ends when its row is on disk. */
export class Watches {
  readonly #book: Book;
  readonly #failed: (error: unknown) => void;
  readonly #watches = new Map<string, Watch>();
  #writing: Promise<void> = Promise.resolve();
  #changed = new Set<string>();

  constructor(book: Book, failed: (error: unknown) => void) {
    this.#book = book;
    this.#failed = failed;
  }

  async load(): Promise<void> {
    for (const row of await this.#book.selectFrom("watch").selectAll().execute())
      this.#watches.set(row.nodeId, watchOf(row));
  }

  all = (): IterableIterator<Watch> => this.#watches.values();
  of = (nodeId: string): Watch | undefined => this.#watches.get(nodeId);

  set(nodeId: string, watch: Watch | undefined): Promise<void> {
    if (watch) this.#watches.set(nodeId, watch);
    else if (!this.#watches.delete(nodeId)) return this.#writing;
    this.#changed.add(nodeId);
    // one transaction for all that changed while the one before was written
    this.#writing = this.#writing.then(() => this.#flush()).catch(this.#failed);
    return this.#writing;
  }

  settled = (): Promise<void> => this.#writing;

  async #flush(): Promise<void> {
    const changed = [...this.#changed];
    if (changed.length === 0) return;
    this.#changed = new Set();
    await this.#book.transaction().execute(async (trx) => {
      for (const nodeId of changed) {
        const watch = this.#watches.get(nodeId);
        if (watch) {
          const row = rowOf(watch);
          await trx
            .insertInto("watch")
            .values(row)
            .onConflict((c) => c.column("nodeId").doUpdateSet(row))
            .execute();
        } else await trx.deleteFrom("watch").where("nodeId", "=", nodeId).execute();
      }
    });
  }
}

const rowOf = ({ dueMs, cause, words, gaveUp, ...watch }: Watch): Tables["watch"] => ({
  ...watch,
  gaveUp: gaveUp ? 1 : 0,
  dueMs: dueMs ?? null,
  cause: cause ?? null,
  words: words ?? null,
});

const watchOf = ({ dueMs, cause, words, gaveUp, phase, ...row }: Tables["watch"]): Watch => ({
  ...row,
  phase: phase as Watch["phase"],
  gaveUp: gaveUp === 1,
  ...(dueMs !== null && { dueMs }),
  ...(cause !== null && { cause }),
  ...(words !== null && { words }),
});
