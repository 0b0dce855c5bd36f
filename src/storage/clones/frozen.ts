import { growDisk } from "./grow.ts";
import { readHeader } from "./header-edit.ts";
import type { Host } from "./layers-index.ts";
import type { Sink } from "./merge.ts";
import { QcowLayer } from "./open-layers.ts";
import { usedClusters } from "./recover.ts";
import { Refcounts } from "./refcounts.ts";
import { Writer } from "./writer.ts";
import type { Writing } from "./writing.ts";

/** Changes of a frozen layer that wait for a commit. */
const MOST_CHANGES = 8192;

/** A frozen layer that a merge writes to: its bytes, or those of what stands on it, stay what they are. */
export class FrozenWriter implements Sink {
  readonly layer: QcowLayer;
  readonly #writer: Writer;

  private constructor(layer: QcowLayer, writer: Writer) {
    this.layer = layer;
    this.#writer = writer;
  }

  /** `shared`: the same layer as it is open for reading, which sees at once what is written. */
  static async open(shared: QcowLayer, host: Host): Promise<FrozenWriter> {
    const { path, mapping } = shared;
    const file = host.open(path, "write");
    try {
      const header = readHeader(file, path, true);
      // The page cache may be ahead of the disk: what looks free may be in use there.
      await file.sync("contents");
      const layer = new QcowLayer({ path, header, mapping, file }, shared.below);
      const refcounts = new Refcounts(file, header);
      refcounts.recount(usedClusters(header, mapping));
      refcounts.buildFreeList();
      return new FrozenWriter(layer, new Writer(layer, refcounts, {}));
    } catch (error) {
      file.close();
      throw error;
    }
  }

  fill(act: (writing: Writing) => void): boolean {
    const { pending, writing, commits } = this.#writer;
    if (commits.failed) throw commits.failed;
    if (pending.changes >= MOST_CHANGES) return false;
    act(writing);
    return true;
  }
  async wait(): Promise<void> {
    await this.#writer.commits.flush();
  }

  /** The layer becomes as large as what stands on it. */
  async grow(size: number): Promise<void> {
    if (size > this.layer.size) await growDisk(this.layer, size);
  }

  /** All of it is durable, and the file as a frozen one is. */
  async finish(): Promise<void> {
    await this.#writer.commits.flush();
    await this.#writer.freeze();
  }

  /** Before close() where it was left half way: what is in memory and not in the file would be missed by nobody. */
  async flush(): Promise<void> {
    await this.#writer.commits.flush();
  }

  async close(): Promise<void> {
    await this.#writer.giveBack.close();
    this.layer.own.file.close();
  }
}
