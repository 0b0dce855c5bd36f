import { basename } from "node:path";
import type { BrambleError } from "../../base/errors.ts";
import { type CloneRecord, cloneRecord, type ImageRef, type Overlay, overImage } from "./create.ts";
import type { OpenClone } from "./engine.ts";
import { growDisk } from "./grow.ts";
import type { Journal } from "./journal.ts";
import { type Host, type LayerEntry, type LayersIndex, readIndex, writeIndex } from "./layers-index.ts";
import { bytesOfAll, type KnownLayer, layerBelow, lookAtLayers } from "./layers-look.ts";
import { Merging } from "./merging.ts";
import { layerPath, openLayer, type QcowLayer } from "./open-layers.ts";
import type { Quota, QuotaEvent } from "./quota.ts";
import { mustBeFree, needSnapshot, type SnapshotFacts, snapshotFacts } from "./snapshots.ts";
import { swapTop } from "./swap-top.ts";

export interface CloneSpace {
  /** Bytes of the file that is written to, its tables too. */
  ownBytes: number;
  /** Bytes of the frozen layers: snapshots, and what the clone stands on together with them. */
  sharedBytes: number;
  /** Bytes of the image, that all of its clones share. */
  imageBytes: number;
  /** Frozen layers. */
  layers: number;
  /** qcow2 files that a read may have to look at. */
  chained: number;
  /** Bytes that own and frozen ones may take together. */
  quota: number | undefined;
  /** Images (sha256) that the clone or one of its snapshots stands on: not to be removed. */
  images: string[];
}

export type ChainEvent = ({ kind: "quota" } & QuotaEvent) | { kind: "mergeFailed"; why: BrambleError };

export interface ChainParts {
  clone: OpenClone;
  path: string;
  host: Host;
  journal: Journal | undefined;
  quota: Quota;
  on: (event: ChainEvent) => void;
  now: () => number;
}

/**
 * What users do to a clone's files while it is open, one thing at a time: snapshots, rollback, another image, growth.
 * Merges run in the background in between. See docs/clones.md for what lies where.
 */
export class Chain {
  readonly #parts: ChainParts;
  readonly #index: LayersIndex;
  readonly #merging: Merging;
  readonly #held = new Map<number, number>();
  #turn: Promise<unknown> = Promise.resolve();

  constructor(parts: ChainParts) {
    this.#parts = parts;
    this.#index = readIndex(parts.path, parts.host);
    parts.quota.set(this.#index.quota);
    this.#merging = new Merging({
      ...parts,
      look: () => ({ top: this.#top(), layers: this.#layers() }),
      freeze: () => this.#fork({ createdMs: parts.now() }).then(() => undefined),
      forget: (number) => {
        delete this.#index.layers[number];
      },
      save: () => this.#save(),
    });
  }

  /** Freezes the clone as it is now and goes on in a new file. BAD_INPUT for a name that is taken or none. */
  async snapshot(name: string): Promise<SnapshotFacts> {
    return this.#verb(async () => {
      mustBeFree(this.#index, name);
      await this.#fork({ name, createdMs: this.#parts.now() });
      return this.list().find((facts) => facts.name === name) as SnapshotFacts;
    });
  }

  /** The oldest first. */
  list(): SnapshotFacts[] {
    return snapshotFacts(this.#layers(), this.#top().on);
  }

  /**
   * The clone reads as the snapshot does; what was written since is gone. The disk keeps its size if that is larger. Gives
   * the image (sha256) that the clone stands on now.
   */
  rollback(name: string): Promise<{ image: string | undefined }> {
    return this.#verb(async () => {
      const number = needSnapshot(this.#index, name);
      const layer = this.#layers().find((known) => known.number === number) as KnownLayer;
      await this.#replace({
        size: Math.max(this.#parts.clone.size, layer.size),
        backing: { file: basename(layerPath(this.#parts.path, number)), format: "qcow2" },
        record: this.#record(layer.record?.image),
      });
      return { image: layer.record?.image?.sha256 };
    });
  }

  /** The image as it is, or zeros. Snapshots stay unless they are to go, too. */
  reset(how: { dropSnapshots?: boolean } = {}): Promise<void> {
    return this.#verb(async () => {
      const lowest = this.#parts.clone.layers().at(-1) as QcowLayer;
      const { backing } = lowest.header;
      const record = this.#record(cloneRecord(lowest.header)?.image);
      await this.#replace({ size: this.#parts.clone.size, record, ...(backing ? { backing } : {}) });
      if (!how.dropSnapshots) return;
      for (const entry of Object.values(this.#index.layers)) delete entry.name;
      await this.#save();
    });
  }

  /** A new clone over another image, nothing of its own in it; what was stays as a snapshot of the name `keepAs`, if given. */
  rebase(image: ImageRef, keepAs?: string): Promise<void> {
    return this.#verb(async () => {
      if (keepAs !== undefined) mustBeFree(this.#index, keepAs);
      const on = overImage(this.#parts.path, image);
      const size = Math.max(this.#parts.clone.size, image.size);
      const overlay = { size, backing: on.backing, record: this.#record(on.image) };
      if (keepAs === undefined) await this.#replace(overlay);
      else await this.#fork({ name: keepAs, createdMs: this.#parts.now() }, overlay);
    });
  }

  /** The snapshot is gone at once; its space comes back in the background. */
  drop(name: string): Promise<void> {
    return this.#verb(async () => {
      const number = needSnapshot(this.#index, name);
      const { createdMs } = this.#index.layers[number] as LayerEntry;
      this.#index.layers[number] = { createdMs, due: true };
      await this.#save();
    });
  }

  /** Grows the disk; whoever has it open is told by the caller. BAD_INPUT for a smaller one. */
  resize(size: number): Promise<void> {
    return this.#verb(() =>
      this.#parts.clone.exclusive(async ({ reading }) => {
        await growDisk(reading, size);
        return undefined;
      }),
    );
  }

  /** Bytes that the clone may take at most; undefined: as many as there are. */
  async setQuota(bytes: number | undefined): Promise<void> {
    if (bytes === this.#index.quota) return;
    return this.#verb(async () => {
      if (bytes === undefined) delete this.#index.quota;
      else this.#index.quota = bytes;
      await this.#save();
      this.#parts.quota.set(bytes);
    });
  }

  /** Until no merge is due any more; throws what stopped it. A merge that another verb interrupts is gone on with. */
  async merge(onStep?: (done: number, total: number) => void): Promise<void> {
    for (;;) {
      await this.#turn;
      const ended = await this.#merging.run(onStep);
      if (ended !== "interrupted") return;
    }
  }

  /** A snapshot, or (undefined) the clone as it is at this moment, to read from at leisure. */
  async hold(name: string | undefined): Promise<{ disk: QcowLayer; release(): void }> {
    return this.#verb(async () => {
      const number =
        name === undefined
          ? await this.#fork({ createdMs: this.#parts.now() })
          : needSnapshot(this.#index, name);
      const disk = openLayer(layerPath(this.#parts.path, number), this.#parts.host.open);
      this.#held.set(number, (this.#held.get(number) ?? 0) + 1);
      let released = false;
      const release = () => {
        if (released) return;
        released = true;
        disk.close();
        this.#held.set(number, (this.#held.get(number) ?? 1) - 1);
        this.#merging.start();
      };
      return { disk, release };
    });
  }

  /** Bytes that only this clone takes on the host's disk. */
  ownBytes(): number {
    const { clone, path, host } = this.#parts;
    return bytesOfAll(path, clone.layers(), this.#index, host);
  }

  space(): CloneSpace {
    const open = this.#parts.clone.layers();
    const [top] = open as [QcowLayer];
    const layers = this.#layers();
    const records = [cloneRecord(top.header), ...layers.map(({ record }) => record)];
    return {
      ownBytes: top.allocated(),
      sharedBytes: layers.reduce((sum, { bytes }) => sum + bytes, 0),
      imageBytes: open.at(-1)?.below?.allocated() ?? 0,
      layers: layers.length,
      chained: open.length,
      quota: this.#index.quota,
      images: [...new Set(records.flatMap((record) => record?.image?.sha256 ?? []))],
    };
  }

  /** Begins what an earlier process did not get to. */
  start(): void {
    this.#merging.start();
  }
  /** Nothing runs any more when it ends; what was half done is gone on with at the next open. */
  async stop(): Promise<void> {
    this.#merging.end();
    await this.#turn;
    await this.#merging.close();
  }

  #verb<T>(act: () => Promise<T>): Promise<T> {
    const run = this.#turn.then(async () => {
      await this.#merging.pause();
      try {
        return await act();
      } finally {
        this.#merging.start();
      }
    });
    this.#turn = run.catch(() => undefined);
    return run;
  }

  /** Freezes the clone under the next number. The entry comes first: a layer without one would be nobody's. */
  async #fork(entry: LayerEntry, over?: Overlay): Promise<number> {
    const { clone, path, host, journal, quota } = this.#parts;
    const number = this.#index.next;
    this.#index.next += 1;
    this.#index.layers[number] = entry;
    try {
      await this.#save();
      const freezeAs = layerPath(path, number);
      const backing = { file: basename(freezeAs), format: "qcow2" };
      const top = clone.layers()[0] as QcowLayer;
      const record = this.#record(cloneRecord(top.header)?.image);
      const overlay = over ?? { size: clone.size, backing, record };
      await swapTop(clone, { path, host, journal, quota, overlay, freezeAs, onFrozen: over === undefined });
      return number;
    } catch (error) {
      if (host.folder.identity(layerPath(path, number)) === undefined) delete this.#index.layers[number];
      throw error;
    }
  }

  #replace(overlay: Overlay): Promise<void> {
    const { clone, path, host, journal, quota } = this.#parts;
    return swapTop(clone, { path, host, journal, quota, overlay });
  }

  #record(image: CloneRecord["image"]): CloneRecord {
    return { id: this.#parts.clone.id, ...(image ? { image } : {}) };
  }

  #top() {
    const top = this.#parts.clone.layers()[0] as QcowLayer;
    return { on: layerBelow(this.#parts.path, top.header.backing), bytes: top.allocated() };
  }
  #layers(): KnownLayer[] {
    const { path, host } = this.#parts;
    return lookAtLayers(path, this.#index, host, (number) => (this.#held.get(number) ?? 0) > 0);
  }

  #save(): Promise<void> {
    return writeIndex(this.#parts.path, this.#index, this.#parts.host);
  }
}
