import assert from "node:assert/strict";
import { existsSync, mkdirSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { callsOf } from "../api/calls.ts";
import { BrambleError, type Code } from "../base/errors.ts";
import { type ImageManifest, imageFile, writeManifest } from "../storage/images/manifest.ts";
import { fromHere } from "./cli/session.ts";
import { cloneCommands } from "./clone-kinds.ts";
import type { Core } from "./core.ts";
import { fakeCore } from "./testing/fake-core.ts";

const refused = (code: Code, words?: RegExp) => (error: unknown) => {
  assert.ok(error instanceof BrambleError, String(error));
  assert.equal(error.code, code);
  if (words) assert.match(`${error.message} ${error.hint}`, words);
  return true;
};
const CONTEXT = fromHere();

async function image(core: Core, version: string, digit: string): Promise<string> {
  const sha256 = digit.repeat(64);
  mkdirSync(join(core.data.root, "images/incoming"), { recursive: true });
  const facts = { partitions: [], kernels: [], models: [], notes: [] } as unknown as ImageManifest["facts"];
  await writeManifest(core.data.root, {
    ...{ sha256, sourceSha256: sha256, name: "os", version, aliases: [], size: 1 << 30, allocated: 0 },
    ...{ source: "test", addedAt: "2026-11-01T00:00:00.000Z", facts },
  });
  return sha256;
}

test("clone list says what is own, what snapshots hold, and the quota", async (t) => {
  const { core, node, disk } = await fakeCore(t);
  const pi = await node("10000001", await image(core, "1", "a"));
  const clones = callsOf(cloneCommands(core));
  disk(core.data.clone(pi.id)).quota = 1 << 20;
  await clones.snapshotClone({ node: pi.name, name: "before" });
  const [one] = await clones.clones({});
  assert.deepEqual(
    [one?.image, one?.ownBytes, one?.sharedBytes, one?.quota, one?.snapshots, one?.inUse],
    ["os:1", 4096, 8192, 1 << 20, 1, false],
  );
});

test("an unknown snapshot is refused with those that are", async (t) => {
  const { core, node } = await fakeCore(t);
  const pi = await node("10000001", await image(core, "1", "a"));
  const clones = callsOf(cloneCommands(core));
  const back = () => clones.rollbackClone({ node: pi.id, snapshot: "befor" });
  await assert.rejects(back(), refused("SNAPSHOT_UNKNOWN", /it has none: bramble clone snapshot/));
  await clones.snapshotClone({ node: pi.id, name: "before" });
  await assert.rejects(back(), refused("SNAPSHOT_UNKNOWN", /there are: before/));
  const away = { node: pi.id, to: "/nowhere/x", format: "raw", snapshot: "x" } as const;
  await assert.rejects(clones.exportClone(away, CONTEXT), refused("SNAPSHOT_UNKNOWN"));
  await assert.rejects(clones.dropSnapshot({ node: pi.id, snapshot: "x" }), refused("SNAPSHOT_UNKNOWN"));
});

test("rollback, reset and rebase refuse while the node runs, and say what to do; with force its disk goes first", async (t) => {
  const { core, running, node, disk, dropped, calls } = await fakeCore(t);
  const pi = await node("10000001", await image(core, "1", "a"));
  await image(core, "2", "b");
  const clones = callsOf(cloneCommands(core, running));
  await clones.snapshotClone({ node: pi.id, name: "before" });
  const path = core.data.clone(pi.id);
  const verbs = [
    (force: boolean) => clones.rollbackClone({ node: pi.id, snapshot: "before", force }),
    (force: boolean) => clones.rebaseClone({ node: pi.id, image: "os:2", discardChanges: true, force }),
    (force: boolean) => clones.resetClone({ node: pi.id, force, dropSnapshots: true }),
  ];
  for (const [i, verb] of verbs.entries()) {
    disk(path).busy = true;
    calls.length = 0;
    await assert.rejects(verb(false), refused("CLONE_BUSY", /shut it down first.*--force/));
    assert.deepEqual(
      calls.filter((name) => !/facts|listSnapshots/.test(name)),
      [],
      "nothing was touched",
    );
    assert.equal(dropped.length, i);
    await verb(true);
    assert.equal(dropped.length, i + 1);
  }
  await assert.rejects(clones.clone({ node: pi.id }), refused("CLONE_UNKNOWN"));
});

test("a reset keeps the snapshots, and takes the image that the node is set to", async (t) => {
  const { core, node, disk, calls } = await fakeCore(t);
  const [one, two] = [await image(core, "1", "a"), await image(core, "2", "b")];
  const pi = await node("10000001", one);
  const clones = callsOf(
    cloneCommands({ ...core, imageOf: async () => ({ sha256: two, size: 1 << 30 }) as ImageManifest }),
  );
  await clones.snapshotClone({ node: pi.id, name: "before" });
  await clones.resetClone({ node: pi.id });
  assert.equal((await clones.snapshots({ node: pi.id })).length, 1);
  assert.deepEqual(
    [disk(core.data.clone(pi.id)).image, (await clones.clone({ node: pi.id })).image],
    [two, "os:2"],
  );
  disk(core.data.clone(pi.id)).image = one; // the snapshot stands on the old one
  assert.equal((await clones.rollbackClone({ node: pi.id, snapshot: "before" })).image, "os:1");
  assert.ok(!calls.includes("removeClone"));
  await clones.resetClone({ node: pi.id, dropSnapshots: true });
  await assert.rejects(clones.clone({ node: pi.id }), refused("CLONE_UNKNOWN"));
});

test("a rebase is for stateless roots, or said out loud", async (t) => {
  const { core, node, disk } = await fakeCore(t);
  const [one, two] = [await image(core, "1", "a"), await image(core, "2", "b")];
  const pi = await node("10000001", one);
  const clones = callsOf(cloneCommands(core));
  const rebase = (discardChanges = false) =>
    clones.rebaseClone({ node: pi.id, image: "os:2", discardChanges });
  await assert.rejects(rebase(), refused("BAD_INPUT", /--discard-changes/));
  assert.equal((await clones.clone({ node: pi.id })).image, "os:1");
  assert.equal((await rebase(true)).image, "os:2");
  assert.equal(disk(core.data.clone(pi.id)).image, two);
  await core.registry.patch(pi, { ephemeral: true });
  assert.equal((await clones.rebaseClone({ node: pi.id, image: "os:1" })).image, "os:1");
});

test("an export appears whole beside nothing, and replaces nothing unasked", async (t) => {
  const { core, node } = await fakeCore(t);
  const pi = await node("10000001", await image(core, "1", "a"));
  const clones = callsOf(cloneCommands(core));
  const to = join(core.data.root, "out.img");
  const away = (force?: boolean, place = to) =>
    clones.exportClone({ node: pi.id, to: place, format: "raw", ...(force && { force }) }, CONTEXT);
  assert.deepEqual(await away(), { path: to, bytes: 5 });
  assert.equal(readFileSync(to, "utf8"), "bytes");
  await assert.rejects(away(), refused("BAD_INPUT", /--force replaces it/));
  await away(true);
  assert.deepEqual(
    readdirSync(core.data.root).filter((name) => name.includes("part")),
    [],
  );
  await assert.rejects(
    away(false, join(core.data.root, "no/folder/x")),
    refused("BAD_INPUT", /nothing can be written/),
  );
  await assert.rejects(away(false, "relative"), refused("BAD_INPUT"));
  const odd = { node: pi.id, to: `${to}2`, format: "vmdk" as "raw" };
  await assert.rejects(clones.exportClone(odd, CONTEXT), refused("BAD_INPUT", /raw, qcow2, xz/));
});

test("a quota is a setting of the node, told to the plane at once", async (t) => {
  const { core, node, disk } = await fakeCore(t);
  const pi = await node("10000001", await image(core, "1", "a"));
  const clones = callsOf(cloneCommands(core));
  assert.equal((await clones.setCloneQuota({ node: pi.id, quota: 8 << 20 })).quota, 8 << 20);
  assert.deepEqual([pi.quota, disk(core.data.clone(pi.id)).quota], [8 << 20, 8 << 20]);
  assert.equal((await clones.setCloneQuota({ node: pi.id, quota: null })).quota, undefined);
  await assert.rejects(clones.setCloneQuota({ node: pi.id, quota: 5 }), refused("BAD_INPUT"));
});

test("a promotion asks for its name before it copies", async (t) => {
  const { core, node, calls } = await fakeCore(t);
  const pi = await node("10000001", await image(core, "1", "a"));
  await image(core, "7", "b");
  const clones = callsOf(cloneCommands(core));
  const promote = (more: object) => clones.promoteClone({ node: pi.id, ...more }, CONTEXT);
  await assert.rejects(promote({ name: "os:7" }), refused("IMAGE_NAME_TAKEN", /os:2/));
  await assert.rejects(promote({ name: "No Name" }), refused("BAD_INPUT"));
  await assert.rejects(promote({ keep: ["socks"] }), refused("BAD_INPUT", /machine-id/));
  assert.ok(!calls.includes("promoteClone"));
  assert.ok(!existsSync(imageFile(core.data.root, "c".repeat(64))));
});
