// When bytes are on the disk, when the log speaks of them, and what they cost.
import assert from "node:assert/strict";
import { test } from "node:test";
import { BrambleError } from "../../base/errors.ts";
import { STATUS } from "../../wire/nfs/status.ts";
import { type Attributes, type Credentials, type Ino, STABLE } from "../../wire/nfs/tree.ts";
import type { TreeChange } from "./changes.ts";
import { type MemoryTree, memoryTree } from "./keep-testing.ts";

const root: Credentials = { uid: 0, gid: 0, gids: [] };
const K = 1024;

function withFile(): MemoryTree & {
  ino: Ino;
  get(): Attributes;
  write(at: number, length: number, how?: "unstable"): unknown;
} {
  const memory = memoryTree();
  const { tree } = memory;
  const answer = tree.create(root, tree.root, "f", { how: "guarded", set: {} });
  assert.ok(typeof answer === "object" && "made" in answer);
  const { ino } = answer.made;
  return {
    ...memory,
    ino,
    get: () => tree.getattr(ino) as Attributes,
    write: (at, length, how) =>
      tree.write(root, ino, at, new Uint8Array(length).fill(7), how ? STABLE.unstable : STABLE.fileSync),
  };
}

const kinds = (log: readonly TreeChange[], since: number) => log.slice(since).map(({ kind }) => kind);
function gate(): { opens: Promise<void>; open: () => void; fail: (error: Error) => void } {
  let open = () => {};
  let fail: (error: Error) => void = () => {};
  const opens = new Promise<void>((resolve, reject) => {
    open = resolve;
    fail = reject;
  });
  opens.catch(() => {});
  return { opens, open, fail };
}

test("COMMIT: the log speaks of unstable writes when their bytes are on the disk, not before", async () => {
  const { tree, keep, ino, get, write } = withFile();
  const since = keep.changes.length;
  write(0, 5000, "unstable");
  assert.equal(get().size, 5000);
  assert.deepEqual(kinds(keep.changes, since), []);
  // Who changes the mode meanwhile logs the size that may be believed.
  tree.setattr(root, ino, { mode: 0o600 });
  const change = keep.changes.at(-1);
  assert.ok(change?.kind === "inode" && change.inode.size === 0 && change.inode.mode === 0o600);
  const disk = gate();
  keep.syncing = disk.opens;
  const commit = tree.commit(ino, 0, 0);
  assert.ok(commit instanceof Promise);
  assert.equal(keep.changes.length, since + 1);
  disk.open();
  await commit;
  assert.deepEqual(
    keep.changes.slice(since + 1).map((c) => (c.kind === "inode" ? c.inode.size : c)),
    [5000, { kind: "mapped", ino, from: 0, to: 2 }],
  );
  assert.equal(tree.commit(ino, 0, 0) instanceof Promise, false);
});

test("COMMIT: what is written while the disk works is left to the next one", async () => {
  const { tree, keep, ino, write, upper } = withFile();
  write(0, 4096, "unstable");
  const disk = gate();
  keep.syncing = disk.opens;
  const first = tree.commit(ino, 0, 0);
  write(8192, 4096, "unstable");
  disk.open();
  await first;
  const logged = () => keep.changes.flatMap((c) => (c.kind === "mapped" ? [[c.from, c.to]] : []));
  assert.deepEqual(logged(), [[0, 1]]);
  assert.ok(keep.changes.some((c) => c.kind === "inode" && c.inode.size === 4096));
  assert.equal(upper.pending.get(ino)?.size, 4096);
  await tree.commit(ino, 0, 0);
  assert.deepEqual(logged(), [
    [0, 1],
    [2, 3],
  ]);
  assert.equal(upper.pending.size, 0);
});

test("a small stable write to a file that is being committed is synced, too: its size would not be in the log", async () => {
  const { tree, keep, ino, write } = withFile();
  write(0, 4096, "unstable");
  const disk = gate();
  keep.syncing = disk.opens;
  const commit = tree.commit(ino, 0, 0);
  const stable = write(4096, 10);
  assert.ok(stable instanceof Promise);
  disk.open();
  await Promise.all([commit, stable]);
  const last = keep.changes.findLast((c) => c.kind === "inode");
  assert.ok(last?.kind === "inode" && last.inode.size === 4106);
});

test("a checkpoint has nothing of what is not committed", () => {
  const { upper, write } = withFile();
  write(0, 4096);
  write(4096, 8192, "unstable");
  const dump = [...upper.dump()];
  assert.deepEqual(
    dump.flatMap((c) => (c.kind === "mapped" ? [[c.from, c.to]] : [])),
    [[0, 1]],
  );
  assert.deepEqual(
    dump.flatMap((c) => (c.kind === "inode" && c.inode.kind === 1 ? [c.inode.size] : [])),
    [4096],
  );
});

test("COMMIT: of a file that is cut or removed while the disk works nothing is logged that has gone", async () => {
  const { tree, keep, ino, write } = withFile();
  write(0, 12_288, "unstable");
  const disk = gate();
  keep.syncing = disk.opens;
  const commit = tree.commit(ino, 0, 0);
  tree.setattr(root, ino, { size: 4096 });
  disk.open();
  await commit;
  assert.deepEqual(
    keep.changes.flatMap((c) => (c.kind === "mapped" ? [[c.from, c.to]] : [])),
    [[0, 1]],
  );
  assert.ok(keep.changes.every((c) => c.kind !== "inode" || c.inode.size <= 4096));
  write(4096, 4096, "unstable");
  const again = gate();
  keep.syncing = again.opens;
  const last = tree.commit(ino, 0, 0);
  tree.remove(root, tree.root, "f");
  const since = keep.changes.length;
  again.open();
  assert.equal(await last, STATUS.STALE);
  assert.equal(keep.changes.length, since);
});

test("COMMIT: where the disk fails the answer is IO, somebody hears of it, and the next one tries again", async () => {
  const heard: string[] = [];
  const { tree, keep, ino, write } = withFile();
  keep.hears = (error) => heard.push(error.code);
  write(0, 4096, "unstable");
  keep.syncing = Promise.reject(new BrambleError("DISK_IO", "a broken disk"));
  keep.syncing.catch(() => {});
  assert.equal(await tree.commit(ino, 0, 0), STATUS.IO);
  assert.deepEqual(heard, ["DISK_IO"]);
  keep.syncing = Promise.resolve();
  assert.equal(typeof (await tree.commit(ino, 0, 0)), "object");
  assert.ok(keep.changes.some((c) => c.kind === "mapped"));
});

test("a small stable write goes into the journal with its bytes, and waits for no sync of its own", () => {
  const { keep, ino, write, get } = withFile();
  keep.syncing = new Promise(() => {});
  const since = keep.changes.length;
  const answer = write(100, 128 * K - 100) as { committed: number };
  assert.equal(answer.committed, STABLE.fileSync);
  assert.deepEqual(kinds(keep.changes, since), ["data", "inode", "mapped"]);
  assert.equal(get().size, 128 * K);
  // But not where its file has bytes that the journal does not know: they would be published with it.
  write(0, 10, "unstable");
  assert.ok(write(20, 10) instanceof Promise);
  assert.ok(!keep.changes.slice(since + 3).some((c) => c.kind === "data" && c.ino === ino));
});

test("a large stable write is answered when its bytes are on the disk", async () => {
  const { keep, ino, write } = withFile();
  const answer = await write(0, 128 * K + 1);
  assert.equal((answer as { committed: number }).committed, STABLE.fileSync);
  assert.equal(keep.durable.get(ino)?.length, 128 * K + 1);
  assert.ok(!keep.changes.some((c) => c.kind === "data"));
});

test("after a kill a file that grows shows zeros, not what an unstable write has left behind its end", async () => {
  const { keep, ino, write, tree } = withFile();
  write(0, 100);
  write(100, 9000, "unstable");
  keep.killed();
  const again = memoryTree(undefined, keep).tree;
  again.setattr(root, ino, { size: 12_000 });
  again.write(root, ino, 10_000, Uint8Array.of(1), STABLE.fileSync);
  const bytes = new Uint8Array(12_000);
  await again.read(root, ino, 0, bytes);
  const wanted = new Uint8Array(12_000).fill(7, 0, 100);
  wanted[10_000] = 1;
  assert.ok(Buffer.from(bytes).equals(wanted), "other bytes");
  assert.equal((tree.getattr(ino) as Attributes).size, 9100);
});

test("after a kill a file that is appended to behind its end shows zeros in between", async () => {
  const { keep, ino, write } = withFile();
  write(0, 100);
  write(100, 9000, "unstable");
  keep.killed();
  const again = memoryTree(undefined, keep).tree;
  again.write(root, ino, 3000, Uint8Array.of(1), STABLE.fileSync);
  const bytes = new Uint8Array(3001);
  await again.read(root, ino, 0, bytes);
  const wanted = new Uint8Array(3001).fill(7, 0, 100);
  wanted[3000] = 1;
  assert.ok(Buffer.from(bytes).equals(wanted), "other bytes");
});

test("after a kill a hole stays empty around what is written into it", async () => {
  const { keep, ino, write, tree } = withFile();
  tree.setattr(root, ino, { size: 40_000 });
  write(0, 30_000, "unstable");
  keep.killed();
  const again = memoryTree(undefined, keep).tree;
  const wanted = new Uint8Array(40_000);
  for (const at of [5000, 12_288, 20_479]) {
    again.write(root, ino, at, Uint8Array.of(1), STABLE.fileSync);
    wanted[at] = 1;
  }
  const bytes = new Uint8Array(40_000);
  await again.read(root, ino, 0, bytes);
  assert.ok(Buffer.from(bytes).equals(wanted), "other bytes");
});

test("a hole takes no space and reads as zeros; what is cut off gives its space back", () => {
  const { tree, ino, get, write, upper } = withFile();
  write(10_000_000, 5000);
  assert.deepEqual([get().size, get().used], [10_005_000, 2 * 4096]);
  const bytes = new Uint8Array(4096).fill(1);
  tree.read(root, ino, 5_000_000, bytes);
  assert.ok(bytes.every((byte) => byte === 0));
  tree.setattr(root, ino, { size: 10_000_001 });
  assert.deepEqual([get().used, upper.ownBytes], [4096, 4096]);
  tree.setattr(root, ino, { size: 20_000_000 });
  assert.equal(get().used, 4096);
  tree.remove(root, tree.root, "f");
  assert.equal(upper.ownBytes, 0);
});

test("a quota is met by the blocks that would be new: DQUOT, nothing changes, and FSSTAT says so before", () => {
  const { tree, keep, ino, get, write } = withFile();
  keep.limit = 16 * K;
  const free = () => (tree.fsstat() as { freeBytes: number }).freeBytes;
  assert.equal(free(), 16 * K);
  write(0, 16 * K);
  assert.equal(free(), 0);
  const before = get();
  assert.equal(write(16 * K, 1), STATUS.DQUOT);
  assert.equal(write(0, 16 * K + 1, "unstable"), STATUS.DQUOT);
  assert.equal(get(), before);
  assert.equal(typeof write(0, 16 * K), "object");
  tree.setattr(root, ino, { size: 8 * K });
  assert.equal(typeof write(8 * K, 8 * K, "unstable"), "object");
});

test("a full disk is NOSPC and changes nothing; files end at 16 TiB", () => {
  const { tree, keep, get, write, ino } = withFile();
  write(0, 10);
  const before = get();
  keep.trouble = "full";
  assert.equal(write(0, 5000), STATUS.NOSPC);
  keep.trouble = "full";
  assert.equal(tree.mkdir(root, tree.root, "d", {}), STATUS.NOSPC);
  keep.trouble = "half";
  assert.equal(write(8192, 5000), STATUS.NOSPC);
  assert.equal(get(), before);
  assert.equal(tree.lookup(root, tree.root, "d"), STATUS.NOENT);
  assert.equal(tree.setattr(root, ino, { size: 2 ** 44 + 1 }), STATUS.FBIG);
  assert.equal(write(2 ** 44, 1), STATUS.FBIG);
  assert.equal(typeof tree.setattr(root, ino, { size: 2 ** 44 }), "object");
});
