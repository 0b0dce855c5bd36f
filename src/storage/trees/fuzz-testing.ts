// For tests: any run of operations, done to a tree and to a model of it, and compared at each step and as a whole.
import assert from "node:assert/strict";
import fc from "fast-check";
import {
  type Attributes,
  type CreateHow,
  type Credentials,
  FILE_KIND as K,
  type SetAttributes,
  STABLE,
  type Time,
} from "../../wire/nfs/tree.ts";
import { decodeChange, encodeChange } from "./changes.ts";
import { type MemoryKeep, type MemoryTree, memoryTree } from "./keep-testing.ts";
import type { Lower } from "./lower.ts";
import { Model, ModelNode } from "./model-testing.ts";
import { Upper } from "./upper.ts";

const WHO: Credentials[] = [
  { uid: 0, gid: 0, gids: [] },
  { uid: 1000, gid: 1000, gids: [50] },
  { uid: 1001, gid: 1001, gids: [1000, 50] },
];
const NAMES = [
  "a",
  "b",
  "c",
  "d",
  "image",
  "deep",
  "sparse",
  "\xff",
  "x".repeat(255),
  "..",
  ".",
  "",
  "a/b",
  "y".repeat(256),
];
const KINDS = [K.block, K.character, K.socket, K.fifo, K.directory];

const who = fc.oneof({ weight: 4, arbitrary: fc.constant(0) }, { weight: 3, arbitrary: fc.nat(2) });
/** Which node of all that ever were: the ones that live are likelier. */
const node = fc.nat(10_000);
const name = fc.oneof(
  { weight: 12, arbitrary: fc.nat(7) },
  { weight: 1, arbitrary: fc.nat(NAMES.length - 1) },
);
const id = fc.constantFrom(0, 50, 1000, 1001);
const mode = fc.oneof(fc.constantFrom(0o777, 0o755, 0o644, 0o4755, 0o2771, 0o1777, 0), fc.nat(0o7777));
const time = fc.constantFrom<(Time | "server")[]>("server", { s: -5, ns: 7 });
const size = fc.oneof(fc.nat(20_000), fc.constantFrom(0, 4095, 4096, 4097, 8192, 12288, 300_000));
const set: fc.Arbitrary<SetAttributes> = fc.record(
  { mode, uid: id, gid: id, size, atime: time, mtime: time },
  { requiredKeys: [] },
);
const setNew = fc.record({ mode, uid: id, gid: id, size }, { requiredKeys: [] });
const stable = fc.constantFrom(STABLE.unstable, STABLE.unstable, STABLE.fileSync, STABLE.dataSync);

const one = <T extends string, R extends object>(op: T, parts: { [P in keyof R]: fc.Arbitrary<R[P]> }) =>
  fc.record({ op: fc.constant(op), who, node, name, ...parts }) as fc.Arbitrary<
    { op: T; who: number; node: number; name: number } & R
  >;

const step = fc.oneof(
  { weight: 3, arbitrary: one("create", { how: fc.constantFrom("unchecked", "guarded", "exclusive"), set: setNew, verifier: fc.nat(3) }) },
  { weight: 3, arbitrary: one("mkdir", { set: setNew }) },
  { weight: 1, arbitrary: one("symlink", { target: fc.constantFrom("a", "", "t".repeat(3000)) }) },
  { weight: 1, arbitrary: one("mknod", { kind: fc.nat(KINDS.length - 1), set: setNew }) },
  { weight: 3, arbitrary: one("remove", {}) },
  { weight: 2, arbitrary: one("rmdir", {}) },
  { weight: 5, arbitrary: one("rename", { to: node, toName: name }) },
  { weight: 2, arbitrary: one("link", { to: node }) },
  { weight: 4, arbitrary: one("setattr", { set }) },
  { weight: 10, arbitrary: one("write", { at: size, length: fc.oneof(fc.nat(9000), fc.constantFrom(4096, 8192, 140_000)), fill: fc.integer({ min: 1, max: 255 }), stable }) },
  { weight: 4, arbitrary: one("read", { at: size, length: fc.nat(30_000) }) },
  { weight: 2, arbitrary: one("commit", {}) },
  { weight: 2, arbitrary: one("lookup", {}) },
  { weight: 1, arbitrary: one("access", {}) },
  { weight: 2, arbitrary: one("readdir", { few: fc.integer({ min: 1, max: 5 }) }) },
  { weight: 1, arbitrary: one("restart", {}) },
); // biome-ignore format: a table
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;

export const steps = (maxLength: number): fc.Arbitrary<Step[]> => fc.array(step, { maxLength, size: "max" });

/** One run. */
export class Fuzz {
  #tree: MemoryTree;
  readonly #lower: Lower;
  readonly #model: Model;

  private constructor(tree: MemoryTree, lower: Lower, model: Model) {
    this.#tree = tree;
    this.#lower = lower;
    this.#model = model;
  }

  static async begin(lower: Lower, keep: MemoryKeep): Promise<Fuzz> {
    const tree = memoryTree(lower, keep);
    return new Fuzz(tree, lower, await modelOf(tree));
  }

  /** Directories where the step wants one, in seven of eight cases. */
  #pick(index: number, wantsDirectory: boolean): ModelNode {
    const { nodes } = this.#model;
    const living = index % 16 === 0 ? nodes : nodes.filter((n) => !n.dead);
    const fitting = index % 8 === 0 ? living : living.filter((n) => n.isDir === wantsDirectory);
    const all = fitting.length > 0 ? fitting : living;
    return all[Math.floor(index / 16) % all.length] as ModelNode;
  }

  async run(todo: readonly Step[]): Promise<void> {
    for (const step of todo) {
      await this.#do(step);
      await this.#tree.tree.settled();
    }
    await this.compare();
    await this.#restart();
    await this.compare();
  }

  async #do(step: Step): Promise<void> {
    const { tree } = this.#tree;
    const model = this.#model;
    const who = WHO[step.who] as Credentials;
    const name = NAMES[step.name] as string;
    const inDirectory = ["create", "mkdir", "symlink", "mknod", "remove", "rmdir", "rename", "lookup", "readdir"];
    const node = this.#pick(step.node, inDirectory.includes(step.op));
    switch (step.op) {
      case "create": {
        const verifier = new Uint8Array(8).fill(65 + step.verifier);
        const how: CreateHow = step.how === "exclusive" ? { how: "exclusive", verifier } : { how: step.how as "guarded", set: step.set };
        const wanted = model.make(who, node, name, { kind: K.file, set: step.set, how: step.how, verifier: step.how === "exclusive" ? String.fromCharCode(...verifier) : "" });
        return this.#made(await tree.create(who, node.ino, name, how), wanted);
      }
      case "mkdir":
        return this.#made(await tree.mkdir(who, node.ino, name, step.set), model.make(who, node, name, { kind: K.directory, set: step.set }));
      case "symlink":
        return this.#made(await tree.symlink(who, node.ino, name, step.target, {}), model.make(who, node, name, { kind: K.symlink, set: {}, target: step.target }));
      case "mknod": {
        const kind = KINDS[step.kind] as (typeof KINDS)[number];
        const { size: _, ...set } = step.set;
        const answer = await tree.mknod(who, node.ino, name, { kind, major: 1, minor: 3, set });
        if (kind === K.directory) return assert.equal(answer, 10007);
        return this.#made(answer, model.make(who, node, name, { kind, set }));
      }
      case "remove":
        return this.#changed(await tree.remove(who, node.ino, name), model.remove(who, node, name));
      case "rmdir":
        return this.#changed(await tree.rmdir(who, node.ino, name), model.rmdir(who, node, name));
      case "rename": {
        const to = this.#pick(step.to, true);
        const toName = NAMES[step.toName] as string;
        const answer = await tree.rename(who, { directory: node.ino, name }, { directory: to.ino, name: toName });
        return this.#changed(answer, model.rename(who, node, name, to, toName));
      }
      case "link": {
        const to = this.#pick(step.to, true);
        return this.#changed(await tree.link(who, node.ino, to.ino, name), model.link(who, node, to, name));
      }
      case "setattr":
        return this.#changed(await tree.setattr(who, node.ino, step.set), model.setattr(who, node, step.set));
      case "write": {
        const data = new Uint8Array(step.length).fill(step.fill);
        const wanted = model.write(who, node, step.at, data);
        const answer = await tree.write(who, node.ino, step.at, data, step.stable);
        data.fill(0);
        this.#changed(answer, wanted);
        if (typeof answer === "object") assert.ok(answer.committed >= step.stable && answer.count === step.length);
        return;
      }
      case "read": {
        const into = new Uint8Array(step.length).fill(238);
        const wanted = model.read(who, node, step.at, step.length);
        const answer = await tree.read(who, node.ino, step.at, into);
        if (typeof answer === "number" || typeof wanted === "number") return assert.equal(answer, wanted);
        assert.deepEqual(into.subarray(0, answer.count), wanted);
        return assert.equal(answer.eof, step.at + answer.count >= node.bytes.length);
      }
      case "commit": {
        const answer = await tree.commit(node.ino, 0, 0);
        return assert.equal(typeof answer === "number", node.dead || node.kind !== K.file);
      }
      case "lookup": {
        const wanted = model.lookup(who, node, name);
        const answer = await tree.lookup(who, node.ino, name);
        if (typeof answer === "number" || typeof wanted === "number") return assert.equal(answer, wanted);
        return assert.equal(answer.found.ino, wanted.ino);
      }
      case "access": {
        const answer = await tree.access(who, node.ino, 63);
        if (typeof answer === "number") return assert.ok(node.dead);
        const bits = model.bits(who, node);
        const wanted = (bits & 4 ? 1 : 0) | (bits & 2 ? (node.isDir ? 28 : 12) : 0) | (bits & 1 ? (node.isDir ? 2 : 32) : 0);
        return assert.equal(answer.granted, wanted);
      }
      case "readdir":
        return this.#listed(who, node, step.few);
      case "restart":
        return this.#restart();
    }
  } // biome-ignore format: long lines are easier to compare here

  #made(answer: unknown, wanted: number | ModelNode): void {
    if (typeof answer === "number" || typeof wanted === "number") {
      assert.equal(answer, wanted);
      return;
    }
    const { made } = answer as { made: Attributes };
    if (wanted.ino === 0) {
      assert.ok(!this.#model.nodes.some(({ ino }) => ino === made.ino), `inode ${made.ino} was used before`);
      wanted.ino = made.ino;
    }
    same(made, wanted);
  }

  #changed(answer: unknown, wanted: number): void {
    assert.equal(typeof answer === "number" ? answer : 0, wanted);
  }

  async #listed(who: Credentials, node: ModelNode, few: number): Promise<void> {
    const wanted = this.#model.readdir(who, node);
    const found: string[] = [];
    for (let cookie = 0, end = false; !end; ) {
      let room = few;
      const answer = await this.#tree.tree.readdir(who, node.ino, cookie, (entry) => {
        if (room-- === 0) return false;
        assert.ok(entry.cookie > cookie);
        ({ cookie } = entry);
        found.push(entry.name);
        return true;
      });
      if (typeof answer === "number") return assert.equal(answer, wanted);
      end = answer.eof;
    }
    return assert.deepEqual(found.sort(), wanted);
  }

  /** What was logged makes the same tree again. */
  async #restart(): Promise<void> {
    await this.#tree.tree.flush();
    const { keep, upper } = this.#tree;
    assert.equal(upper.pending.size, 0);
    const again = memoryTree(this.#lower, keep);
    assert.deepEqual(contents(again.upper), contents(upper));
    const dumped = new Upper();
    for (const change of upper.dump()) dumped.apply(decodeChange(encodeChange(change)));
    assert.deepEqual(contents(dumped), contents(upper));
    assert.equal(dumped.nextIno, upper.nextIno);
    this.#tree = again;
  }

  async compare(): Promise<void> {
    for (const node of this.#model.nodes) {
      const found = await this.#tree.tree.getattr(node.ino);
      if (node.dead) {
        assert.equal(found, 70);
        continue;
      }
      assert.ok(typeof found === "object");
      same(found, node);
      if (node.isDir) await this.#listed(WHO[0] as Credentials, node, 1000);
      for (const [name, child] of node.names) {
        const answer = await this.#tree.tree.lookup(WHO[0] as Credentials, node.ino, name);
        assert.equal(typeof answer === "object" && answer.found.ino, child.ino);
      }
      if (node.isDir) {
        const up = await this.#tree.tree.lookup(WHO[0] as Credentials, node.ino, "..");
        assert.equal(typeof up === "object" && up.found.ino, (node.parent ?? node).ino);
      }
      if (node.kind === K.file) {
        const bytes = new Uint8Array(node.bytes.length);
        await this.#tree.tree.read(WHO[0] as Credentials, node.ino, 0, bytes);
        assert.ok(Buffer.from(bytes).equals(node.bytes), `the bytes of inode ${node.ino}`);
      }
    }
  }
}

function same(found: Attributes, node: ModelNode): void {
  const size =
    node.kind === K.file ? node.bytes.length : node.kind === K.symlink ? node.target.length : found.size;
  assert.deepEqual(
    { ino: found.ino, kind: found.kind, mode: found.mode.toString(8), nlink: found.nlink, uid: found.uid, gid: found.gid, size: found.size },
    { ino: node.ino, kind: node.kind, mode: node.mode.toString(8), nlink: node.nlink, uid: node.uid, gid: node.gid, size },
  ); // biome-ignore format: two rows
}

/** All that matters of the changes in memory. */
function contents(upper: Upper): object {
  const byKey = <V>(map: Iterable<[number, V]>) => [...map].sort(([a], [b]) => a - b);
  return {
    inodes: byKey(upper.inodes),
    entries: byKey(upper.entries).flatMap(([directory, { names }]) =>
      [...names.values()].map(({ name, ino, cookie }) => [directory, name, ino, cookie]).sort(),
    ),
    maps: byKey(upper.maps)
      .map(([ino, blocks]) => [ino, [...blocks.runs()]] as const)
      .filter(([, runs]) => runs.length > 0),
    ownBytes: upper.ownBytes,
  };
}

/** The model of a tree as it is at first. */
async function modelOf({ tree }: MemoryTree): Promise<Model> {
  const found = new Map<number, ModelNode>();
  const nodeOf = async (attributes: Attributes & { target?: string }) => {
    const known = found.get(attributes.ino);
    if (known) return known;
    const node = new ModelNode(attributes.kind, attributes.mode, attributes.uid, attributes.gid);
    ({ ino: node.ino, nlink: node.nlink } = attributes);
    node.target = attributes.target ?? "";
    const file = await tree.inside.open(node.ino);
    if (file) {
      node.bytes = new Uint8Array(file.size);
      await file.read(node.bytes, 0);
    }
    found.set(node.ino, node);
    return node;
  };
  const root = await tree.inside.look("");
  assert.ok(root);
  const model = new Model(await nodeOf(root));
  const fill = async (directory: ModelNode) => {
    for (const { name, inode } of await tree.inside.list(directory.ino)) {
      const fresh = !found.has(inode.ino);
      const node = await nodeOf(inode);
      directory.names.set(name, node);
      if (fresh) model.nodes.push(node);
      if (!node.isDir) continue;
      node.parent = directory;
      await fill(node);
    }
  };
  await fill(model.root);
  return model;
}
