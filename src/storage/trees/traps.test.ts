// Each trap that a file server over NFSv3 falls into once: who may, whose bits go, which times move.
import assert from "node:assert/strict";
import { test } from "node:test";
import { STATUS } from "../../wire/nfs/status.ts";
import {
  type Answer,
  type Attributes,
  type Credentials,
  FILE_KIND,
  type Ino,
  type Made,
  type Soon,
  STABLE,
} from "../../wire/nfs/tree.ts";
import { memoryTree } from "./keep-testing.ts";
import type { NodeTree } from "./node-tree.ts";

const root: Credentials = { uid: 0, gid: 0, gids: [] };
const ann: Credentials = { uid: 1000, gid: 1000, gids: [50] };
const bob: Credentials = { uid: 1001, gid: 1001, gids: [50] };

/** The answer itself: nothing is cold in these tests. */
function now<T extends object>(answer: Soon<T>): T {
  assert.ok(!(answer instanceof Promise), "a promise on the warm path");
  assert.equal(typeof answer, "object", `refused: ${answer}`);
  return answer as T;
}
const refused = <T>(answer: Soon<T>): Answer<T> => answer as Answer<T>;
const made = (answer: Soon<Made>): Attributes => now(answer).made;

/** A directory where all may write. */
function playground(mode = 0o777): { tree: NodeTree; dir: Ino; get: (ino: Ino) => Attributes } {
  const { tree } = memoryTree();
  const dir = made(tree.mkdir(root, tree.root, "all", { mode })).ino;
  return { tree, dir, get: (ino) => now(tree.getattr(ino)) };
}
const file = (tree: NodeTree, who: Credentials, dir: Ino, name: string, mode = 0o644): Ino =>
  made(tree.create(who, dir, name, { how: "guarded", set: { mode } })).ino;
const bytes = (text: string) => new TextEncoder().encode(text);
const later = (a: Attributes["ctime"], b: Attributes["ctime"]) => a.s > b.s || (a.s === b.s && a.ns > b.ns);

test("a reply that was remembered is there again, also in the tree that the log makes anew", () => {
  const { tree, keep } = memoryTree();
  tree.remember("10.0.0.1:7", bytes("done"));
  assert.deepEqual(tree.recall("10.0.0.1:7"), bytes("done"));
  assert.equal(tree.recall("10.0.0.1:8"), undefined);
  assert.deepEqual(keep.changes.at(-1), { kind: "reply", key: "10.0.0.1:7", bytes: bytes("done") });
});

test("no two changes have the same time: a client's cache would miss the second", () => {
  const { tree, dir, get } = playground();
  const ino = file(tree, root, dir, "f");
  let last = get(ino).ctime;
  for (let i = 0; i < 50; i++) {
    tree.write(root, ino, 0, bytes("x"), STABLE.fileSync);
    assert.ok(later(get(ino).ctime, last));
    last = get(ino).ctime;
  }
});

test("mtime and ctime move with contents, ctime alone with attributes, atime never by reading", () => {
  const { tree, dir, get } = playground();
  const ino = file(tree, root, dir, "f");
  const first = get(ino);
  now(tree.write(root, ino, 0, bytes("text"), STABLE.fileSync));
  const written = get(ino);
  assert.ok(later(written.mtime, first.mtime) && later(written.ctime, first.ctime));
  now(tree.read(root, ino, 0, new Uint8Array(4)));
  assert.equal(get(ino), written);
  now(tree.setattr(root, ino, { mode: 0o600 }));
  assert.deepEqual([get(ino).mtime, get(ino).atime], [written.mtime, first.atime]);
  assert.ok(later(get(ino).ctime, written.ctime));
  const folder = get(dir);
  now(tree.link(root, ino, dir, "g"));
  assert.ok(later(get(dir).mtime, folder.mtime) && later(get(dir).ctime, folder.ctime));
});

test("a change tells what it found and what it left", () => {
  const { tree, dir, get } = playground();
  const before = get(dir);
  const { directory } = now(tree.create(root, dir, "f", { how: "guarded", set: {} }));
  assert.deepEqual(directory, { before, after: get(dir) });
  const ino = now(tree.lookup(root, dir, "f")).found.ino;
  const found = get(ino);
  const { change } = now(tree.write(root, ino, 0, bytes("x"), STABLE.fileSync));
  assert.deepEqual(change, { before: found, after: get(ino) });
  // What was answered is not touched by what comes later.
  assert.equal(found.size, 0);
});

test("SETATTR with a guard is refused when the thing has changed since", () => {
  const { tree, dir, get } = playground();
  const ino = file(tree, root, dir, "f");
  const { ctime } = get(ino);
  now(tree.setattr(root, ino, { mode: 0o600 }, ctime));
  assert.equal(tree.setattr(root, ino, { mode: 0o666 }, ctime), STATUS.NOT_SYNC);
  assert.equal(get(ino).mode, 0o600);
});

test("set-user-id goes when others than root write, truncate or take the file over", () => {
  const { tree, dir, get } = playground();
  for (const [act, mode, left] of [
    ["write", 0o6755, 0o755],
    ["write", 0o6745, 0o2745], // without group execution it means mandatory locking
    ["truncate", 0o6755, 0o755],
    ["chgrp", 0o6755, 0o755],
  ] as const) {
    const ino = file(tree, ann, dir, `${act}${mode}`);
    now(tree.setattr(root, ino, { mode }));
    if (act === "write") now(tree.write(ann, ino, 0, bytes("x"), STABLE.fileSync));
    else now(tree.setattr(ann, ino, act === "chgrp" ? { gid: 50 } : { size: 0 }));
    assert.equal(get(ino).mode, left, act);
  }
  const ino = file(tree, ann, dir, "unstable");
  now(tree.setattr(root, ino, { mode: 0o4755 }));
  now(tree.write(ann, ino, 0, bytes("x"), STABLE.unstable));
  assert.equal(get(ino).mode, 0o755);
});

test("root's own write keeps set-user-id, root's chown takes it, a directory keeps its set-group-id", () => {
  const { tree, dir, get } = playground();
  const ino = file(tree, root, dir, "f");
  now(tree.setattr(root, ino, { mode: 0o6755 }));
  now(tree.write(root, ino, 0, bytes("x"), STABLE.fileSync));
  now(tree.setattr(root, ino, { size: 0 }));
  assert.equal(get(ino).mode, 0o6755);
  now(tree.setattr(root, ino, { uid: 5 }));
  assert.equal(get(ino).mode, 0o755);
  const folder = made(tree.mkdir(root, dir, "d", { mode: 0o2755 })).ino;
  now(tree.setattr(root, folder, { uid: 5, gid: 5 }));
  assert.equal(get(folder).mode, 0o2755);
});

test("nobody sets set-group-id for a group that they are not in", () => {
  const { tree, dir, get } = playground();
  const ino = file(tree, ann, dir, "f");
  now(tree.setattr(root, ino, { gid: 7 }));
  now(tree.setattr(ann, ino, { mode: 0o2755 }));
  assert.equal(get(ino).mode, 0o755);
  now(tree.setattr(ann, ino, { gid: 50 }));
  now(tree.setattr(ann, ino, { mode: 0o2755 }));
  assert.equal(get(ino).mode, 0o2755);
});

test("in a directory with set-group-id new things get its group, new directories the bit too", () => {
  const { tree, dir, get } = playground();
  const folder = made(tree.mkdir(root, dir, "g", { mode: 0o2777, gid: 77 })).ino;
  assert.equal(get(file(tree, ann, folder, "f")).gid, 77);
  const below = made(tree.mkdir(ann, folder, "d", { mode: 0o755 }));
  assert.deepEqual([below.gid, below.mode], [77, 0o2755]);
  assert.equal(get(file(tree, ann, dir, "f")).gid, 1000);
  // A program for a group that its maker is not in.
  assert.equal(get(file(tree, ann, folder, "p", 0o2755)).mode, 0o755);
});

test("in a sticky directory only the owners of thing and directory, and root, remove or rename", () => {
  const { tree, dir } = playground(0o1777);
  file(tree, ann, dir, "ann");
  file(tree, bob, dir, "bob");
  const rename = (who: Credentials, from: string, to: string) =>
    tree.rename(who, { directory: dir, name: from }, { directory: dir, name: to });
  assert.equal(tree.remove(bob, dir, "ann"), STATUS.PERM);
  assert.equal(rename(bob, "ann", "x"), STATUS.PERM);
  assert.equal(rename(bob, "bob", "ann"), STATUS.PERM);
  now(tree.mkdir(ann, dir, "folder", {}));
  assert.equal(tree.rmdir(bob, dir, "folder"), STATUS.PERM);
  now(rename(ann, "ann", "anne"));
  now(tree.remove(root, dir, "bob"));
  now(tree.setattr(root, dir, { uid: 1001 }));
  now(tree.remove(bob, dir, "anne"));
});

test("an owner reads and writes whatever the mode says: the file may have been opened before chmod 0", () => {
  const { tree, dir } = playground();
  const ino = file(tree, ann, dir, "f", 0);
  now(tree.write(ann, ino, 0, bytes("mine"), STABLE.fileSync));
  now(tree.setattr(ann, ino, { size: 2 }));
  assert.equal(now(tree.read(ann, ino, 0, new Uint8Array(9))).count, 2);
  assert.equal(refused(tree.read(bob, ino, 0, new Uint8Array(9))), STATUS.ACCES);
  assert.equal(tree.write(bob, ino, 0, bytes("x"), STABLE.fileSync), STATUS.ACCES);
  assert.equal(tree.setattr(bob, ino, { size: 0 }), STATUS.ACCES);
  // ACCESS tells the truth all the same.
  assert.equal(now(tree.access(ann, ino, 63)).granted, 0);
});

test("execute permission suffices for READ: the client must load the program", () => {
  const { tree, dir } = playground();
  const ino = file(tree, ann, dir, "program", 0o711);
  now(tree.write(ann, ino, 0, bytes("code"), STABLE.fileSync));
  assert.equal(now(tree.read(bob, ino, 0, new Uint8Array(9))).count, 4);
  assert.equal(now(tree.access(bob, ino, 63)).granted, 32);
});

test("root may all, but not execute what nobody may", () => {
  const { tree, dir } = playground();
  assert.equal(now(tree.access(root, file(tree, ann, dir, "f", 0), 63)).granted, 1 | 4 | 8);
  assert.equal(now(tree.access(root, file(tree, ann, dir, "p", 0o010), 63)).granted, 1 | 4 | 8 | 32);
  const folder = made(tree.mkdir(ann, dir, "d", { mode: 0 })).ino;
  assert.equal(now(tree.access(root, folder, 63)).granted, 1 | 2 | 4 | 8 | 16);
});

test("an exclusive create asked twice is one file; another one of that name is refused", () => {
  const { tree, dir } = playground();
  const exclusive = (text: string) => tree.create(ann, dir, "f", { how: "exclusive", verifier: bytes(text) });
  const first = made(exclusive("verifier"));
  assert.deepEqual(made(exclusive("verifier")), first);
  assert.equal(exclusive("another!"), STATUS.EXIST);
  // The client goes on with SETATTR: by then its create is over.
  now(tree.setattr(ann, first.ino, { mode: 0o644 }));
  assert.equal(exclusive("verifier"), STATUS.EXIST);
});

test("an unchecked create takes the file that is there, cuts it only when told so, and no directory", () => {
  const { tree, dir, get } = playground();
  const ino = file(tree, ann, dir, "f");
  now(tree.write(ann, ino, 0, bytes("text"), STABLE.fileSync));
  const unchecked = (who: Credentials, name: string, set: { size?: number; mode?: number }) =>
    tree.create(who, dir, name, { how: "unchecked", set });
  assert.equal(made(unchecked(bob, "f", { mode: 0o777 })).ino, ino);
  assert.deepEqual([get(ino).size, get(ino).mode], [4, 0o644]);
  assert.equal(unchecked(bob, "f", { size: 0 }), STATUS.ACCES);
  assert.equal(made(unchecked(ann, "f", { size: 0 })).size, 0);
  now(tree.mkdir(ann, dir, "d", {}));
  assert.equal(unchecked(ann, "d", {}), STATUS.EXIST);
  assert.equal(tree.create(ann, dir, "f", { how: "guarded", set: {} }), STATUS.EXIST);
});

test("devices are made by root alone; fifos and sockets by all; other kinds by nobody", () => {
  const { tree, dir } = playground();
  const mknod = (who: Credentials, kind: Attributes["kind"]) =>
    tree.mknod(who, dir, `${who.uid}-${kind}`, { kind, major: 1, minor: 3, set: { mode: 0o666 } });
  assert.equal(mknod(ann, FILE_KIND.character), STATUS.PERM);
  assert.equal(mknod(ann, FILE_KIND.block), STATUS.PERM);
  const zero = made(mknod(root, FILE_KIND.character));
  assert.deepEqual([zero.major, zero.minor, zero.kind], [1, 3, FILE_KIND.character]);
  assert.deepEqual(
    [made(mknod(ann, FILE_KIND.fifo)).major, made(mknod(ann, FILE_KIND.socket)).minor],
    [0, 0],
  );
  for (const kind of [FILE_KIND.file, FILE_KIND.directory, FILE_KIND.symlink])
    assert.equal(mknod(root, kind), STATUS.BADTYPE);
});

test("only root gives a file away; its owner may give it to a group of theirs", () => {
  const { tree, dir, get } = playground();
  const ino = file(tree, ann, dir, "f");
  assert.equal(tree.setattr(ann, ino, { uid: 1001 }), STATUS.PERM);
  assert.equal(tree.setattr(ann, ino, { gid: 1001 }), STATUS.PERM);
  assert.equal(tree.setattr(bob, ino, { gid: 50 }), STATUS.PERM);
  assert.equal(tree.setattr(bob, ino, { mode: 0o777 }), STATUS.PERM);
  now(tree.setattr(ann, ino, { uid: 1000, gid: 50 }));
  now(tree.setattr(root, ino, { uid: 1001, gid: 1001 }));
  assert.deepEqual([get(ino).uid, get(ino).gid], [1001, 1001]);
});

test("any time is set by owners alone, the present also by who may write", () => {
  const { tree, dir, get } = playground();
  const ino = file(tree, ann, dir, "f", 0o666);
  const time = { s: 5, ns: 6 };
  assert.equal(tree.setattr(bob, ino, { mtime: time }), STATUS.PERM);
  now(tree.setattr(bob, ino, { mtime: "server", atime: "server" }));
  now(tree.setattr(ann, ino, { mtime: time, atime: { s: -1, ns: 0 } }));
  assert.deepEqual([get(ino).mtime, get(ino).atime], [time, { s: -1, ns: 0 }]);
  now(tree.setattr(ann, ino, { mode: 0o644 }));
  assert.equal(tree.setattr(bob, ino, { mtime: "server" }), STATUS.ACCES);
});

test("names are 1 to 255 bytes without / and NUL; targets up to 4,095", () => {
  const { tree, dir } = playground();
  const create = (name: string) => tree.create(ann, dir, name, { how: "guarded", set: {} });
  now(create("n".repeat(255)));
  now(create("\xff\x01"));
  assert.equal(create("n".repeat(256)), STATUS.NAMETOOLONG);
  assert.equal(tree.lookup(ann, dir, "n".repeat(256)), STATUS.NAMETOOLONG);
  for (const name of ["", "a/b", "a\0b"]) assert.equal(create(name), STATUS.INVAL);
  for (const name of [".", ".."]) assert.equal(create(name), STATUS.EXIST);
  const symlink = (length: number) => tree.symlink(ann, dir, `l${length}`, "t".repeat(length), {});
  now(symlink(4095));
  assert.equal(symlink(4096), STATUS.NAMETOOLONG);
  assert.equal(symlink(0), STATUS.INVAL);
});

test("a file has up to 65,000 names", () => {
  const { tree, dir, get } = playground();
  const ino = file(tree, root, dir, "f");
  for (let i = 1; i < 65_000; i++) now(tree.link(root, ino, dir, `${i}`));
  assert.equal(get(ino).nlink, 65_000);
  assert.equal(tree.link(root, ino, dir, "more"), STATUS.MLINK);
  now(tree.remove(root, dir, "f"));
  now(tree.link(root, ino, dir, "more"));
});

test("a directory may hold more folders than it can count: then it counts none, as ext4 does", () => {
  const { tree, dir, get } = playground();
  for (let i = 2; i < 65_000; i++) now(tree.mkdir(root, dir, `${i}`, {}));
  assert.equal(get(dir).nlink, 65_000);
  now(tree.mkdir(root, dir, "more", {}));
  assert.equal(get(dir).nlink, 1);
  now(tree.rmdir(root, dir, "more"));
  assert.equal(get(dir).nlink, 1);
});
