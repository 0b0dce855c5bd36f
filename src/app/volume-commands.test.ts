import assert from "node:assert/strict";
import { test } from "node:test";
import { callsOf } from "../api/calls.ts";
import { BrambleError, type Code } from "../base/errors.ts";
import { parseVolumeSpec } from "../fleet/disk-settings.ts";
import { fakeCore } from "./testing/fake-core.ts";
import { volumeCommands } from "./volume-commands.ts";
import { attachedVolumes, nodeVolumes } from "./volumes.ts";

const GIB = 2 ** 30;
const refused = (code: Code, words?: RegExp) => (error: unknown) => {
  assert.ok(error instanceof BrambleError, String(error));
  assert.equal(error.code, code);
  if (words) assert.match(`${error.message} ${error.hint}`, words);
  return true;
};

test("a volume is made, attached, detached and removed, and its file with it", async (t) => {
  const { core, running, node, disks, events } = await fakeCore(t);
  const pi = await node("10000001");
  const volumes = callsOf(volumeCommands(core, running));
  const made = await volumes.createVolume({ name: "media", size: GIB });
  assert.deepEqual(
    [made.size, made.fstype, made.mountpoint, made.node],
    [GIB, "ext4", "/srv/media", undefined],
  );
  assert.ok(disks.has(made.path));
  const attached = await volumes.attachVolume({ volume: "media", node: pi.name });
  assert.deepEqual([attached.node, attached.lun], [pi.name, 1]);
  await assert.rejects(
    volumes.removeVolume({ volume: "media" }),
    refused("VOLUME_IN_USE", /detach it first/),
  );
  assert.equal((await volumes.detachVolume({ volume: "media" })).node, undefined);
  await volumes.removeVolume({ volume: "media" });
  assert.deepEqual([await volumes.volumes({}), disks.size], [[], 0]);
  assert.match((await events(pi)).join("\n"), /attached: it has it from its next boot on[\s\S]*detached/);
});

test("a LUN number stays its volume's on a node, also after it was detached", async (t) => {
  const { core, node } = await fakeCore(t);
  const pi = await node("10000001");
  const volumes = callsOf(volumeCommands(core));
  for (const name of ["a", "b", "c"]) {
    await volumes.createVolume({ name, size: GIB });
    await volumes.attachVolume({ volume: name, node: pi.id });
  }
  await volumes.detachVolume({ volume: "b" });
  await volumes.createVolume({ name: "d", size: GIB });
  assert.equal((await volumes.attachVolume({ volume: "d", node: pi.id })).lun, 4, "2 is still b's");
  assert.equal((await volumes.attachVolume({ volume: "b", node: pi.id })).lun, 2);
  await volumes.detachVolume({ volume: "a" });
  await volumes.removeVolume({ volume: "a" });
  await volumes.createVolume({ name: "e", size: GIB });
  assert.equal(
    (await volumes.attachVolume({ volume: "e", node: pi.id })).lun,
    1,
    "a is gone, and its number free",
  );
  assert.deepEqual(
    (await attachedVolumes(core, pi)).map(({ lun, name }) => `${lun} ${name}`),
    ["1 e", "2 b", "3 c", "4 d"],
  );
});

test("one volume, one node; and one place, one volume", async (t) => {
  const { core, node } = await fakeCore(t);
  const [one, two] = [await node("10000001"), await node("10000002")];
  const volumes = callsOf(volumeCommands(core));
  await volumes.createVolume({ name: "a", size: GIB });
  await assert.rejects(volumes.createVolume({ name: "a", size: GIB }), refused("VOLUME_TAKEN"));
  await volumes.attachVolume({ volume: "a", node: one.id });
  await assert.rejects(
    volumes.attachVolume({ volume: "a", node: two.id }),
    refused("VOLUME_IN_USE", /detach a/),
  );
  await volumes.createVolume({ name: "b", size: GIB, mountpoint: "/srv/a" });
  await assert.rejects(
    volumes.attachVolume({ volume: "b", node: one.id }),
    refused("VOLUME_IN_USE", /--mount/),
  );
  const moved = await volumes.attachVolume({ volume: "b", node: one.id, mountpoint: "/srv/b" });
  assert.deepEqual([moved.mountpoint, moved.lun], ["/srv/b", 2]);
  await assert.rejects(volumes.volume({ volume: "z" }), refused("VOLUME_UNKNOWN", /there are: a, b/));
});

test("a volume that a node has open is not taken from it without force", async (t) => {
  const { core, running, node, disk } = await fakeCore(t);
  const pi = await node("10000001");
  const volumes = callsOf(volumeCommands(core, running));
  const { path } = await volumes.createVolume({ name: "a", size: GIB });
  await volumes.attachVolume({ volume: "a", node: pi.id });
  disk(path).busy = true;
  await assert.rejects(volumes.detachVolume({ volume: "a" }), refused("CLONE_BUSY", /shut the node down/));
  assert.equal((await volumes.volume({ volume: "a" })).node, pi.name);
  assert.equal((await volumes.detachVolume({ volume: "a", force: true })).node, undefined);
  await assert.rejects(volumes.removeVolume({ volume: "a" }), refused("CLONE_BUSY"));
  assert.equal((await volumes.volumes({})).length, 1, "a volume that cannot be removed stays in the book");
});

test("settings give each node its volumes, once; they outlive the node's being forgotten", async (t) => {
  const { core, node, calls } = await fakeCore(t);
  const pi = await node("10000001");
  await core.registry.patchProfile("default", { volumes: [parseVolumeSpec("data:1G:ext4:/srv/data")] });
  const wanted = [{ lun: 1, name: "data-10000001", label: "data", mountpoint: "/srv/data" }];
  const got = async () =>
    (await nodeVolumes(core, pi)).map(({ lun, name, label, mountpoint }) => ({
      lun,
      name,
      label,
      mountpoint,
    }));
  assert.deepEqual(await Promise.all([got(), got()]), [wanted, wanted]);
  assert.deepEqual(await got(), wanted);
  assert.equal(calls.filter((name) => name === "createVolume").length, 1);
  const volumes = callsOf(volumeCommands(core));
  await assert.rejects(volumes.detachVolume({ volume: "data" }), refused("VOLUME_IN_USE", /profile set/));
  await core.registry.forget(pi);
  const [left] = await volumes.volumes({});
  assert.deepEqual([left?.name, left?.node], ["data-10000001", undefined]);
  const again = await node("10000001");
  assert.equal((await nodeVolumes(core, again))[0]?.id, left?.id, "the same board finds it again");
  await core.registry.patchProfile("default", { volumes: [parseVolumeSpec("data:1G:ext4:/srv/other")] });
  assert.equal((await nodeVolumes(core, again))[0]?.mountpoint, "/srv/other");
});

test("bad volumes are refused before anything is made", async (t) => {
  const { core, disks } = await fakeCore(t);
  const volumes = callsOf(volumeCommands(core));
  for (const wish of [
    { name: "A", size: GIB },
    { name: "a", size: 7 },
    { name: "a", size: Number.NaN },
    { name: "a", size: GIB, fstype: "xfs" },
    { name: "a", size: GIB, mountpoint: "/srv/$(x)" },
  ])
    await assert.rejects(volumes.createVolume(wish), refused("BAD_INPUT"));
  assert.equal(disks.size, 0);
});
