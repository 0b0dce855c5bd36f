// Names that go, come and change while somebody looks.
import assert from "node:assert/strict";
import { test } from "node:test";
import { STATUS } from "../../wire/nfs/status.ts";
import { type Credentials, FILE_KIND, type Ino, STABLE } from "../../wire/nfs/tree.ts";
import { type MemoryTree, memoryTree } from "./keep-testing.ts";
import type { NodeTree } from "./node-tree.ts";

const root: Credentials = { uid: 0, gid: 0, gids: [] };
const ann: Credentials = { uid: 1000, gid: 1000, gids: [] };
const everybody = { mode: 0o777 };

function world(): MemoryTree & { at: (path: string) => Ino } {
  const memory = memoryTree();
  const { tree } = memory;
  const at = (path: string): Ino => {
    let ino = tree.root;
    for (const name of path.split("/").filter(Boolean)) {
      const answer = tree.lookup(root, ino, name);
      assert.ok(typeof answer === "object" && "found" in answer, `${path}: ${answer}`);
      ({ ino } = answer.found);
    }
    return ino;
  };
  return { ...memory, at };
}
const mkdir = (tree: NodeTree, directory: Ino, name: string) =>
  assert.equal(typeof tree.mkdir(root, directory, name, everybody), "object");
const touch = (tree: NodeTree, directory: Ino, name: string) =>
  assert.equal(typeof tree.create(root, directory, name, { how: "guarded", set: {} }), "object");

test("a directory moves with all that is below: its .., and the counts of both directories above", () => {
  const { tree, at } = world();
  for (const [above, name] of [
    ["", "a"],
    ["", "b"],
    ["a", "d"],
  ] as const)
    mkdir(tree, at(above), name);
  touch(tree, at("a/d"), "f");
  const links = (path: string) => (tree.getattr(at(path)) as { nlink: number }).nlink;
  assert.deepEqual([links("a"), links("b")], [3, 2]);
  const moved = tree.rename(root, { directory: at("a"), name: "d" }, { directory: at("b"), name: "e" });
  assert.equal(typeof moved, "object");
  assert.deepEqual([links("a"), links("b")], [2, 3]);
  assert.equal(at("b/e/.."), at("b"));
  at("b/e/f");
});

test("a directory does not move below itself, nor over one that is not empty or no directory", () => {
  const { tree, at } = world();
  for (const [above, name] of [
    ["", "a"],
    ["a", "b"],
    ["a/b", "c"],
    ["", "full"],
    ["full", "x"],
    ["", "empty"],
  ] as const)
    mkdir(tree, at(above), name);
  touch(tree, tree.root, "file");
  const move = (from: string, to: string, name: string) =>
    tree.rename(root, { directory: tree.root, name: from }, { directory: at(to), name });
  assert.equal(move("a", "a/b/c", "loop"), STATUS.INVAL);
  assert.equal(move("a", "a", "loop"), STATUS.INVAL);
  assert.equal(move("a", "", "full"), STATUS.NOTEMPTY);
  assert.equal(move("a", "", "file"), STATUS.NOTDIR);
  assert.equal(move("file", "", "empty"), STATUS.ISDIR);
  assert.equal(move("a", "", ".."), STATUS.INVAL);
  assert.equal(typeof move("a", "", "empty"), "object");
  at("empty/b/c");
});

test("who moves a directory to another one must be allowed to write to it, for its .. changes", () => {
  const { tree, at } = world();
  mkdir(tree, tree.root, "a");
  mkdir(tree, at("a"), "b");
  tree.mkdir(root, at("a"), "roots", { mode: 0o755 });
  const move = (to: string, name: string) =>
    tree.rename(ann, { directory: at("a"), name: "roots" }, { directory: at(to), name });
  assert.equal(move("a/b", "x"), STATUS.ACCES);
  assert.equal(typeof move("a", "renamed"), "object");
});

test("rename over a file takes one name from it; over another name of the same file it does nothing", () => {
  const { tree, at } = world();
  mkdir(tree, tree.root, "d");
  for (const name of ["a", "b"]) touch(tree, at("d"), name);
  const [a, b] = [at("d/a"), at("d/b")];
  tree.link(root, b, at("d"), "b2");
  tree.link(root, a, at("d"), "a2");
  const move = (from: string, to: string) =>
    tree.rename(root, { directory: at("d"), name: from }, { directory: at("d"), name: to });
  assert.equal(typeof move("a", "a2"), "object");
  assert.equal(at("d/a"), a);
  assert.equal(typeof move("a", "b"), "object");
  assert.equal(at("d/b"), a);
  assert.equal((tree.getattr(b) as { nlink: number }).nlink, 1);
  assert.equal(typeof move("b", "b2"), "object");
  assert.equal(tree.getattr(b), STATUS.STALE);
});

test("a handle of what is gone is stale for every procedure, and its number is never used again", async () => {
  const { tree, at, keep } = world();
  mkdir(tree, tree.root, "d");
  touch(tree, tree.root, "f");
  const [d, f] = [at("d"), at("f")];
  tree.rmdir(root, tree.root, "d");
  tree.remove(root, tree.root, "f");
  const verifier = new Uint8Array(8);
  const answers = [
    tree.getattr(f), tree.setattr(root, f, {}), tree.lookup(root, d, "."), tree.access(root, f, 1), tree.readlink(root, f),
    tree.read(root, f, 0, verifier), tree.write(root, f, 0, verifier, STABLE.fileSync), tree.create(root, d, "x", { how: "exclusive", verifier }),
    tree.mkdir(root, d, "x", {}), tree.symlink(root, d, "x", "y", {}), tree.mknod(root, d, "x", { kind: FILE_KIND.fifo, major: 0, minor: 0, set: {} }),
    tree.remove(root, d, "x"), tree.rmdir(root, d, "x"), tree.link(root, f, tree.root, "x"), tree.readdir(root, d, 0, () => true), tree.commit(f, 0, 0),
    tree.rename(root, { directory: d, name: "x" }, { directory: tree.root, name: "y" }),
  ]; // biome-ignore format: a list of all
  for (const [i, answer] of answers.entries()) assert.equal(await answer, STATUS.STALE, `procedure ${i}`);
  const again = memoryTree(undefined, keep);
  touch(again.tree, again.tree.root, "f");
  assert.ok(again.upper.nextIno > Math.max(d, f) + 1);
});

test("rm -r removes while it lists: each name comes once, and in the end there is none", () => {
  const { tree, at } = world();
  mkdir(tree, tree.root, "d");
  for (let i = 0; i < 500; i++) touch(tree, at("d"), `n${i}`);
  const seen = new Set<string>();
  for (let cookie = 0, end = false; !end; ) {
    const names: string[] = [];
    const answer = tree.readdir(root, at("d"), cookie, (entry) => {
      if (names.length === 7) return false;
      ({ cookie } = entry);
      names.push(entry.name);
      return true;
    });
    assert.ok(typeof answer === "object" && "eof" in answer);
    end = answer.eof;
    for (const name of names.filter((n) => !n.startsWith("."))) {
      assert.ok(!seen.has(name));
      seen.add(name);
      assert.equal(typeof tree.remove(root, at("d"), name), "object");
    }
  }
  assert.equal(seen.size, 500);
  assert.equal(typeof tree.rmdir(root, tree.root, "d"), "object");
});

test("a listing goes on from any cookie that a client may make up", () => {
  const { tree } = world();
  for (const name of ["a", "b"]) touch(tree, tree.root, name);
  for (const cookie of [3, 77, 2 ** 32 - 1, 2 ** 32, 2 ** 53, 2 ** 64, Number.MAX_VALUE]) {
    const names: string[] = [];
    const answer = tree.readdir(root, tree.root, cookie, ({ name }) => names.push(name) > 0);
    assert.ok(typeof answer === "object" && "eof" in answer && answer.eof);
    assert.ok(names.length <= 2);
  }
});

test("what a client that died has left of open files (.nfsXXXX) is swept away, and nothing else", async () => {
  const { tree, at } = world();
  mkdir(tree, tree.root, "d");
  const silly = `.nfs${"0".repeat(15)}a${"0".repeat(7)}1`;
  for (const name of [silly, ".nfs", `${silly}0`, ".nfsroot"]) touch(tree, at("d"), name);
  mkdir(tree, tree.root, silly);
  assert.equal(await tree.inside.sweep(), 1);
  assert.equal(tree.lookup(root, at("d"), silly), STATUS.NOENT);
  for (const name of [".nfs", `${silly}0`, ".nfsroot"]) at(`d/${name}`);
  at(silly);
});
