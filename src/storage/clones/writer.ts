import { INCOMPATIBLE } from "../../formats/qcow2.ts";
import { Commits } from "./commit.ts";
import { GiveBack } from "./give-back.ts";
import { FROZEN, OPEN_HERE, writeFeatures } from "./header-edit.ts";
import type { HostFile } from "./host-file.ts";
import type { Journal } from "./journal.ts";
import type { QcowLayer } from "./open-layers.ts";
import { Pending } from "./pending.ts";
import type { Quota } from "./quota.ts";
import type { Refcounts } from "./refcounts.ts";
import { Writing } from "./writing.ts";

/** What only a file that is written to has: the clone itself, or a frozen layer while it is merged. */
export class Writer {
  readonly file: HostFile;
  readonly writing: Writing;
  readonly pending: Pending;
  readonly commits: Commits;
  readonly refcounts: Refcounts;
  readonly giveBack: GiveBack;
  readonly #layer: QcowLayer;

  /** `refcounts` with its list of free clusters built. */
  constructor(
    layer: QcowLayer,
    refcounts: Refcounts,
    more: { journal?: Journal | undefined; quota?: Quota },
  ) {
    const { mapping, header } = layer;
    const { journal } = more;
    this.#layer = layer;
    this.file = layer.own.file;
    this.refcounts = refcounts;
    this.pending = new Pending(mapping, journal);
    this.giveBack = new GiveBack(this.file, refcounts, mapping.geometry.clusterSize);
    const { file, pending, giveBack } = this;
    this.commits = new Commits({
      ...{ file, mapping, refcounts, pending, journal, giveBack, l1Offset: header.l1Offset },
    });
    this.writing = new Writing({ reading: layer, refcounts, pending, quota: more.quota });
  }

  opened(): void {
    this.#features(OPEN_HERE);
  }

  /** Everything is on the disk, and the file says that it was left in order. */
  async seal(): Promise<void> {
    await this.giveBack.idle();
    this.refcounts.writeDirty();
    await this.file.sync("mapping");
    this.#features(0n);
  }

  /** As seal(), for a file that others will stand on: durable, for they refuse one that does not say so. After a flush. */
  async freeze(): Promise<void> {
    await this.giveBack.idle();
    this.refcounts.writeDirty();
    this.#features(FROZEN);
    await this.file.sync("mapping");
  }

  #features(autoclear: bigint): void {
    const { header } = this.#layer;
    header.incompatible &= ~INCOMPATIBLE.dirty;
    header.autoclear = autoclear;
    writeFeatures(this.file, header.incompatible, autoclear);
  }
}
