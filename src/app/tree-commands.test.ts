// What users do with NFS roots, over real trees and an image made of a tar file; only the thread between is left out.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import * as fs from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { scratch } from "../../test/readers.ts";
import { needs, run } from "../../test/tools.ts";
import { callsOf } from "../api/calls.ts";
import type { Node } from "../fleet/node.ts";
import { imageFile } from "../storage/images/manifest.ts";
import { addImage, findImage } from "../storage/images.ts";
import { openTrees } from "../storage/trees/trees.ts";
import { fromHere } from "./cli/session.ts";
import { cloneCommands } from "./clone-kinds.ts";
import type { Core } from "./core.ts";
import { nodeTrees } from "./node-trees.ts";
import { treeVerbs } from "./planes/nfs-verbs.ts";
import { treeImages } from "./planes/tree-images.ts";
import { listIn, lookupIn, settleIn } from "./planes/tree-look.ts";
import { fakeCore } from "./testing/fake-core.ts";

const CONTEXT = fromHere();
const ROOT = { mode: 0o644, uid: 0, gid: 0 };
const FSTAB = "PARTUUID=0-01 /boot/firmware vfat defaults 0 2\nPARTUUID=0-02 / ext4 defaults 0 1\n";

/** A system with boot files, as an image of the data folder. */
async function systemImage(t: TestContext, data: string) {
  const from = scratch(t);
  for (const folder of ["boot/firmware", "etc", "usr/bin", "var"])
    fs.mkdirSync(join(from, folder), { recursive: true });
  fs.writeFileSync(join(from, "boot/firmware/config.txt"), "arm_64bit=1\n");
  fs.writeFileSync(join(from, "boot/firmware/kernel8.img"), "the old kernel");
  fs.writeFileSync(join(from, "etc/fstab"), FSTAB);
  fs.writeFileSync(join(from, "etc/hostname"), "image\n");
  fs.writeFileSync(join(from, "etc/motd"), "hello");
  fs.writeFileSync(join(from, "usr/bin/tool"), "x".repeat(9000), { mode: 0o755 });
  const tar = join(scratch(t), "os-1.tar");
  execFileSync("tar", ["--owner=0", "--group=0", "--numeric-owner", "-cf", tar, "-C", from, "."]);
  return addImage({ data, source: tar, name: "os:1" });
}

async function bench(t: TestContext) {
  const fake = await fakeCore(t);
  const { book, registry, journal } = fake.core;
  const data = { ...fake.core.data, trees: fs.mkdtempSync(join(tmpdir(), "trees-")) };
  const image = await systemImage(t, data.root);
  const images = treeImages(data.root);
  const house = await openTrees({
    ...{ folder: data.trees, durability: "fast", openLower: images.lower },
    trouble: (error) => assert.fail(error),
  });
  const used = new Set<string>();
  const inside = async (id: string) => (await house.tree(id)).inside;
  const verbs = treeVerbs({ trees: async () => house, lower: images.lower, isUsed: (id) => used.has(id), folder: data.trees }); // biome-ignore format: one line
  const handlers: Record<string, (args: never, progress: () => void) => unknown> = {
    ...verbs,
    createTree: (args: { id: string; image: string }) => house.create(args),
    removeTree: ({ id }: { id: string }) => house.remove(id),
    treeFacts: ({ id }: { id: string }) => house.facts(id),
    setTreeQuota: ({ id, bytes }: { id: string; bytes: number | null }) =>
      house.setQuota(id, bytes ?? undefined),
    lookupIn: async ({ id, path }: { id: string; path: string }) => lookupIn(await inside(id), path),
    listIn: async ({ id, path }: { id: string; path: string }) => listIn(await inside(id), path),
    openIn: async ({ id, path }: { id: string; path: string }) => (await inside(id)).open(path),
    async readIn({ id, ino, offset, length }: { id: string; ino: number; offset: number; length: number }) {
      const bytes = new Uint8Array(length);
      await (await (await inside(id)).open(ino))?.read(bytes, offset);
      return bytes;
    },
    async settleTree({ id, steps }: { id: string; steps: never }) {
      await settleIn(await inside(id), steps);
      await (await house.tree(id)).settled();
    },
  };
  const trees = {
    async call(name: string, args: never) {
      const handler = handlers[name];
      assert.ok(handler, name);
      return handler(args, () => {});
    },
  };
  let secrets = 0;
  const parts = {
    ...fake.core,
    data,
    trees,
    imageOf: async () => image,
    newSecret: () => `${++secrets}`.padStart(64, "a"),
  };
  const core = { ...parts, ...nodeTrees({ ...parts, data, book, registry, journal } as never), job: (_: never, call: (job: string) => unknown) => call("j") } as unknown as Core; // biome-ignore format: one line
  t.after(async () => {
    await house.close();
    await images.close();
    fs.rmSync(data.trees, { recursive: true });
  });
  const seen = registry.see({ serial: "10000001", mac: "dc:a6:32:00:00:01" }, 1);
  const node = seen?.node as Node;
  await registry.patch(node, { root: "nfs" } as never);
  await core.ensureTree(registry.byId(node.id) as Node);
  const dropped: string[] = [];
  const running = { ...fake.running, async dropDisk() { dropped.push("dropped"); used.clear(); } }; // biome-ignore format: one line
  const clones = callsOf(cloneCommands(core, running as never));
  return { core, data, clones, node: node.name, id: node.id, inside, house, used, dropped, image };
}

const tools = (t: TestContext) => needs(t, "mke2fs", "e2fsprogs") && needs(t, "tar", "tar");

test("snapshots of a tree: taken, listed, gone back to; a node that runs keeps its root unless it is taken from it", async (t) => {
  if (!tools(t)) return;
  const { clones, node, id, inside, used, dropped } = await bench(t);
  await clones.snapshotClone({ node, name: "before" });
  await (await inside(id)).put("etc/motd", Buffer.from("spoilt"), ROOT);
  const [one] = await clones.clones({});
  assert.deepEqual([one?.kind, one?.image, one?.snapshots, one?.inUse], ["tree", "os:1", 1, false]);
  assert.ok((one?.ownBytes ?? 0) > 0);
  used.add(id);
  await assert.rejects(clones.rollbackClone({ node, snapshot: "before" }), { code: "CLONE_BUSY" });
  await assert.rejects(clones.rollbackClone({ node, snapshot: "none" }), { code: "SNAPSHOT_UNKNOWN" });
  await clones.rollbackClone({ node, snapshot: "before", force: true });
  assert.deepEqual(dropped, ["dropped"]);
  const motd = await (await inside(id)).open("etc/motd");
  const bytes = new Uint8Array(motd?.size ?? 0);
  await motd?.read(bytes, 0);
  assert.equal(Buffer.from(bytes).toString(), "hello");
  await clones.dropSnapshot({ node, snapshot: "before" });
  assert.deepEqual(await clones.snapshots({ node }), []);
});

test("a reset keeps the snapshots, and the tree is its node's again", async (t) => {
  if (!tools(t)) return;
  const { clones, node, id, inside } = await bench(t);
  const settled = await (await inside(id)).look("etc/hostname");
  await clones.snapshotClone({ node, name: "kept" });
  await (await inside(id)).put("var/new", Buffer.from("x"), ROOT);
  await (await inside(id)).remove("etc/hostname");
  await clones.resetClone({ node });
  assert.equal(await (await inside(id)).look("var/new"), undefined);
  assert.equal((await (await inside(id)).look("etc/hostname"))?.size, settled?.size);
  assert.deepEqual(
    (await clones.snapshots({ node })).map(({ name }) => name),
    ["kept"],
  );
});

test("what a node has changed is told by path; what makes no sense for files is refused with what does", async (t) => {
  if (!tools(t)) return;
  const { clones, node, id, inside, house } = await bench(t);
  const settled = (await clones.diffClone({ node })).entries.map(({ what, path }) => `${what} ${path}`);
  assert.deepEqual(settled.filter((line) => !line.startsWith("added /var/lib")), ["changed /etc/fstab", "changed /etc/hostname", "added /etc/hosts"]); // biome-ignore format: one line
  const tree = await inside(id);
  await tree.put("boot/firmware/kernel8.img", Buffer.from("a newer kernel"), ROOT);
  await tree.remove("etc/motd");
  const { entries, totals, image } = await clones.diffClone({ node });
  const lines = entries.map(
    ({ what, path, kind, size, before }) => `${what} ${path} ${kind} ${before}>${size}`,
  );
  assert.ok(lines.includes("changed /boot/firmware/kernel8.img file 14>14"), lines.join("\n"));
  assert.ok(lines.includes("removed /etc/motd file 5>0"));
  assert.deepEqual([image, totals.removed], ["os:1", 1]);
  assert.deepEqual(house.snapshots(id), [], "what was read from a moment of it has gone");
  const to = "/nowhere/x.img";
  await assert.rejects(clones.exportClone({ node, to, format: "raw" }, CONTEXT), {
    code: "BAD_INPUT",
    hint: /--format tar/,
  });
  for (const verb of [clones.serveClone({ node }), clones.rebaseClone({ node }), clones.resizeClone({ node, size: 1 << 30 }), clones.mergeClone({ node }, CONTEXT)]) // biome-ignore format: one line
    await assert.rejects(verb, { code: "NOT_AVAILABLE" });
});

test("an exported tree is a tar file, a promoted one an image that boots from what the node has in its boot folder", async (t) => {
  if (!tools(t) || !needs(t, "mtype", "mtools")) return;
  const { core, data, clones, node, id, inside, image } = await bench(t);
  const tree = await inside(id);
  await tree.put("boot/firmware/kernel8.img", Buffer.from("a newer kernel"), ROOT);
  await tree.put("usr/bin/tool", Buffer.from("a newer tool"), { mode: 0o750, uid: 7, gid: 8 });
  const to = join(scratch(t), "out.tar");
  const { bytes } = await clones.exportClone({ node, to, format: "tar" }, CONTEXT);
  assert.equal(fs.statSync(to).size, bytes);
  const listed = run("tar", ["--numeric-owner", "-tvf", to]);
  assert.match(listed, /^-rwxr-x--- 7\/8\s+12 .* usr\/bin\/tool$/m);
  assert.equal(run("tar", ["-xOf", to, "boot/firmware/kernel8.img"]), "a newer kernel");
  const { image: made, cleaned, notes } = await clones.promoteClone({ node }, CONTEXT);
  assert.equal(`${made.name}:${made.version}`, "os:2");
  assert.ok(cleaned.length > 0);
  assert.match(notes.join("\n"), /fstab names the partitions/);
  const path = imageFile(data.root, (await findImage(data.root, "os:2")).sha256);
  const { partitions, diskId, bootPartition, rootPartition } = made.facts;
  assert.deepEqual(
    [diskId, bootPartition, rootPartition],
    [image.facts.diskId, 1, 2],
    "the same ids: PARTUUIDs hold",
  );
  const drive = `${path}@@${partitions[0]?.offset}`;
  assert.equal(run("mtype", ["-i", drive, "::kernel8.img"]), "a newer kernel");
  const root = join(scratch(t), "root.ext4");
  run("dd", [
    "status=none",
    `if=${path}`,
    `of=${root}`,
    "bs=1M",
    `skip=${(partitions[1]?.offset ?? 0) >> 20}`,
    "conv=sparse",
  ]);
  run("e2fsck", ["-fn", root]);
  assert.match(
    run("debugfs", ["-R", "stat /usr/bin/tool", root]),
    /Mode:\s+0750[\s\S]*User:\s+7\s+Group:\s+8/,
  );
  assert.match(run("debugfs", ["-R", "cat /etc/fstab", root]), new RegExp(`^PARTUUID=${diskId}-01 /boot/firmware vfat defaults 0 2\nPARTUUID=${diskId}-02 / ext4`)); // biome-ignore format: one line
  const again = await core.imageOf({} as Node);
  assert.equal(again.sha256, image.sha256, "the node's own image is what it was");
});
