import { BrambleError } from "../../base/errors.ts";
import { hostError } from "../clones/host-file.ts";
import { readHeader } from "./checkpoint.ts";
import {
  type Entry,
  factsOf,
  type HouseSettings,
  NO_RUNS,
  newEntry,
  oldestOf,
  type TreeFacts,
} from "./house-entry.ts";
import type { Journal } from "./journal.ts";
import { type CutTail, runsOfTree, type Scanned } from "./journal-scan.ts";
import { OpenFiles } from "./open-files.ts";
import {
  dropSnapshot,
  linkAll,
  listSnapshots,
  mustBeFree,
  replaceTree,
  type TreeSnapshot,
  takeSnapshot,
} from "./snapshots.ts";
import {
  checkId,
  checkpointPath,
  dataFolder,
  makeTreeFolder,
  type NewTree,
  newHeader,
  removeWhole,
  treeFolder,
  treeIds,
} from "./tree-folder.ts";
import { checkpointTree, closeTree, type Hot, type HouseTree, loadTree } from "./tree-hot.ts";
import type { KeepGround, TreeKeep } from "./tree-keep.ts";

/** All trees of a server. Those that are used are in memory; what the others cost is a name. */
export class House<T extends HouseTree> {
  readonly settings: HouseSettings<T>;
  readonly ground: KeepGround & { trees: string };
  readonly entries = new Map<string, Entry<T>>();
  /** Where the journal was cut off when the house was opened, if it was. */
  readonly cut: CutTail | undefined;
  readonly #waiting = new Set<TreeKeep>();
  #clock = 0;
  #isOver = false;

  constructor(settings: HouseSettings<T>, journal: Journal, scanned: Scanned) {
    this.settings = settings;
    this.cut = scanned.cut;
    const { host, folder, mostOpen } = settings;
    this.ground = {
      host,
      trees: folder,
      files: new OpenFiles(host, mostOpen),
      journal,
      waits: (keep) => this.#waiting.add(keep),
    };
    for (const id of treeIds(host, folder)) this.#add(id).runs = scanned.runs.get(id) ?? NO_RUNS;
  }

  #add(id: string): Entry<T> {
    const entry = newEntry<T>(id, this.settings.durability);
    this.entries.set(id, entry);
    return entry;
  }

  /** What had to wait for the journal is done. */
  durable(sequence: number): void {
    for (const keep of this.#waiting) {
      try {
        if (!keep.isClosed && keep.data.durable(sequence)) setImmediate(() => this.durable(sequence));
        if (keep.isClosed || !keep.data.isWaiting) this.#waiting.delete(keep);
      } catch (error) {
        this.settings.trouble(hostError(error, `data files of ${keep.owner.id}`));
      }
    }
  }

  ids(): string[] {
    return [...this.entries.keys()];
  }

  /** CLONE_UNKNOWN where there is none. */
  entry(id: string): Entry<T> {
    const entry = this.entries.get(id);
    if (entry) return entry;
    throw new BrambleError("CLONE_UNKNOWN", `there is no tree of ${id}`);
  }

  /** When it was last used, in uses of all trees. */
  #touch(entry: Entry<T>): void {
    entry.usedAt = ++this.#clock;
  }
  get clock(): number {
    return this.#clock;
  }

  /** Work on a tree waits for the work before. */
  verb<R>(entry: Entry<T>, work: () => Promise<R>): Promise<R> {
    const turn = entry.turn.then(() => {
      if (entry.isRemoved) throw new BrambleError("CLONE_UNKNOWN", `there is no tree of ${entry.id}`);
      return work();
    });
    entry.turn = turn.catch(() => undefined); // whoever asked is told
    return turn;
  }

  folder({ id }: Pick<Entry<T>, "id">): string {
    return treeFolder(this.ground.trees, id);
  }

  /** A tree with nothing of its own; BAD_INPUT where there is one. On the disk when it ends. */
  async create(tree: NewTree): Promise<void> {
    checkId(tree.id);
    if (this.entries.has(tree.id))
      throw new BrambleError("BAD_INPUT", `there is a tree of ${tree.id} already`);
    const entry = this.#add(tree.id);
    try {
      const { host } = this.ground;
      await this.verb(entry, () =>
        makeTreeFolder(host, this.ground.trees, newHeader(tree, 1, this.settings.nowMs())),
      );
    } catch (error) {
      entry.isRemoved = true;
      this.entries.delete(tree.id);
      throw error;
    }
  }

  /** Nothing where there is none. With its snapshots; nobody may use it any more. */
  async remove(id: string): Promise<void> {
    const entry = this.entries.get(id);
    if (!entry) return;
    await this.verb(entry, async () => {
      this.#forget(entry);
      await removeWhole(this.ground.host, this.ground.trees, id);
      entry.isRemoved = true;
      this.entries.delete(id);
    });
  }

  /** What is in memory of it is worth nothing any more. */
  #forget(entry: Entry<T>): void {
    entry.hot?.keep.close();
    entry.hot = undefined;
  }

  /** The tree: at once where it is in memory. The same object until it is reset, rolled back, removed or put away: ask for each use. */
  tree(id: string): T | Promise<T> {
    const entry = this.entry(id);
    this.#touch(entry);
    if (entry.hot && !entry.isChanging) return entry.hot.tree;
    return this.verb(entry, async () => (await this.load(entry)).tree);
  }

  /** In a verb only. */
  async load(entry: Entry<T>): Promise<Hot<T>> {
    if (entry.hot) return entry.hot;
    if (this.#isOver) throw new BrambleError("INTERNAL", `the tree of ${entry.id} is asked for at the end`);
    const hot = await loadTree(
      this.ground,
      { folder: this.folder(entry), runs: entry.runs, durability: () => entry.durability },
      this.settings.build,
    );
    entry.runs = NO_RUNS;
    entry.hot = hot;
    return hot;
  }

  /** Writes the tree down; nothing where it is not in memory and the journal has nothing of it. */
  checkpoint(entry: Entry<T>): Promise<void> {
    return this.verb(entry, async () => {
      if (entry.hot || entry.runs.length > 0)
        await checkpointTree(this.ground, this.folder(entry), await this.load(entry));
    });
  }

  async checkpointAll(): Promise<void> {
    for (const entry of this.entries.values()) if (!entry.isRemoved) await this.checkpoint(entry);
    this.dropSegments();
  }

  /** The journal's segments that no tree needs any more go. */
  dropSegments(): void {
    const needed = [...this.entries.values()].map((entry) => oldestOf(entry) ?? Number.MAX_SAFE_INTEGER);
    this.ground.journal.drop(Math.min(...needed, Number.MAX_SAFE_INTEGER));
  }

  /** Out of memory, if nobody has used it since; true: it is. */
  putAway(entry: Entry<T>, ifUnusedSince = Number.POSITIVE_INFINITY): Promise<boolean> {
    return this.verb(entry, async () => {
      if (!entry.hot && entry.runs.length === 0) return true;
      if (entry.usedAt > ifUnusedSince) return false;
      const hot = await this.load(entry);
      await hot.tree.flush();
      if (entry.usedAt > ifUnusedSince) return false;
      await this.still(entry, { isLeaving: true }, async () => {
        try {
          await checkpointTree(this.ground, this.folder(entry), hot, true);
        } catch (error) {
          await hot.keep.logOpened();
          throw error;
        }
        this.#forget(entry);
      });
      return true;
    });
  }

  /** Out of memory for good: nobody can use any tree once this was asked. What is in no checkpoint stays in the journal, which must become durable. */
  leave(entry: Entry<T>): Promise<void> {
    this.#isOver = true;
    return this.verb(entry, async () => {
      const { hot } = entry;
      if (!hot) return;
      await hot.tree.flush();
      await this.still(entry, { isLeaving: true }, async () => {
        await closeTree(hot);
        this.#forget(entry);
      });
    });
  }

  /** Made anew from what is on the disk, after a data file could not be synced. */
  reload(entry: Entry<T>): Promise<void> {
    return this.verb(entry, () =>
      this.still(entry, { isLeaving: true }, async () => {
        const { host, journal, trees } = this.ground;
        if (!entry.hot) return;
        await journal.durable();
        entry.runs = runsOfTree(host, trees, entry.id);
        this.#forget(entry);
        await this.load(entry);
      }),
    );
  }

  /** In a verb only. Changes wait; who asks for the tree waits, too, if it is about to be another one. */
  async still<R>(entry: Entry<T>, how: { isLeaving: boolean }, work: () => Promise<R>): Promise<R> {
    const { hot } = entry;
    let open = (): void => undefined;
    entry.isChanging = how.isLeaving;
    if (hot)
      hot.keep.gate = new Promise<void>((resolve) => {
        open = resolve;
      });
    try {
      return await work();
    } finally {
      if (hot) hot.keep.gate = undefined;
      entry.isChanging = false;
      open();
    }
  }

  /** The tree as its image is. Snapshots stay, unless they are to go, too. */
  reset(id: string, how: { image?: string; dropSnapshots?: boolean } = {}): Promise<void> {
    const { image, dropSnapshots } = how;
    const { host } = this.ground;
    return this.verb(this.entry(id), async () => {
      await this.#replace(this.entry(id), image === undefined ? {} : { image });
      const folder = this.folder({ id });
      if (!dropSnapshots) return;
      for (const { name } of listSnapshots(host, folder)) await dropSnapshot(host, folder, name);
    });
  }

  /** The tree as it was when the snapshot was taken. SNAPSHOT_UNKNOWN. Gives the image that it stands on now. */
  rollback(id: string, name: string): Promise<{ image: string }> {
    const entry = this.entry(id);
    return this.verb(entry, () => this.#replace(entry, { to: name }));
  }

  #replace(entry: Entry<T>, by: { to?: string; image?: string }): Promise<{ image: string }> {
    return this.still(entry, { isLeaving: true }, () =>
      replaceTree(this.ground.host, this.folder(entry), {
        ...by,
        nowMs: this.settings.nowMs(),
        inPlace: () => {
          this.#forget(entry);
          entry.runs = NO_RUNS;
        },
      }),
    );
  }

  /** Keeps the tree as it is, under a name. BAD_INPUT for a name that is taken or none. */
  snapshot(id: string, name: string): Promise<void> {
    const entry = this.entry(id);
    const { host } = this.ground;
    return this.verb(entry, async () => {
      const folder = this.folder(entry);
      mustBeFree(host, folder, name);
      const how = { name, nowMs: this.settings.nowMs() };
      const hot = entry.hot || entry.runs.length > 0 ? await this.load(entry) : undefined;
      if (!hot) {
        const from = dataFolder(folder, readHeader(host, checkpointPath(folder)));
        await takeSnapshot(host, folder, { ...how, link: (into) => linkAll(host, from, into) });
        return;
      }
      await hot.tree.flush();
      await this.still(entry, { isLeaving: false }, async () => {
        await checkpointTree(this.ground, folder, hot);
        await takeSnapshot(host, folder, { ...how, link: (into) => hot.keep.data.linkInto(into) });
      });
    });
  }

  snapshots(id: string): TreeSnapshot[] {
    return listSnapshots(this.ground.host, this.folder(this.entry(id)));
  }

  /** SNAPSHOT_UNKNOWN. */
  removeSnapshot(id: string, name: string): Promise<void> {
    const entry = this.entry(id);
    return this.verb(entry, () => dropSnapshot(this.ground.host, this.folder(entry), name));
  }

  facts(id: string): TreeFacts {
    return factsOf(this.ground, this.entry(id));
  }

  /** Bytes that the tree may have of its own from now on; undefined: as many as the disk has. */
  setQuota(id: string, bytes: number | undefined): Promise<void> {
    const entry = this.entry(id);
    return this.verb(entry, async () => {
      const hot = await this.load(entry);
      const before = hot.header;
      const { quota: _, ...rest } = before;
      hot.header = { ...rest, ...(bytes === undefined ? {} : { quota: bytes }) };
      try {
        await checkpointTree(this.ground, this.folder(entry), hot);
      } catch (error) {
        hot.header = before;
        throw error;
      }
    });
  }
}
