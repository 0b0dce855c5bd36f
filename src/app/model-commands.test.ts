import assert from "node:assert/strict";
import { test } from "node:test";
import { modeNotes } from "./model-commands.ts";
import { modelFolder } from "./testing/model-folder.ts";

const by = { kind: "operator", name: "ann" } as const;

test("labels go to all that a selector or hostlist means, or to none", async (t) => {
  const { commands, core, board, events } = await modelFolder(t);
  const [a, b] = [board(1), board(2)];
  await core.registry.patch(a, { place: { rack: "3" } });
  const done = await commands.labelNodes(
    { select: `${a.name},${b.name}`, labels: { gpu: "", row: "b" } },
    { by },
  );
  assert.deepEqual(done.nodes, [a.name, b.name]);
  await commands.labelNodes({ select: "rack=3,row=b", labels: { row: null } }, { by });
  assert.deepEqual([a.labels, b.labels], [{ gpu: "" }, { gpu: "", row: "b" }]);
  await assert.rejects(commands.labelNodes({ select: "gpu=*", labels: { "a b": "" } }), {
    code: "BAD_INPUT",
  });
  await assert.rejects(commands.labelNodes({ select: "nobody", labels: { x: "" } }), {
    code: "NODE_UNKNOWN",
  });
  assert.deepEqual(a.labels, { gpu: "" });
  assert.match(await events(), /labels: gpu, row, by ann/);
});

test("a group stands between a profile and its nodes, and is told so setting by setting", async (t) => {
  const f = await modelFolder(t);
  const { commands, core, board } = f;
  const [a, b] = [board(1), board(2)];
  await core.registry.patchProfile("default", {
    root: "nbd",
    user: "pi",
    image: "p:1",
    passwordHash: "$6$a$b",
  });
  await commands.setTemplates({ profile: "default", patch: { values: { vlan: "1", zone: "z" } } });
  await commands.addGroup({ group: "rack-3", patch: { about: "the third rack" } }, { by });
  const patch = { image: "g:1", user: "op", values: { vlan: "3" }, volumes: [volume("data")] };
  await commands.setGroup({ group: "rack-3", patch });
  await commands.joinGroup({ group: "rack-3", select: a.name }, { by });
  await core.registry.patch(a, { image: "n:1", values: { vlan: "33" } });
  assert.deepEqual(
    [core.registry.resolve(a), core.registry.resolve(b)].map(({ image, root, seed }) => [
      image,
      root,
      seed.user,
    ]),
    [
      ["n:1", "nbd", "op"],
      ["p:1", "nbd", "pi"],
    ],
  );
  const { settings, group } = await commands.nodeSettings({ node: a.name });
  const of = (name: string) => settings.find((one) => one.name === name);
  assert.equal(group, "rack-3");
  assert.deepEqual(of("image"), {
    ...{ name: "image", value: "n:1", from: "node" },
    over: [
      { value: "g:1", from: "group rack-3" },
      { value: "p:1", from: "profile default" },
    ],
  });
  assert.deepEqual([of("value.vlan")?.value, of("value.vlan")?.from], ["33", "node"]);
  assert.deepEqual([of("value.zone")?.from, of("root")?.from], ["profile default", "profile default"]);
  assert.equal(of("volume.data")?.from, "group rack-3");
  assert.equal(of("ephemeral")?.from, "bramble");
  assert.equal(of("passwordHash")?.value, "(set)");
  assert.doesNotMatch(JSON.stringify([settings, await commands.groups({})]), /\$6\$/);

  await assert.rejects(commands.removeGroup({ group: "rack-3" }), { code: "GROUP_IN_USE" });
  await assert.rejects(commands.addGroup({ group: "rack-3" }), { code: "GROUP_TAKEN" });
  await assert.rejects(commands.joinGroup({ group: "rack-4", select: a.name }), { code: "GROUP_UNKNOWN" });
  await assert.rejects(commands.addGroup({ group: "Rack 3" }), { code: "BAD_INPUT" });
  await assert.rejects(commands.setGroup({ group: "rack-3", patch: { root: "floppy" as never } }), {
    code: "BAD_INPUT",
  });
  const before = (await commands.group({ group: "rack-3" })).version;
  await f.close();
  const again = await modelFolder(t, f.path);
  const kept = await again.commands.group({ group: "rack-3" });
  assert.deepEqual([kept.nodes, kept.version, kept.values], [[a.name], before, { vlan: "3" }]);
  await again.commands.leaveGroup({ group: "rack-3", select: "*" });
  await again.commands.removeGroup({ group: "rack-3" });
  assert.deepEqual(await again.commands.groups({}), []);
});

const volume = (name: string) => ({ name, size: 1 << 30, fstype: "ext4" as const, mountpoint: "/data" });

test("the address plan: drawn by rack, kept over a restart, another's word comes first, and a proxy says what it cannot do", async (t) => {
  const f = await modelFolder(t);
  const { commands, core, board } = f;
  const [a, b] = [board(1), board(2)];
  await commands.addAddressPool(
    { pool: "rack-3", from: "10.3.0.10", to: "10.3.0.11", for: "rack=3" },
    { by },
  );
  await commands.addAddressPool({ pool: "bmc", from: "10.4.0.1", to: "10.4.0.9", kind: "management" });
  await core.registry.patch(a, { place: { rack: "3" } });
  await core.registry.patch(b, { place: { rack: "3" } });
  const plan = await commands.addresses({});
  assert.deepEqual(
    plan.rows.map(({ client, clientFrom, management }) => [client, clientFrom, management]),
    [
      ["10.3.0.10", "pool rack-3", "10.4.0.1"],
      ["10.3.0.11", "pool rack-3", "10.4.0.2"],
    ],
  );
  assert.match(plan.notes.join(), /DHCP proxy.*--mode full/);
  assert.equal(core.registry.addresses.ownerOf("10.3.0.10"), a);
  await core.registry.patch(b, { address: "10.3.0.10" });
  assert.equal(core.registry.addresses.ownerOf("10.3.0.10"), b);
  assert.deepEqual(a.planned?.client, { address: "10.3.0.11", pool: "rack-3" });
  await assert.rejects(core.registry.patch(a, { address: "10.3.0.10" }), { code: "ADDRESS_TAKEN" });
  await assert.rejects(core.registry.patch(a, { management: "10.3.0.10" }), { code: "ADDRESS_TAKEN" });
  await assert.rejects(core.registry.patch(b, { management: "10.3.0.10" }), { code: "ADDRESS_TAKEN" });
  await assert.rejects(commands.addAddressPool({ pool: "x", from: "10.3.0.11", to: "10.3.0.12" }), {
    code: "ADDRESS_POOL_TAKEN",
  });
  await f.close();
  const again = await modelFolder(t, f.path);
  assert.equal((await again.commands.addresses({ select: a.name })).rows[0]?.client, "10.3.0.11");
  const shown = await again.commands.addressPools({});
  assert.deepEqual(
    shown.map(({ name, size, used }) => [name, size, used]),
    [
      ["bmc", 9, 2],
      ["rack-3", 2, 1],
    ],
  );
  await again.commands.setAddressPool({ pool: "rack-3", from: "10.3.1.1", to: "10.3.1.9" });
  assert.equal((await again.commands.addresses({ select: a.name })).rows[0]?.client, "10.3.1.1");
  await again.commands.removeAddressPool({ pool: "rack-3" });
  assert.equal((await again.commands.addresses({ select: a.name })).rows[0]?.client, undefined);
  await assert.rejects(again.commands.removeAddressPool({ pool: "rack-3" }), {
    code: "ADDRESS_POOL_UNKNOWN",
  });
  assert.match(modeNotes(["off"]).join(), /DHCP is off/);
  assert.deepEqual(modeNotes(["full"]), []);
  assert.match(modeNotes(undefined).join(), /No server runs/);
});

test("a node that moves to another rack has an address there at once, and nobody else's moves", async (t) => {
  const { commands, core, board } = await modelFolder(t);
  const [a, b, c] = [board(1), board(2), board(3)];
  await commands.addAddressPool({ pool: "rack-1", from: "10.1.0.1", to: "10.1.0.2", for: "rack=1" });
  await commands.addAddressPool({ pool: "rack-2", from: "10.2.0.1", to: "10.2.0.1", for: "rack=2" });
  const move = (node: typeof a, rack: string | null) => core.registry.patch(node, { place: { rack } });
  const has = () => [a, b, c].map(({ planned }) => planned?.client?.address ?? "-").join(" ");
  await move(a, "1");
  await move(b, "1");
  await move(c, "1");
  assert.equal(has(), "10.1.0.1 10.1.0.2 -");
  await move(a, "2");
  assert.equal(has(), "10.2.0.1 10.1.0.2 -");
  await move(b, "2");
  assert.equal(has(), "10.2.0.1 - -", "one address, and it is taken");
  const { trouble } = await commands.addresses({});
  assert.deepEqual(
    [has(), trouble.map(({ node }) => node)],
    ["10.2.0.1 - 10.1.0.1", [b.name]],
    "who waited has what is free",
  );
  await move(a, null);
  assert.equal(has(), "- - 10.1.0.1");
  await core.registry.settled();
  const rows = await core.book.selectFrom("node").select(["name", "planned"]).orderBy("name").execute();
  assert.deepEqual(
    rows.map(({ planned }) => planned !== null),
    [false, false, true],
  );
});

test("two nodes cannot be put in one slot, on one port, or behind one management MAC", async (t) => {
  const { core, board } = await modelFolder(t);
  const [a, b] = [board(1), board(2)];
  const place = { rack: "3", unit: "1", slot: "1", switch: "sw", port: "1" };
  await core.registry.patch(a, { place, managementMac: "02-00-00-00-00-01" });
  await assert.rejects(core.registry.patch(b, { place: { rack: "3", unit: "1", slot: "1" } }), {
    code: "PLACE_TAKEN",
    message: `${a.name} is at rack 3, unit 1, slot 1 already`,
  });
  await assert.rejects(core.registry.patch(b, { place: { switch: "sw", port: "1" } }), {
    code: "PLACE_TAKEN",
  });
  await assert.rejects(core.registry.patch(b, { managementMac: "02:00:00:00:00:01" }), { code: "BAD_INPUT" });
  await assert.rejects(core.registry.patch(b, { managementMac: a.mac ?? "" }), { code: "BAD_INPUT" });
  assert.equal(b.place, undefined, "nothing of what was refused is kept");
  assert.equal(core.registry.addresses.managedBy("02:00:00:00:00:01"), a);
  await core.registry.patch(a, { place: null });
  await core.registry.patch(b, { place });
});
