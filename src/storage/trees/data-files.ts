import { join } from "node:path";
import { BrambleError } from "../../base/errors.ts";
import type { Ino } from "../../wire/nfs/tree.ts";
import { copyAside, syncSome } from "./data-copy.ts";
import { Cut } from "./data-cut.ts";
import { type DataSide, type DataState, isBusy, isVolatile, newState, type Unsettled } from "./data-side.ts";
import type { TreeData } from "./keep.ts";
import { NewNames } from "./new-names.ts";
import type { OpenFile } from "./open-files.ts";
import { Ranges } from "./ranges.ts";

/** Larger ones are read beside this thread, even if they are warm. */
const MOST_AT_ONCE = 1 << 20;

/** The data files of one tree that is in memory. */
export class DataFiles implements TreeData {
  readonly #side: DataSide;
  /** Inodes that have a file. */
  readonly #known: Set<Ino>;
  readonly #states = new Map<Ino, DataState>();
  readonly #removals: { ino: Ino; sequence: number }[] = [];
  readonly #cuts = new Set<DataState>();
  /** Grows with each snapshot: before the next write to a file it is looked at whether a snapshot shares it. */
  #sharedAt = 1;
  readonly #newNames: NewNames;
  /** Entries up to this one are in a checkpoint. */
  #checkpointed: number;

  constructor(side: DataSide) {
    this.#side = side;
    this.#newNames = new NewNames(side.host, [side.folder, side.treeFolder]);
    this.#checkpointed = side.entries();
    const names = side.host.list(side.folder);
    this.#known = new Set(names.filter((name) => /^\d+$/.test(name)).map(Number));
    for (const name of names) if (!/^\d+$/.test(name)) side.host.remove(join(side.folder, name)); // copies that were not finished
  }

  /** What the next checkpoint must wait for. */
  get isDirty(): boolean {
    return this.#newNames.isDirty || [...this.#states.values()].some(isVolatile);
  }
  /** An fdatasync failed, and the journal has what may be lost by that: the tree has to be loaded anew. */
  get isSuspect(): boolean {
    return [...this.#states.values()].some(({ isSuspect }) => isSuspect);
  }
  /** Is there something that was written and is neither synced nor logged? */
  get isLoose(): boolean {
    return [...this.#states.values()].some(({ loose, isGone }) => !loose.isEmpty && !isGone);
  }
  path(ino: Ino): string {
    return join(this.#side.folder, String(ino));
  }

  #state(ino: Ino): DataState {
    let state = this.#states.get(ino);
    if (!state) {
      state = newState(ino, this.#known.has(ino) ? 0 : this.#sharedAt);
      this.#states.set(ino, state);
    }
    return state;
  }

  #open(ino: Ino): OpenFile | undefined {
    if (!this.#known.has(ino)) return undefined;
    const open = this.#side.files.get(this.path(ino));
    if (!open)
      throw new BrambleError("TREE_DAMAGED", `${this.path(ino)} is not there any more`, {
        hint: "put it back from a copy; without one, reset the node or roll it back to a snapshot",
      });
    return open;
  }

  read(ino: Ino, into: Uint8Array, offset: number): void | Promise<void> {
    const open = this.#open(ino);
    if (!open) {
      into.fill(0);
      return;
    }
    const blank = () => this.#states.get(ino)?.cut?.blank(into, offset);
    open.warm.tick(performance.now());
    if (into.length <= MOST_AT_ONCE && open.warm.has(offset, into.length)) {
      open.file.read(into, offset);
      blank();
      return;
    }
    return this.#side.files
      .during(open, (file) => file.fetch(into, offset))
      .then(() => {
        open.warm.add(offset, into.length);
        blank();
      });
  }

  /** Where a snapshot shares the file: when it resolves it is a file of our own. */
  own(ino: Ino): Promise<void> | undefined {
    const state = this.#state(ino);
    if (state.ownedAt === this.#sharedAt) return undefined;
    if (state.copying) return state.copying;
    const open = this.#open(ino);
    const links = open?.file.links() ?? 1;
    if (!open || links === 1) {
      state.ownedAt = this.#sharedAt;
      return undefined;
    }
    state.copying = this.#copy(state, open).finally(() => {
      state.copying = undefined;
    });
    return state.copying;
  }

  async #copy(state: DataState, open: OpenFile): Promise<void> {
    const { host, files } = this.#side;
    const path = this.path(state.ino);
    const since = this.#sharedAt;
    await files.during(open, (file) => copyAside(host, file, { from: path, to: `${path}.copy` }));
    if (state.isGone) return host.remove(`${path}.copy`);
    files.forget(path);
    host.rename(`${path}.copy`, path);
    this.#newNames.made();
    state.ownedAt = since;
  }

  write(ino: Ino, from: Uint8Array, offset: number): void {
    const state = this.#state(ino);
    const open = this.#forWriting(state);
    const end = offset + from.length;
    state.isDirty = true;
    state.loose.add(offset, end);
    state.cut?.wrote(offset, end);
    open.file.write(from, offset);
    open.warm.add(offset, from.length);
  }

  #forWriting(state: DataState): OpenFile {
    const { ino } = state;
    const open = this.#open(ino);
    if (!open) {
      const { host, files, folder } = this.#side;
      if (this.#known.size === 0) host.makeFolder(folder);
      const made = files.make(this.path(ino));
      this.#known.add(ino);
      this.#newNames.made();
      state.ownedAt = this.#sharedAt;
      return made;
    }
    if (state.ownedAt !== this.#sharedAt && this.own(ino))
      throw new BrambleError("INTERNAL", `inode ${ino} is written to without ready()`);
    return open;
  }

  truncate(ino: Ino, size: number): void {
    if (!this.#known.has(ino)) return;
    const state = this.#state(ino);
    const open = this.#forWriting(state);
    if (open.file.size() <= size) return;
    const sequence = this.#side.sequence();
    if (state.cut) state.cut.again(size, sequence);
    else state.cut = new Cut(size, sequence);
    this.#cuts.add(state);
    this.#side.waits();
    state.loose.remove(size, Number.MAX_SAFE_INTEGER);
    this.#side.logCut(ino, size);
    state.loggedAt = this.#side.entries();
  }

  /** A change "data" was logged. */
  logged(ino: Ino, offset: number, length: number): void {
    const state = this.#state(ino);
    state.loose.remove(offset, offset + length);
    state.loggedAt = this.#side.entries();
  }

  unsynced(ino: Ino): boolean {
    return this.#states.get(ino)?.loose.isEmpty === false;
  }

  async sync(ino: Ino): Promise<void> {
    const state = this.#states.get(ino);
    if (!state || state.isGone || (!isVolatile(state) && !this.#isLogged(state))) return;
    const synced = { ino, upTo: this.#side.entries(), cut: state.cut?.copy() };
    const loose = state.loose;
    state.loose = new Ranges();
    try {
      if (this.#side.durability() === "durable") await this.#syncFile(state);
    } catch (error) {
      state.loose.addAll(loose);
      throw error;
    }
    if (!this.#isLogged(state) || state.isGone) return;
    this.#side.logSynced(synced);
    state.syncedUpTo = synced.upTo;
    if (synced.cut) state.loggedAt = this.#side.entries(); // that would be done again, too
  }

  lasting(ino: Ino): void | Promise<void> {
    const state = this.#states.get(ino);
    if (this.#side.durability() === "durable" && state && !state.isGone && isVolatile(state))
      return this.#syncFile(state);
  }

  #isLogged({ loggedAt, syncedUpTo }: DataState): boolean {
    return loggedAt > Math.max(syncedUpTo, this.#checkpointed);
  }

  /** Entries up to this one are in a checkpoint that is on the disk. */
  checkpointed(upTo: number): void {
    this.#checkpointed = upTo;
    for (const [ino, state] of this.#states)
      if (!isBusy(state) && !this.#isLogged(state)) this.#states.delete(ino);
  }

  async #syncFile(state: DataState): Promise<void> {
    if (state.isSuspect)
      throw new BrambleError("DISK_IO", `${this.path(state.ino)} could not be made durable before`, {
        hint: "look after the disk; nothing that was promised is lost, the journal has it",
      });
    const names = this.#newNames.sync();
    const open = state.isDirty ? this.#open(state.ino) : undefined;
    state.isDirty = false;
    const contents = open && this.#side.files.during(open, (file) => file.sync("contents"));
    const syncing = Promise.all([state.syncing, contents, names]);
    state.syncing = syncing;
    try {
      await syncing;
    } catch (error) {
      state.isDirty = true;
      state.isSuspect = this.#isLogged(state);
      throw error;
    } finally {
      if (state.syncing === syncing) state.syncing = undefined;
    }
  }

  /** All that was written so far is on the disk when it ends. */
  async syncAll(): Promise<void> {
    await syncSome(this.#volatile, (state) => this.#syncFile(state));
    await this.#newNames.sync();
  }

  remove(ino: Ino): void {
    if (!this.#known.has(ino)) return;
    this.#state(ino).isGone = true;
    this.#removals.push({ ino, sequence: this.#side.sequence() });
    this.#side.waits();
  }

  /** What had to wait for the journal to be on the disk is done. True: there is more to do for batches up to this one. */
  durable(sequence: number): boolean {
    for (let due = this.#removals[0]; due && due.sequence <= sequence; due = this.#removals[0]) {
      this.#unlink(due.ino);
      this.#removals.shift();
    }
    let isMore = false;
    for (const state of this.#cuts) {
      if (state.cut && state.cut.sequence > sequence) continue;
      if (state.isGone || this.#performCut(state)) this.#cuts.delete(state);
      else isMore = true;
    }
    return isMore;
  }

  /** Does what is due up to the batch that durable() tells; true: there is a truncation of before `sequence` that waits for a later batch. */
  async cutUpTo(sequence: number, durable: () => number): Promise<boolean> {
    while (this.durable(durable())) await new Promise((next) => setImmediate(next));
    return [...this.#cuts].some(({ cut }) => cut !== undefined && cut.first <= sequence);
  }

  #unlink(ino: Ino): void {
    this.#side.files.forget(this.path(ino));
    this.#side.host.remove(this.path(ino));
    this.#known.delete(ino);
    this.#states.delete(ino);
  }

  #performCut(state: DataState): boolean {
    const open = this.#open(state.ino);
    if (open && state.cut && !state.cut.perform(open.file)) return false;
    state.isDirty = true;
    state.cut = undefined;
    return true;
  }

  /** Is there something that waits for the journal? */
  get isWaiting(): boolean {
    return this.#removals.length > 0 || this.#cuts.size > 0;
  }

  /** A second name for each file, a few at a time; nobody may write meanwhile. */
  async linkInto(folder: string): Promise<void> {
    const { host } = this.#side;
    let count = 0;
    this.#sharedAt += 1;
    for (const ino of this.#known) {
      host.link(this.path(ino), join(folder, String(ino)));
      if (++count % 256 === 0) await new Promise((next) => setImmediate(next));
    }
  }

  // Replay: what the journal says is done again, at once.

  async redoWrite(ino: Ino, bytes: Uint8Array, offset: number): Promise<void> {
    await this.own(ino);
    this.write(ino, bytes, offset);
    this.logged(ino, offset, bytes.length);
  }

  /** `loggedAt`: the entry that says it; the next replay does it again, until a later one says that the file is synced. */
  async redoCut(ino: Ino, cut: Cut, loggedAt = this.#side.entries()): Promise<void> {
    const state = this.#state(ino);
    state.loggedAt = Math.max(state.loggedAt, loggedAt);
    if (!this.#known.has(ino)) return;
    await this.own(ino);
    const open = this.#forWriting(state);
    while (!cut.perform(open.file)) await new Promise((next) => setImmediate(next));
    state.isDirty = true;
  }

  /** After a replay: what was written and never promised goes, and what may not be on the disk is dirty. `sizes`: undefined: there is no such file any more. */
  async settleAll(sizes: (ino: Ino) => number | undefined): Promise<void> {
    this.#newNames.made();
    for (const ino of [...this.#known]) {
      const size = sizes(ino);
      if (size === undefined) {
        this.#unlink(ino);
        continue;
      }
      const open = this.#open(ino) as OpenFile;
      if (open.file.size() > size) await this.redoCut(ino, new Cut(size, 0));
      this.#state(ino).isDirty = true;
    }
  }

  /** What may not be on the disk of files that are otherwise as the journal says: for the one that opens them next. */
  get unsettled(): Unsettled {
    return { hasNewNames: this.#newNames.isDirty, inos: this.#volatile.map(({ ino }) => ino) };
  }
  get #volatile(): DataState[] {
    return [...this.#states.values()].filter((state) => isVolatile(state) && !state.isGone);
  }
  /** After a replay, in the place of settleAll(): nothing is there that was never promised. */
  restore({ hasNewNames, inos }: Unsettled): void {
    if (hasNewNames) this.#newNames.made();
    for (const ino of inos) if (this.#known.has(ino)) this.#state(ino).isDirty = true;
  }

  /** Nobody uses it any more. */
  close(): void {
    this.#side.files.forgetAll(this.#side.folder);
  }
}
