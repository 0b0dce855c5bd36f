import assert from "node:assert/strict";
import { test } from "node:test";
import { STATUS } from "../wire/nfs/status.ts";
import { FILE_KIND } from "../wire/nfs/tree.ts";
import { mounted, PATH } from "./nfs-testing.ts";

/** Bytes of a reply that does not wait for others. */
const LONG = 128 << 10;
const status = (code: number) => ({ status: code });

test("a client mounts, makes, writes, reads, lists, renames and removes: all 22 procedures", async (t) => {
  const { client, root } = await mounted(t);
  await client.null();
  const info = await client.fsinfo(root);
  assert.deepEqual([info.rtmax, info.wtmax, info.dtpref, info.properties], [1 << 20, 1 << 20, 1 << 16, 0x1b]);
  assert.deepEqual(await client.pathconf(root), {
    links: 65000,
    name: 255,
    flags: [true, true, false, true],
  });
  assert.equal((await client.fsstat(root)).totalBytes, 2 ** 40);
  assert.equal((await client.getattr(root)).kind, FILE_KIND.directory);
  assert.equal((await client.getattr(root)).fsid, 7);
  assert.equal(await client.access(root, 0x3f), 0x3f);

  const { fh, attributes, wcc } = await client.create(root, "file", {
    how: "guarded",
    set: { mode: 0o4711, uid: 5, gid: 6 },
  });
  assert.deepEqual([attributes?.mode, attributes?.uid, attributes?.gid], [0o4711, 5, 6]);
  assert.ok(wcc.before && wcc.after && wcc.after.mtime.ns > wcc.before.mtime.ns);
  assert.ok((attributes?.ino ?? 0) >= 2 ** 32, "64 bits of a file id arrive");
  const data = Buffer.from(Array.from({ length: 100_001 }, (_, i) => i % 251));
  const written = await client.write(fh, 3, data, 0);
  assert.deepEqual([written.count, written.committed], [data.length, 0]);
  const commit = await client.commit(fh);
  assert.equal(commit.verifier, written.verifier);
  assert.match(written.verifier, /^[0-9a-f]{16}$/);
  const read = await client.read(fh, 3, 50_001);
  assert.ok(data.subarray(0, 50_001).equals(read.data));
  assert.equal(read.eof, false);
  assert.ok(data.equals((await client.readAll(fh)).subarray(3)));
  assert.deepEqual(
    [(await client.read(fh, 1e9, 10)).data.length, (await client.read(fh, 1e9, 10)).eof],
    [0, true],
  );
  const cut = await client.setattr(fh, { size: 4, mtime: { s: 5, ns: 6 } }, (await client.getattr(fh)).ctime);
  assert.deepEqual([cut.after?.size, cut.after?.mtime], [4, { s: 5, ns: 6 }]);
  await assert.rejects(client.setattr(fh, { size: 4 }, { s: 1, ns: 1 }), status(STATUS.NOT_SYNC));

  const dir = (await client.mkdir(root, "dir", { mode: 0o700 })).fh;
  await client.symlink(dir, "link", "../file\xe9");
  assert.equal(await client.readlink((await client.lookup(dir, "link")).fh), "../file\xe9");
  await client.mknod(dir, "null", { kind: FILE_KIND.character, major: 1, minor: 3, set: { mode: 0o666 } });
  const device = (await client.lookup(dir, "null")).attributes;
  assert.deepEqual([device?.kind, device?.major, device?.minor], [FILE_KIND.character, 1, 3]);
  await client.link(fh, dir, "hard");
  assert.equal((await client.getattr(fh)).nlink, 2);
  await client.rename(dir, "hard", root, "moved");
  assert.deepEqual(
    (await client.readdir(root)).entries.map((e) => e.name),
    [".", "..", "file", "dir", "moved"],
  );
  const plus = await client.readdirplus(dir);
  assert.deepEqual(
    plus.entries.map((e) => [e.name, e.attributes?.kind]),
    [
      [".", 2],
      ["..", 2],
      ["link", 5],
      ["null", 4],
    ],
  );
  assert.deepEqual(await client.getattr(plus.entries[3]?.fh ?? root), device);
  await client.remove(dir, "link");
  await client.remove(dir, "null");
  await client.rmdir(root, "dir");
  await assert.rejects(client.lookup(root, "dir"), status(STATUS.NOENT));
  await assert.rejects(client.getattr(dir), status(STATUS.STALE));
});

test("MOUNT leads below the root, not up and not to a file; it lists nothing", async (t) => {
  const { client, root, event } = await mounted(t);
  const boot = await client.mkdir(root, "boot");
  const firmware = await client.mkdir(boot.fh, "firmware");
  await client.create(root, "file");
  assert.deepEqual(await client.mnt(`${PATH}/boot//firmware/`), firmware.fh);
  await assert.rejects(client.mnt(`${PATH}/boot/none`), status(STATUS.NOENT));
  await assert.rejects(client.mnt(`${PATH}/boot/..`), status(STATUS.ACCES));
  await assert.rejects(client.mnt(`${PATH}/file`), status(STATUS.NOTDIR));
  await assert.rejects(client.mnt("/nodes/pi02/secret"), status(STATUS.ACCES));
  assert.match((await event("denied")).why ?? "", /MOUNT was refused/);
  assert.equal(await client.dump(), false);
  assert.equal(await client.exports(), false);
  await client.mountNull();
  await client.umnt(PATH);
  await client.umntall();
  await event("unmounted", 2);
});

test("a long directory comes in many replies, each within what was asked for", async (t) => {
  const { client, root } = await mounted(t);
  for (let i = 0; i < 300; i++) await client.create(root, `file ${i}`);
  const names: string[] = [];
  for (let cookie = 0, eof = false; !eof; ) {
    const list = await client.readdir(root, cookie, 512);
    assert.ok(list.entries.length <= 13);
    names.push(...list.entries.map((e) => e.name));
    cookie = list.entries.at(-1)?.cookie ?? 0;
    eof = list.eof;
  }
  assert.equal(names.length, 302);
  assert.equal(new Set(names).size, 302);
  assert.equal((await client.list(root)).length, 302);
  const few = await client.readdirplus(root, 0, 65_536, 100);
  assert.ok(few.entries.length >= 2 && few.entries.length <= 4, "dircount bounds the names");
  for (const list of [client.readdir(root, 0, 100), client.readdirplus(root, 0, 100)])
    await assert.rejects(list, status(STATUS.TOOSMALL));
});

test("a long reply leaves before the next one is read: all lie in the same place, one after the other", async (t) => {
  const { client, root, tree } = await mounted(t);
  const { fh } = await client.create(root, "file");
  const bytes = Buffer.from(Uint8Array.from({ length: 4 * LONG }, (_, i) => i % 251));
  await client.write(fh, 0, bytes, 2);
  const places: [ArrayBufferLike, number][] = [];
  const { read } = tree;
  tree.read = (who, ino, offset, into) => {
    places.push([into.buffer, into.byteOffset]);
    return read.call(tree, who, ino, offset, into);
  };
  const parts = await Promise.all([0, 1, 2, 3].map((i) => client.read(fh, i * LONG, LONG)));
  assert.ok(Buffer.concat(parts.map(({ data }) => data)).equals(bytes));
  assert.deepEqual(
    places.map(([buffer, at]) => buffer === places[0]?.[0] && at === places[0]?.[1]),
    [true, true, true, true],
  );
});
