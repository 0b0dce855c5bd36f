// For tests: any run of operations, done to a tree and to a model of it, and compared at each step and as a whole.
import assert from "node:assert/strict";
import { STATUS } from "../../wire/nfs/status.ts";
import {
  type Attributes,
  type CreateHow,
  type Credentials,
  FILE_KIND as K,
  STABLE,
} from "../../wire/nfs/tree.ts";
import { decodeChange, encodeChange } from "./changes.ts";
import { contents, modelOf, same } from "./fuzz-compare-testing.ts";
import { KINDS, NAMES, type Step, WHO } from "./fuzz-steps-testing.ts";
import { type MemoryKeep, type MemoryTree, memoryTree } from "./keep-testing.ts";
import type { Lower } from "./lower.ts";
import type { Model, ModelNode } from "./model-testing.ts";
import { Upper } from "./upper.ts";

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

  // biome-ignore lint/suspicious/noConfusingVoidType: each case ends as its checks do
  async #do(step: Step): Promise<void | boolean> {
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
        const wanted = () =>
 model.make(who, node, name, { kind: K.file, set: step.set, how: step.how, verifier: step.how === "exclusive" ? String.fromCharCode(...verifier) : "" });
        return this.#made(await tree.create(who, node.ino, name, how), wanted);
      }
      case "mkdir":
        return this.#made(await tree.mkdir(who, node.ino, name, step.set), () => model.make(who, node, name, { kind: K.directory, set: step.set }));
      case "symlink":
        return this.#made(await tree.symlink(who, node.ino, name, step.target, {}), () => model.make(who, node, name, { kind: K.symlink, set: {}, target: step.target }));
      case "mknod": {
        const kind = KINDS[step.kind] as (typeof KINDS)[number];
        const { size: _, ...set } = step.set;
        const answer = await tree.mknod(who, node.ino, name, { kind, major: 1, minor: 3, set });
        if (kind === K.directory) return assert.equal(answer, STATUS.BADTYPE);
        return this.#made(answer, () => model.make(who, node, name, { kind, set }));
      }
      case "remove":
        return this.#changed(await tree.remove(who, node.ino, name), () => model.remove(who, node, name));
      case "rmdir":
        return this.#changed(await tree.rmdir(who, node.ino, name), () => model.rmdir(who, node, name));
      case "rename": {
        const to = this.#pick(step.to, true);
        const toName = NAMES[step.toName] as string;
        const answer = await tree.rename(who, { directory: node.ino, name }, { directory: to.ino, name: toName });
        return this.#changed(answer, () => model.rename(who, node, name, to, toName));
      }
      case "link": {
        const to = this.#pick(step.to, true);
        return this.#changed(await tree.link(who, node.ino, to.ino, name), () => model.link(who, node, to, name));
      }
      case "setattr":
        return this.#changed(await tree.setattr(who, node.ino, step.set), () => model.setattr(who, node, step.set));
      case "write": {
        const data = new Uint8Array(step.length).fill(step.fill);
        const { upper, keep } = this.#tree;
        const isWhole = upper.pending.has(node.ino) || keep.data.unsynced(node.ino) || step.length > 131072;
        const copy = data.slice();
        const soon = tree.write(who, node.ino, step.at, data, step.stable);
        data.fill(0); // lent until write() returns, be it with a promise
        const answer = await soon;
        const isRefused = this.#changed(answer, () => model.write(who, node, step.at, copy));
        if (isRefused) return this.#adopt(node, copy, step.at);
        if (typeof answer === "number") return;
        assert.ok(answer.committed >= step.stable && answer.count === step.length);
        if (answer.committed === STABLE.unstable || copy.length === 0) return;
        // By a sync of all of the file, or by the journal.
        if (isWhole) this.#isKept(node, 0, node.bytes.length);
        else this.#isKept(node, step.at, step.at + copy.length);
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
        const isPending = this.#tree.upper.pending.has(node.ino);
        const answer = await tree.commit(node.ino, 0, 0);
        if (this.#isRefused(answer)) return;
        if (isPending) this.#isKept(node, 0, node.bytes.length);
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
      case "kill":
        return this.#kill(step.how === "power", step.seed);
      case "trouble":
        this.#tree.keep.trouble = step.what;
    }
  } // biome-ignore format: one line for each is easier to compare

  /** Did the trouble that was made end this op? Then nothing may have changed. */
  #isRefused(answer: unknown): boolean {
    const { keep } = this.#tree;
    const is = keep.refused > 0;
    keep.refused = 0;
    if (is) assert.equal(answer, STATUS.NOSPC);
    return is;
  }

  #made(answer: unknown, model: () => number | ModelNode): void {
    if (this.#isRefused(answer)) return;
    const wanted = model();
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

  #changed(answer: unknown, model: () => number): boolean {
    if (this.#isRefused(answer)) return true;
    assert.equal(typeof answer === "number" ? answer : 0, model());
    return false;
  }

  /** Its writer was told that this lasts. What an unstable write of before a kill has left is no part of that. */
  #isKept(node: ModelNode, from: number, to: number): void {
    const kept = new Uint8Array(node.bytes.length);
    kept.set(node.kept.subarray(0, kept.length));
    kept.set(node.bytes.subarray(from, to), from);
    node.kept = kept;
  }

  async #bytesOf(node: ModelNode): Promise<Uint8Array<ArrayBuffer>> {
    const found = await this.#tree.tree.getattr(node.ino);
    assert.ok(typeof found === "object");
    const bytes = new Uint8Array(found.size);
    await this.#tree.tree.read(WHO[0] as Credentials, node.ino, 0, bytes);
    return bytes;
  }

  /** After a write that failed half-way: each byte is an old or a new one, and no other place has changed. */
  async #adopt(node: ModelNode, data: Uint8Array, at: number): Promise<void> {
    const found = await this.#bytesOf(node);
    assert.equal(found.length, node.bytes.length);
    for (const [i, byte] of found.entries())
      if (byte !== node.bytes[i]) assert.equal(byte, data[i - at], `byte ${i} of inode ${node.ino}`);
    node.bytes = found;
  }

  /** The process is killed, or the host with it: of what was not committed each byte is the one or the other. */
  async #kill(power: boolean, seed: number): Promise<void> {
    const { keep } = this.#tree;
    keep.killed();
    let dice = seed | 1;
    const die = () => {
      dice = Math.imul(dice, 48271) >>> 0;
      return dice > 2 ** 31;
    };
    if (power) keep.powerCut(die);
    this.#tree = memoryTree(this.#lower, keep);
    for (const node of this.#model.nodes) {
      if (node.dead || node.kind !== K.file) continue;
      const found = await this.#bytesOf(node);
      assert.equal(found.length, node.kept.length, `the size of inode ${node.ino}`);
      for (const [i, byte] of found.entries())
        if (byte !== node.kept[i]) assert.equal(byte, node.bytes[i], `byte ${i} of inode ${node.ino}`);
      node.bytes = found;
      const attributes = await this.#tree.tree.getattr(node.ino);
      assert.ok(typeof attributes === "object");
      // Unstable writes take set-user-id away, as lastingly as their bytes.
      if (attributes.mode !== node.mode) assert.equal(attributes.mode & 0o1777, node.mode & 0o1777);
      node.mode = attributes.mode;
    }
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
    const { keep, upper } = this.#tree;
    keep.trouble = undefined;
    const pending = new Set(upper.pending.keys());
    await this.#tree.tree.flush();
    for (const node of this.#model.nodes) if (pending.has(node.ino)) this.#isKept(node, 0, node.bytes.length);
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
        assert.equal(found, STATUS.STALE);
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
