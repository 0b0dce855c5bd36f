import assert from "node:assert/strict";
import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { LOCAL } from "../../fleet/actor.ts";
import { anna, bed, booted, hosting, inventory, powerHand } from "../testing/life-words.ts";

test("a node's way through hosting: inspected, cleaned with records, reserved, deployed, released, clean again", async (t) => {
  const b = await bed(t);
  const power = powerHand(b);
  await b.life.setPolicy(hosting, LOCAL);
  const node = await b.board(1);
  await b.life.apply(node.id, "enrol", LOCAL);
  await assert.rejects(b.life.apply(node.id, "adopt", LOCAL), { code: "NODE_STATE" });
  await b.life.apply(node.id, "inspect", LOCAL);
  await b.life.settled();
  await b.hear(node.id, inventory());
  await b.life.settled();
  assert.equal(node.state, "ready");
  await b.life.apply(node.id, ["reserve", "deploy"], anna);
  await b.life.settled();
  await b.hear(node.id, booted());
  assert.deepEqual([node.state, node.owner], ["deployed", "anna"]);
  await b.registry.patch(node, { passwordHash: "$6$secret$hash", user: "anna" });
  await b.book.insertInto("secret").values({ nodeId: node.id, kind: "chap", value: "s3cret" }).execute();
  writeFileSync(join(b.root, "volumes/v1"), "hers");
  await b.book
    .insertInto("volume")
    .values({
      id: "v1",
      name: "v1",
      nodeId: node.id,
      spec: null,
      size: 1,
      fstype: "ext4",
      mountpoint: null,
      createdMs: 1,
    })
    .execute();
  await assert.rejects(b.life.apply(node.id, "release", { kind: "tenant", name: "bert" }), {
    code: "FORBIDDEN",
  });
  await b.life.apply(node.id, "release", anna);
  await b.life.settled();
  assert.deepEqual([node.state, node.owner, node.seed], ["ready", undefined, {}]);
  assert.equal(!existsSync(b.clone(node.id)) && !existsSync(join(b.root, "volumes/v1")), true);
  assert.deepEqual(await b.book.selectFrom("secret").selectAll().execute(), []);
  assert.deepEqual(power.asked, ["cycle", "off", "cycle", "soft off", "off"]);
  const words = await b.words(node);
  assert.match(words, /its boot firmware was NOT checked: the policy says that it need not be/);
  assert.match(
    words,
    /cleaning → ready, done by bramble: clone: its file is gone; tree: it has none; volumes: none is its; secrets: none is kept/,
  );
  assert.doesNotMatch(words, /s3cret|\$6\$/);
  const [, clean] = await b.book
    .selectFrom("lifeEvent")
    .selectAll()
    .where("to", "=", "ready")
    .orderBy("id")
    .execute();
  assert.equal((JSON.parse(clean?.args ?? "{}") as { records: unknown[] }).records.length, 6);
});

test("a node with a disk of its own is not called clean in hosting: it fails, and says that wiping is not to be had", async (t) => {
  const b = await bed(t);
  powerHand(b);
  await b.life.setPolicy({ ...hosting, localDisks: "refuse" }, LOCAL);
  const node = await b.board(1);
  await b.life.apply(node.id, ["enrol", "inspect"], LOCAL);
  await b.life.settled();
  await b.hear(node.id, inventory([{ name: "nvme0n1", bytes: 256e9, readOnly: false, model: "SSD" }]));
  await b.life.settled();
  assert.equal(node.state, "clean_failed");
  assert.match(
    await b.words(node),
    /its own disks: nvme0n1 \(256 GB\): Bramble cannot wipe a board's own disk yet \(NOT_AVAILABLE\)/,
  );
  await b.life.setPolicy(hosting, LOCAL);
  await b.life.apply(node.id, "clean", LOCAL);
  await b.life.settled();
  assert.equal(node.state, "ready", "a person has decided that they stay as they are");
  assert.match(await b.words(node), /its own disks: NOT looked at: the policy leaves them/);
});

test("a cleaning believes nothing: what was ordered to go and is still there fails it", async (t) => {
  const b = await bed(t);
  const node = await b.board(1);
  await b.registry.patch(node, {});
  const volume = { nodeId: node.id, size: 1, fstype: "ext4", mountpoint: null, createdMs: 1 };
  await b.book
    .insertInto("volume")
    .values({ ...volume, id: "v", name: "v", spec: "data" })
    .execute();
  b.life.does("dropVolumes", async () => undefined);
  await b.life.apply(node.id, "release", LOCAL);
  await b.life.settled();
  assert.equal(node.state, "clean_failed");
  assert.match(await b.words(node), /is not clean: volumes: 1 left/);
});

test("in hosting a node that nobody can switch off is not released behind a running system's back", async (t) => {
  const b = await bed(t);
  const node = await b.board(1);
  await b.life.setPolicy(hosting, LOCAL);
  await b.life.apply(node.id, "release", LOCAL);
  await b.life.settled();
  assert.equal(node.state, "release_failed");
  assert.match(await b.words(node), /no power driver is bound to it, so nobody knows that it is off/);
});

test("at home a volume that somebody made by hand is detached, and stays", async (t) => {
  const b = await bed(t);
  const node = await b.board(1);
  const volume = { nodeId: node.id, size: 1, fstype: "ext4", mountpoint: null, createdMs: 1 };
  for (const [id, spec] of [
    ["mine", null],
    ["given", "data"],
  ] as const) {
    writeFileSync(join(b.root, "volumes", id), "x");
    await b.book
      .insertInto("volume")
      .values({ ...volume, id, name: id, spec })
      .execute();
  }
  await b.life.apply(node.id, "release", LOCAL);
  await b.life.settled();
  assert.equal(node.state, "ready");
  assert.deepEqual(await b.book.selectFrom("volume").select(["id", "nodeId"]).execute(), [
    { id: "mine", nodeId: null },
  ]);
  assert.equal(existsSync(join(b.root, "volumes/mine")) && !existsSync(join(b.root, "volumes/given")), true);
});
