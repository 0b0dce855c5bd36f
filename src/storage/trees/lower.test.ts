// The image below a tree: what of it shows, and that it stays as it is.
import assert from "node:assert/strict";
import { test } from "node:test";
import { bytesOnDisk } from "../../../test/readers.ts";
import { layers, pattern, rootImage } from "../../../test/tree-image.ts";
import { BrambleError } from "../../base/errors.ts";
import { readAll } from "../../base/tree.ts";
import { STATUS } from "../../wire/nfs/status.ts";
import { type Attributes, type Credentials, FILE_KIND, STABLE } from "../../wire/nfs/tree.ts";
import type { Inode } from "./changes.ts";
import { Cold, whenWarm } from "./cold.ts";
import { MemoryKeep, memoryTree } from "./keep-testing.ts";
import { openExt4Lower } from "./lower-ext4.ts";
import type { NodeTree } from "./node-tree.ts";

const root: Credentials = { uid: 0, gid: 0, gids: [] };
const get = async (tree: { getattr(ino: number): unknown }, ino: number) =>
  (await tree.getattr(ino)) as Attributes;

test("a file of the image shows as it is there: attributes, bytes, links, extended attributes", async (t) => {
  const image = await layers(t);
  if (!image) return;
  for (const lower of [image.lower, image.cold]) {
    const { tree } = memoryTree(lower);
    const inode = await tree.inside.look("etc/big");
    assert.ok(inode);
    assert.deepEqual(
      [inode.kind, inode.mode, inode.nlink, inode.size, inode.used, inode.mtime.s, inode.limit],
      [FILE_KIND.file, 0o640, 2, 100_000, 102_400, 12_345, 100_000],
    );
    assert.equal((await tree.inside.look("etc/deep/big2"))?.ino, inode.ino);
    const file = await tree.inside.open("alias/deep/link");
    assert.ok(file?.untouched && pattern(100_000).equals(await readAll(file)));
    assert.equal((await tree.inside.look("etc/deep/link"))?.target, "../big");
    const text = [...(await tree.inside.xattrs(inode.ino))].map(([name, value]) => [
      name,
      Buffer.from(value).toString(),
    ]);
    assert.deepEqual(text.sort(), [
      ["security.capability", "hello"],
      ["user.kept", "yes"],
    ]);
  }
});

test("what is in memory is answered at once, what is not by a promise, with the same answer", async (t) => {
  const image = await layers(t);
  if (!image) return;
  const { tree } = memoryTree(image.lower);
  const etc = (await tree.inside.look("etc"))?.ino as number;
  await tree.lookup(root, etc, "big");
  const warm = tree.lookup(root, etc, "big");
  assert.ok(!(warm instanceof Promise) && typeof warm === "object");
  const into = new Uint8Array(100_000);
  await tree.read(root, warm.found.ino, 0, into);
  assert.ok(!(tree.read(root, warm.found.ino, 0, into) instanceof Promise));
  const cold = memoryTree(image.cold).tree.lookup(root, etc, "big");
  assert.ok(cold instanceof Promise);
  assert.deepEqual(await cold, warm);
});

test("inodes whose block is in memory need no promise, and are the same as those that come by one", async (t) => {
  const bytes = rootImage(t);
  if (!bytes) return;
  const read = (into: Uint8Array, at: number) => into.set(bytes.subarray(at, at + into.length));
  const [now, later] = await Promise.all(
    [1, 2].map(() => openExt4Lower({ size: bytes.length, read }, 1 << 24)),
  );
  assert.ok(now && later);
  const deep = (await memoryTree(later).tree.inside.look("etc/deep"))?.ino as number;
  const { inos, names } = await whenWarm(() => later.directory(deep));
  await later.warm([...inos, 1, 9]);
  const cold: string[] = [];
  for (const [i, ino] of [...inos, 1, 9].entries()) {
    const found: Inode | undefined = await whenWarm((): Inode | undefined => {
      try {
        return now.inode(ino);
      } catch (error) {
        if (error instanceof Cold) cold.push(names[i] ?? `inode ${ino}`);
        throw error;
      }
    });
    assert.deepEqual(found, later.inode(ino));
  }
  assert.deepEqual(cold, ["link"], "targets of symlinks are read in peace");
});

test("an operation that meets something cold has changed nothing yet, and is done once", async (t) => {
  const image = await layers(t);
  if (!image) return;
  const { tree, keep, upper } = memoryTree(image.cold);
  const answer = tree.rename(root, { directory: 2, name: "etc" }, { directory: 2, name: "renamed" });
  assert.ok(answer instanceof Promise);
  assert.deepEqual([keep.changes.length, upper.inodes.size, upper.entries.size], [0, 0, 0]);
  assert.equal(typeof (await answer), "object");
  assert.equal(keep.changes.filter(({ kind }) => kind === "entry").length, 2);
});

test("a change of attributes copies the inode's record, not its data", async (t) => {
  const image = await layers(t);
  if (!image) return;
  const { tree, keep, upper } = memoryTree(image.lower);
  const ino = (await tree.inside.look("etc/big"))?.ino as number;
  assert.equal(typeof tree.setattr(root, ino, { mode: 0o600, uid: 7 }), "object");
  assert.deepEqual([keep.files.size, upper.ownBytes, (await get(tree, ino)).used], [0, 0, 102_400]);
  const file = await tree.inside.open(ino);
  assert.ok(file?.untouched);
});

test("a write into the image's file copies the blocks that it meets, no more; used counts each byte once", async (t) => {
  const image = await layers(t);
  if (!image) return;
  for (const lower of [image.lower, image.cold]) {
    const { tree, keep, upper } = memoryTree(lower);
    const ino = (await tree.inside.look("etc/big"))?.ino as number;
    assert.equal(
      typeof (await tree.write(root, ino, 5000, Buffer.alloc(4000, 255), STABLE.fileSync)),
      "object",
    );
    assert.deepEqual([upper.ownBytes, (await get(tree, ino)).used], [8192, 102_400]);
    const bytes = new Uint8Array(100_000);
    await tree.read(root, ino, 0, bytes);
    assert.ok(Buffer.from(bytes).equals(Buffer.from(pattern(100_000)).fill(255, 5000, 9000)));
    const written = keep.changes.flatMap((c) => (c.kind === "data" ? [[c.offset, c.bytes.length]] : []));
    assert.deepEqual(written, [
      [4096, 4096],
      [8192, 4096],
    ]);
    assert.equal((await tree.inside.open(ino))?.untouched, false);
    // Behind the image's end: more of its own, none of the image's less.
    await tree.write(root, ino, 200_000, Uint8Array.of(1), STABLE.fileSync);
    assert.equal((await get(tree, ino)).used, 102_400 + 4096);
  }
});

test("what of the image's file was cut off does not come back when it grows again", async (t) => {
  const image = await layers(t);
  if (!image) return;
  const { tree } = memoryTree(image.lower);
  const ino = (await tree.inside.look("etc/big"))?.ino as number;
  tree.setattr(root, ino, { size: 5000 });
  assert.equal((await get(tree, ino)).used, 8192);
  tree.setattr(root, ino, { size: 100_000 });
  await tree.write(root, ino, 6000, Uint8Array.of(9), STABLE.fileSync);
  const bytes = new Uint8Array(100_000);
  await tree.read(root, ino, 0, bytes);
  const wanted = Buffer.alloc(100_000);
  pattern(5000).copy(wanted);
  wanted[6000] = 9;
  assert.ok(wanted.equals(bytes));
});

test("capabilities of a program go when it is written to or changes hands; its other extended attributes stay", async (t) => {
  const image = await layers(t);
  if (!image) return;
  const change: ((tree: NodeTree, ino: number) => unknown)[] = [
    (tree, ino) => tree.write(root, ino, 0, Uint8Array.of(1), STABLE.fileSync),
    (tree, ino) => tree.setattr(root, ino, { size: 10 }),
    (tree, ino) => tree.setattr(root, ino, { gid: 7 }),
  ];
  for (const act of change) {
    const { tree } = memoryTree(image.lower);
    const ino = (await tree.inside.look("etc/big"))?.ino as number;
    await tree.setattr(root, ino, { mode: 0o755 });
    assert.deepEqual([...(await tree.inside.xattrs(ino)).keys()].sort(), [
      "security.capability",
      "user.kept",
    ]);
    await act(tree, ino);
    assert.deepEqual([...(await tree.inside.xattrs(ino)).keys()], ["user.kept"]);
  }
});

test("hard links and moves work across image and node: a file is its number, not its path", async (t) => {
  const image = await layers(t);
  if (!image) return;
  const { tree } = memoryTree(image.lower);
  const at = async (path: string) => (await tree.inside.look(path))?.ino as number;
  const big = await at("etc/big");
  tree.mkdir(root, 2, "own", {});
  assert.equal(typeof (await tree.link(root, big, await at("own"), "third")), "object");
  await tree.remove(root, await at("etc"), "big");
  await tree.write(root, await at("own/third"), 0, Buffer.from("changed"), STABLE.fileSync);
  const file = await tree.inside.open("etc/deep/big2");
  assert.ok(file);
  assert.equal(
    Buffer.from(await readAll(file))
      .subarray(0, 7)
      .toString(),
    "changed",
  );
  assert.equal((await get(tree, big)).nlink, 2);
  await tree.rename(
    root,
    { directory: await at("etc"), name: "deep" },
    { directory: await at("own"), name: "moved" },
  );
  assert.equal(await at("own/moved/big2"), big);
  assert.equal(await at("own/moved/.."), await at("own"));
  await tree.remove(root, await at("own/moved"), "big2");
  await tree.remove(root, await at("own"), "third");
  assert.equal(tree.getattr(big), STATUS.STALE);
});

test("rm -r of the image's directory removes while it lists; its names stay gone after a restart", async (t) => {
  const image = await layers(t);
  if (!image) return;
  for (const lower of [image.lower, image.cold]) {
    const keep = new MemoryKeep();
    const { tree } = memoryTree(lower, keep);
    const deep = (await tree.inside.look("etc/deep"))?.ino as number;
    // One name of the image leads elsewhere before: it keeps its place.
    await tree.remove(root, deep, "n5");
    await tree.create(root, deep, "n5", { how: "guarded", set: {} });
    let count = 0;
    for (let cookie = 2, end = false; !end; ) {
      const names: string[] = [];
      const answer = await tree.readdir(root, deep, cookie, (entry) => {
        if (names.length === 50) return false;
        ({ cookie } = entry);
        return names.push(entry.name) > 0;
      });
      assert.ok(typeof answer === "object");
      end = answer.eof;
      for (const name of names) assert.equal(typeof (await tree.remove(root, deep, name)), "object", name);
      count += names.length;
    }
    assert.equal(count, 702);
    const again = memoryTree(lower, keep).tree;
    assert.deepEqual(await again.inside.list("etc/deep"), []);
    assert.equal(
      typeof (await again.rmdir(root, (await again.inside.look("etc"))?.ino as number, "deep")),
      "object",
    );
  }
});

test("two nodes over one image see nothing of each other, and the image does not change by a byte", async (t) => {
  const image = await layers(t);
  if (!image) return;
  const before = Buffer.from(image.bytes);
  const [a, b] = [memoryTree(image.lower).tree, memoryTree(image.lower).tree];
  await a.inside.put("etc/big", Buffer.from("of a"), { mode: 0o600, uid: 1, gid: 2 });
  await a.inside.remove("etc/deep");
  const file = await b.inside.open("etc/big");
  assert.ok(file?.untouched && pattern(100_000).equals(await readAll(file)));
  assert.equal((await b.inside.list("etc/deep")).length, 702);
  assert.ok(image.bytes.equals(before));
});

test("numbers that the file system keeps for itself, or that do not exist, are stale handles", async (t) => {
  const image = await layers(t);
  if (!image) return;
  const { tree } = memoryTree(image.lower);
  for (const ino of [0, 1, 7, 8, 10, 2 ** 31, 2 ** 32 - 1, 2 ** 32, 2 ** 52])
    assert.equal(await tree.getattr(ino), STATUS.STALE, `inode ${ino}`);
});

test("where the image cannot be read the answer is IO, and somebody hears why", async (t) => {
  const image = await layers(t);
  if (!image) return;
  let broken = false;
  const disk = bytesOnDisk(image.bytes);
  const sick = {
    size: disk.size,
    async read(into: Uint8Array, offset: number) {
      if (broken) throw new BrambleError("DISK_IO", "a broken disk");
      await disk.read(into, offset);
    },
  };
  const keep = new MemoryKeep();
  const heard: string[] = [];
  keep.hears = (error) => heard.push(error.code);
  const { tree } = memoryTree(await openExt4Lower(sick, 1 << 20), keep);
  const big = (await tree.inside.look("etc/big"))?.ino as number;
  broken = true;
  assert.equal(await tree.read(root, big, 50_000, new Uint8Array(40_000)), STATUS.IO);
  assert.equal(await tree.write(root, big, 50_001, Uint8Array.of(1), STABLE.fileSync), STATUS.IO);
  assert.deepEqual(heard, ["DISK_IO", "DISK_IO"]);
  broken = false;
  assert.equal(typeof (await tree.write(root, big, 50_001, Uint8Array.of(1), STABLE.fileSync)), "object");
});

test("whenWarm() goes on until nothing is cold, and passes errors on", async () => {
  let left = 3;
  const answer = await whenWarm(() => {
    if (left-- > 0) throw new Cold(Promise.resolve());
    return "warm";
  });
  assert.equal(answer, "warm");
  await assert.rejects(whenWarm(() => { throw new Cold(Promise.reject(new Error("gone"))); }), /gone/); // biome-ignore format: one line
});
