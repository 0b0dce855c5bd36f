import assert from "node:assert/strict";
import { test } from "node:test";
import { asBooted, bootAnswer } from "../fleet/boot-answer.ts";
import { rescueDisks } from "./agent-orders.ts";
import type { Core } from "./core.ts";
import { nodeDisks } from "./node-disks.ts";
import { fakeCore } from "./testing/fake-core.ts";

async function bench(t: Parameters<typeof fakeCore>[0]) {
  const fake = await fakeCore(t);
  const asked: { verb: string; name?: string; luns?: { lun: number }[] }[] = [];
  const disks = {
    async call(verb: string, args: object) {
      asked.push({ verb, ...args });
      return { ended: asked.filter((one) => one.verb === "exportIscsi").length > 1 ? 1 : 0 };
    },
  };
  const core = { ...fake.core, disks, newSecret: () => "s".repeat(64) } as unknown as Core;
  const node = await fake.node("10000001");
  const desk = nodeDisks(core, { nbd: () => 1, iscsi: () => 3260 });
  const clone = () =>
    core.book
      .insertInto("clone")
      .values({ nodeId: node.id, imageSha: "0".repeat(64), createdMs: 1, bootId: "b0" })
      .execute();
  return { fake, core, node, desk, asked, clone };
}
const AT = { bootId: "b2", address: "10.0.0.2", localAddress: "10.0.0.1" };

test("a rescue that asks for the node's disks has its clone as it is, by a login of its own, and the boot before loses it", async (t) => {
  const { fake, core, node, desk, asked, clone } = await bench(t);
  await clone();
  await desk.exportDisks(node, "b1", "10.0.0.9");
  const lines = await rescueDisks({ core, ...desk }, node, AT);
  assert.ok(lines.some(([key]) => key === "iscsi_target") && !lines.some(([key]) => /^volume_/.test(key)));
  assert.deepEqual(
    asked.map(({ verb, name, luns }) => [verb, name, luns?.map(({ lun }) => lun)]),
    [
      ["exportIscsi", `${node.id}/b1`, [0]],
      ["exportIscsi", `${node.id}/b2`, [0]],
    ],
    "no clone was made anew for it, though its root is ephemeral",
  );
  const events = await fake.events(node);
  assert.ok(events.includes("its rescue has its disks, unmounted: LUN 0 clone"), events.join("\n"));
  assert.ok(events.includes("a newer boot has logged in: the one before lost its disk"), events.join("\n"));
  const row = await core.book.selectFrom("openDisk").selectAll().executeTakeFirstOrThrow();
  assert.deepEqual([row.bootId, row.kind, row.address], ["b2", "iscsi", "10.0.0.2"], "a restart finds it");
});

test("a node without a disk gives its rescue none, and says so", async (t) => {
  const { fake, core, node, desk, asked } = await bench(t);
  assert.deepEqual(await rescueDisks({ core, ...desk }, node, AT), []);
  assert.deepEqual(asked, []);
  assert.match((await fake.events(node)).join("\n"), /no clone and no volume/);
});

test("only a rescue opens the node's disks beside another root, and only where that was asked for", async () => {
  const override = { once: true, by: "ann", atMs: 5 };
  const answer = (boot: "rescue" | "ram", disks?: true) =>
    bootAnswer("deployed", { ...override, boot, ...(disks && { disks }) });
  assert.equal(answer("rescue", true).disks, true);
  assert.equal(answer("rescue").disks, undefined);
  assert.equal(answer("ram", true).disks, undefined);
  assert.equal(asBooted({ state: "deployed" } as never, answer("rescue", true)).root, "ram");
});
