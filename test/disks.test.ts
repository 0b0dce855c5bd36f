import assert from "node:assert/strict";
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import type { Progress } from "../src/api/route.ts";
import { localCommands } from "../src/app/commands.ts";
import { openCore } from "../src/app/core.ts";
import { nodeVolumes } from "../src/app/volumes.ts";
import { LOCAL } from "../src/fleet/actor.ts";
import { parseVolumeSpec } from "../src/fleet/disk-settings.ts";
import { makeDemoImage } from "../src/storage/demo-image.ts";
import { needs, run } from "./tools.ts";

const MIB = 1 << 20;

/** A data folder with the demo image and one node that has a clone; commands as the CLI does them without a server. */
async function folder(t: TestContext, data = mkdtempSync(join(tmpdir(), "disks-"))) {
  const core = await openCore({ data, warn: (words) => t.diagnostic(words) });
  let open = true;
  const close = async () => {
    if (open) await core.close();
    open = false;
  };
  t.after(async () => {
    await close();
    rmSync(data, { recursive: true, force: true });
  });
  const commands = localCommands(core);
  if ((await commands.images({})).length === 0) {
    await makeDemoImage(join(data, "demo-1.img"));
    await commands.addImage({ source: join(data, "demo-1.img"), name: "demo:1" });
  }
  const node = core.registry.see({ serial: "10000001" }, 1)?.node;
  if (!node) throw new Error("no room for a node");
  await core.life.apply(node.id, ["enrol", "adopt"], LOCAL);
  await core.ensureClone(node);
  const tool = async (...words: string[]) => {
    const { uri } = await commands.serveClone({ node: node.id });
    return run("qemu-io", ["-f", "raw", ...words.flatMap((word) => ["-c", word]), uri]);
  };
  const events = async () => (await commands.events({ node: node.id })).map(({ words }) => words).join("\n");
  return { data, core, commands, node, tool, events, close };
}

test("snapshot, rollback and reset do to the bytes what they say", async (t) => {
  if (!needs(t, "qemu-io", "qemu-utils")) return;
  const { commands, node, tool, events } = await folder(t);
  const its = { node: node.id };
  await tool("write -P 1 42M 64k", "flush");
  await commands.snapshotClone({ ...its, name: "good" });
  await tool("write -P 2 42M 64k", "flush");
  const [listed] = await commands.clones({});
  assert.equal(listed?.snapshots, 1);
  assert.ok((listed?.sharedBytes ?? 0) >= 65_536, "what was frozen is told");
  await commands.rollbackClone({ ...its, snapshot: "good" });
  await tool("read -P 1 42M 64k");
  await commands.resetClone(its);
  await tool("read -P 0 42M 64k");
  await commands.rollbackClone({ ...its, snapshot: "good" });
  await tool("read -P 1 42M 64k");
  await commands.dropSnapshot({ ...its, snapshot: "good" });
  await commands.mergeClone(its);
  await tool("read -P 1 42M 64k");
  assert.match(await events(), /snapshot good was taken[\s\S]*went back to snapshot good[\s\S]*was reset/);
});

test("exports are the disk byte for byte, of now and of then", async (t) => {
  if (!needs(t, "qemu-io", "qemu-utils") || !needs(t, "qemu-img", "qemu-utils")) return;
  const { data, commands, node, tool, core, close } = await folder(t);
  const its = { node: node.id };
  await tool("write -P 1 42M 64k", "flush");
  await commands.snapshotClone({ ...its, name: "then" });
  await tool("write -P 2 42M 64k", "flush");
  const told: Progress[] = [];
  const to = (name: string) => join(data, name);
  await commands.exportClone({ ...its, to: to("now.img"), format: "raw" }, { progress: (p) => told.push(p) });
  await commands.exportClone({ ...its, to: to("now.qcow2"), format: "qcow2" });
  await commands.exportClone({ ...its, to: to("then.img"), format: "raw", snapshot: "then" });
  const last = told.at(-1);
  assert.deepEqual([last?.phase, last?.bytes], ["export", last?.total]);
  const byte = (name: string) => readFileSync(to(name))[42 * MIB];
  assert.deepEqual([byte("now.img"), byte("then.img")], [2, 1]);
  const stopped = AbortSignal.abort();
  await assert.rejects(commands.exportClone({ ...its, to: to("no.xz"), format: "xz" }, { signal: stopped }), {
    code: "CANCELLED",
  });
  assert.ok(!existsSync(to("no.xz")));
  const clone = core.data.clone(node.id);
  await close();
  run("qemu-img", ["compare", "-f", "raw", "-F", "qcow2", to("now.img"), to("now.qcow2")]);
  run("qemu-img", ["compare", "-f", "raw", "-F", "qcow2", to("now.img"), clone]);
});

test("a promoted disk is the next version of its image, and a clone of it has what was written", async (t) => {
  if (!needs(t, "qemu-io", "qemu-utils")) return;
  const { data, commands, node, tool } = await folder(t);
  const its = { node: node.id };
  await tool("write -P 7 41M 64k", "flush");
  const made = await commands.promoteClone({ ...its, clean: false });
  const { image } = made;
  assert.equal(`${image.name}:${image.version}`, "demo:2");
  assert.match(image.source, /the disk of pi-10000001, made of demo:1/);
  assert.match(made.notes.join(), /nothing was cleaned/);
  assert.equal(readFileSync(join(data, "images", `${image.sha256}.img`))[41 * MIB], 7);
  await commands.setNode({ ...its, patch: { image: "demo:2" } });
  assert.equal((await commands.rebaseClone({ ...its, discardChanges: true })).image, "demo:2");
  await tool("read -P 7 41M 64k");
  await assert.rejects(commands.removeImage({ image: "demo:2" }), { code: "IMAGE_IN_USE" });
});

test("an image that a snapshot stands on is not removed", async (t) => {
  if (!needs(t, "qemu-io", "qemu-utils")) return;
  const { commands, node, tool } = await folder(t);
  const its = { node: node.id };
  await commands.snapshotClone({ ...its, name: "old" });
  await tool("write -P 7 41M 64k", "flush");
  await commands.promoteClone({ ...its, name: "next:1", clean: false });
  await commands.rebaseClone({ ...its, image: "next:1", discardChanges: true });
  await assert.rejects(commands.removeImage({ image: "demo:1" }), {
    code: "IMAGE_IN_USE",
    message: /a snapshot/,
  });
  assert.equal((await commands.rollbackClone({ ...its, snapshot: "old" })).image, "demo:1");
});

test("an ephemeral node gets a fresh clone once a boot, after the old one was fenced, and boots from the image", async (t) => {
  if (!needs(t, "qemu-io", "qemu-utils")) return;
  const { core, commands, node, tool } = await folder(t);
  await tool("write -P 5 42M 64k", "flush");
  assert.equal(
    await core.freshClone(node, "boot-0", async () => assert.fail("fenced")),
    false,
    "not ephemeral",
  );
  await commands.setNode({ node: node.id, patch: { ephemeral: true, quota: 64 * MIB } });
  const order: string[] = [];
  const fence = async () => {
    order.push("fenced");
    assert.ok(existsSync(core.data.clone(node.id)), "the old clone is there until its boot has lost it");
  };
  assert.deepEqual(
    await Promise.all([core.freshClone(node, "boot-1", fence), core.freshClone(node, "boot-1", fence)]),
    [true, false],
  );
  assert.deepEqual(order, ["fenced"]);
  await tool("read -P 0 42M 64k", "write -P 6 42M 64k", "flush");
  assert.equal(await core.freshClone(node, "boot-1", fence), false, "the same boot asks again");
  await tool("read -P 6 42M 64k");
  const { path, disk } = await core.cloneDisk(node);
  assert.match(path, /images/);
  const byte = new Uint8Array(1);
  await disk.read(byte, 42 * MIB);
  assert.equal(byte[0], 0, "boot files come from the image");
  const [listed] = await commands.clones({});
  assert.deepEqual([listed?.ephemeral, listed?.quota], [true, 64 * MIB]);
});

test("a volume keeps its bytes over a reopen and a bigger size", async (t) => {
  if (!needs(t, "qemu-io", "qemu-utils")) return;
  const { data, core, commands, node, tool, close } = await folder(t);
  await core.registry.patchProfile("default", { volumes: [parseVolumeSpec("data:64M:ext4:/srv/data")] });
  const [made] = await nodeVolumes(core, node);
  const { path = "" } = made ?? {};
  assert.ok(statSync(path).size < 4 * MIB, "a volume takes what is written to it");
  await commands.resizeVolume({ volume: "data-10000001", size: 128 * MIB });
  await assert.rejects(commands.resizeVolume({ volume: "data-10000001", size: 64 * MIB }), {
    code: "BAD_INPUT",
  });
  await commands.resizeClone({ node: node.id, size: 1024 * MIB });
  await tool("write -P 9 1000M 64k", "flush");
  await commands.resetClone({ node: node.id });
  await commands.forgetNode({ node: node.id });
  await close();
  const again = await folder(t, data);
  const [found] = await nodeVolumes(again.core, again.node);
  assert.deepEqual([found?.id, found?.size, found?.lun], [made?.id, 128 * MIB, 1]);
});
