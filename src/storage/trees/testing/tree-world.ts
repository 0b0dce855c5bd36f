import assert from "node:assert/strict";
import { BrambleError } from "../../../base/errors.ts";
import { type Credentials, type Soon, STABLE } from "../../../wire/nfs/tree.ts";
import type { Die } from "../../testing/die.ts";
import { setDurability } from "../durability.ts";
import type { Durability } from "../journal.ts";
import { emptyLower, steadyClock } from "../keep-testing.ts";
import { NodeTree } from "../node-tree.ts";
import { type OpenHouse, openHouse } from "../open-house.ts";
import type { MemoryHost } from "./memory-host.ts";
import { type After, FileModel, type Found, NAMES, SECTOR, type TreeModel } from "./tree-model.ts";

const ROOT: Credentials = { uid: 0, gid: 0, gids: [] };
export const TREES = "/data/trees";

/** What a run of a server did to some trees, and what must be there afterwards. */
export class World {
  readonly models = new Map<string, TreeModel>();
  /** By tree and name. */
  readonly snapshots = new Map<string, Map<string, TreeModel>>();
  /** Of trees that are being rolled back: as they were before. */
  readonly #before = new Map<string, TreeModel>();
  /** Refusals: a full or broken disk. */
  refused = 0;
  #value = 1;
  /** The story so far: a seed that fails is read here. */
  readonly told: string[] = [];
  /** Of trees that have none of their own. */
  readonly durability: Durability;
  readonly #own = new Map<string, Durability>();
  /** Of trees whose mode was changed while no server ran: that of the life before. */
  readonly #had = new Map<string, Durability>();
  readonly clock = steadyClock();
  /** Trees are all fast, whatever was promised: for tests of the tests. */
  cheats = false;

  constructor(durability: Durability) {
    this.durability = durability;
  }

  durabilityOf(id: string): Durability {
    return this.#own.get(id) ?? this.durability;
  }

  /** Is it answered so at the moment? That is what its answers promise. */
  isFast({ house }: Pick<OpenHouse<NodeTree>, "house">, id: string): boolean {
    return (this.cheats ? this.durabilityOf(id) : house.entries.get(id)?.durability) === "fast";
  }

  /** Tells the house, too; before a promise of more, after one of less. */
  async setDurability(
    { house }: Pick<OpenHouse<NodeTree>, "house">,
    id: string,
    to: Durability,
  ): Promise<void> {
    this.told.push(`${id} becomes ${to}`);
    if (to === "fast") this.#own.set(id, to);
    await setDurability(house, id, this.cheats ? "fast" : to);
    this.#own.set(id, to);
    this.told.push(`${id} is ${to}`);
  }

  /** No server runs: the next one finds the tree in another mode than the last one had it. */
  setUnseen(id: string, to: Durability): void {
    this.told.push(`${id} will be ${to}`);
    if (!this.#had.has(id)) this.#had.set(id, this.durabilityOf(id));
    this.#own.set(id, to);
  }

  /** With each tree in its mode, as its profile has it. */
  async open(host: MemoryHost): Promise<OpenHouse<NodeTree>> {
    const open = await this.#open(host);
    for (const [id, mode] of this.#own) await setDurability(open.house, id, this.cheats ? "fast" : mode);
    return open;
  }

  #open(host: MemoryHost): Promise<OpenHouse<NodeTree>> {
    const trouble = () => {
      this.refused += 1;
    };
    return openHouse<NodeTree>(
      {
        host,
        folder: TREES,
        durability: this.durability,
        build: ({ upper, keep }) =>
          new NodeTree({ upper, keep, lower: emptyLower(), now: this.clock, trouble }),
        nowMs: () => 1_700_000_000_000,
        trouble,
        segmentBytes: 20_000,
        mostOpen: 3,
      },
      { timer: () => () => undefined, limits: { journalBytes: 60_000 } },
    );
  }

  /** Everything that is there, compared; what was not promised may have become one or the other. */
  async check(open: OpenHouse<NodeTree>, what: string, how: "alive" | "kill" | "power"): Promise<void> {
    this.told.push(what);
    for (const [id, model] of this.models) {
      const had = this.#had.get(id) ?? this.durabilityOf(id);
      const after = how === "power" && had === "fast" ? "power in mode fast" : how;
      const found = await contents(await open.house.tree(id));
      this.#adopt(id, model, found, { what: `${what}: ${id}`, after });
      const known = this.snapshots.get(id) ?? new Map();
      const names = open.house.snapshots(id).map(({ name }) => name);
      for (const name of known.keys())
        assert.ok(names.includes(name), `${what}: ${id} has lost its snapshot ${name}`);
      this.#had.delete(id);
    }
  }

  #adopt(id: string, model: TreeModel, found: Found, { what, after }: { what: string; after: After }): void {
    const before = this.#before.get(id);
    this.#before.delete(id);
    try {
      model.adopt(found, what, after);
    } catch (error) {
      if (!before) throw error;
      before.adopt(found, `${what}, before the rollback`, after);
      this.models.set(id, before);
    }
  }

  /** A verb on a tree or something that is done to all. Rejects as that does. */
  async verb(open: OpenHouse<NodeTree>, id: string, die: Die): Promise<void> {
    const { house } = open;
    const model = this.models.get(id) as TreeModel;
    const known = this.snapshots.get(id) as Map<string, TreeModel>;
    const name = `s${die.below(3)}`;
    const entry = house.entries.get(id);
    const kind = die.below(7);
    this.told.push(`${id} verb ${kind} ${name}`);
    switch (kind) {
      case 0:
        return entry && house.checkpoint(entry);
      case 1:
        return void (entry && (await house.putAway(entry)));
      case 2:
        return open.keeping.round();
      case 3: {
        if (house.snapshots(id).some((one) => one.name === name)) return;
        const copy = model.copy();
        await house.snapshot(id, name);
        known.set(name, copy);
        return;
      }
      case 4:
        if (!house.snapshots(id).some((one) => one.name === name)) return;
        known.delete(name);
        return house.removeSnapshot(id, name);
      case 5: {
        const kept = known.get(name);
        if (!kept) return;
        this.models.set(id, kept.copy());
        this.#before.set(id, model);
        await house.rollback(id, name); // if that fails check() says which it is
        this.#before.delete(id);
        return;
      }
      default:
        return;
    }
  }

  /** One op of a client; `promise` is what its answer waits for. */
  async op(
    tree: NodeTree,
    id: string,
    die: Die,
  ): Promise<{ kept: () => void; settled: void | Promise<void> }> {
    const model = this.models.get(id) as TreeModel;
    const name = die.pick(NAMES);
    const names = model.now();
    const ino = names.get(name);
    const file = ino === undefined ? undefined : (model.files.get(ino) as FileModel);
    const number = this.told.length;
    this.told.push(`${id} ${name}=${ino}`);
    const kept = await this.#do(tree, { model, name, file, die });
    const settled = tree.settled();
    return {
      settled,
      kept: () => {
        this.told.push(`kept ${number}`);
        kept();
      },
    };
  }

  async #do(
    tree: NodeTree,
    { model, name, file, die }: { model: TreeModel; name: string; file: FileModel | undefined; die: Die },
  ): Promise<() => void> {
    const nothing = () => undefined;
    if (!file) {
      const made = await this.#may(
        tree.create(ROOT, tree.root, name, { how: "unchecked", set: { mode: 0o644 } }),
      );
      if (!made) return nothing;
      const { ino } = made.made;
      model.files.set(ino, new FileModel(ino));
      model.set((names) => names.set(name, ino));
      return model.names.mark();
    }
    switch (die.below(12)) {
      case 0: {
        if (!(await this.#may(tree.remove(ROOT, tree.root, name)))) return nothing;
        model.set((names) => names.delete(name));
        return model.names.mark();
      }
      case 1: {
        const to = die.pick(NAMES);
        if (to === name) return nothing;
        const answer = tree.rename(ROOT, { directory: tree.root, name }, { directory: tree.root, name: to });
        if (!(await this.#may(answer))) return nothing;
        model.set((names) => {
          names.delete(name);
          names.set(to, file.ino);
        });
        return model.names.mark();
      }
      case 2:
      case 3: {
        const size = die.below(40) * SECTOR * (die.oneIn(3) ? 0 : 1);
        if (!(await this.#may(tree.setattr(ROOT, file.ino, { size })))) return nothing;
        file.truncate(size);
        this.told.push(`  truncate ${size / SECTOR}`);
        const gone = [...file.sectors.keys()].filter((index) => index * SECTOR >= size);
        return file.mark(gone);
      }
      case 4:
      case 5: {
        const mark = file.mark();
        this.told.push("  commit");
        return (await this.#may(tree.commit(file.ino, 0, 0))) ? mark : nothing;
      }
      case 6: {
        // a reply that must outlive a crash together with what it answers
        return nothing;
      }
      default: {
        const first = die.below(40);
        const count = 1 + die.below(die.oneIn(4) ? 20 : 3);
        const value = ++this.#value;
        const bytes = new Uint8Array(count * SECTOR);
        new Uint32Array(bytes.buffer).fill(value);
        const stable = die.oneIn(2) ? STABLE.fileSync : STABLE.unstable;
        this.told.push(`  write ${first}+${count} = ${value} ${stable}`);
        const answer = tree.write(ROOT, file.ino, first * SECTOR, bytes, stable);
        file.mayWrite(first, count, value);
        const done = await this.#may(answer);
        if (!done) {
          await this.#lookAgain(tree, file, first, count);
          return nothing;
        }
        file.write(first, count, value);
        const indices = Array.from({ length: count }, (_, i) => first + i);
        return done.committed === STABLE.unstable ? nothing : file.mark(indices);
      }
    }
  }

  /** A write that was refused may have written a part, or all but for the promise. */
  async #lookAgain(tree: NodeTree, file: FileModel, first: number, count: number): Promise<void> {
    const bytes = new Uint8Array(count * SECTOR);
    await tree.read(ROOT, file.ino, first * SECTOR, bytes);
    const words = new Uint32Array(bytes.buffer);
    const now = await tree.getattr(file.ino);
    if (typeof now !== "number") file.size.set(now.size);
    for (let i = 0; i < count; i++)
      if ((first + i) * SECTOR < file.size.now) file.sector(first + i).set(words[(i * SECTOR) / 4] as number);
  }

  async #may<A extends object>(soon: Soon<A>): Promise<A | undefined> {
    const answer = await soon;
    if (typeof answer !== "number") return answer;
    this.refused += 1;
    return undefined;
  }
}

/** What the root directory holds. */
async function contents(tree: NodeTree): Promise<Found> {
  const found: Found = new Map();
  for (const name of NAMES) {
    const answer = await tree.lookup(ROOT, tree.root, name);
    if (typeof answer === "number") continue;
    const { ino, size } = answer.found;
    const bytes = new Uint8Array(size);
    const read = await tree.read(ROOT, ino, 0, bytes);
    if (typeof read === "number") throw new BrambleError("DISK_IO", `read ${name}: ${read}`);
    found.set(name, { ino, size, bytes });
  }
  return found;
}
