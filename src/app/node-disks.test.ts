import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import type { Node } from "../fleet/node.ts";
import { openBook } from "../storage/book.ts";
import type { Core } from "./core.ts";
import { nodeDisks } from "./node-disks.ts";

const NODE = { id: "10000001", name: "pi" } as Node;

/** A node with one volume; what the disk plane was told is kept, and nodeDisks can be had again as after a restart. */
async function bench(t: TestContext) {
  const folder = mkdtempSync(join(tmpdir(), "node-disks-"));
  const book = await openBook(join(folder, "book.db"));
  t.after(async () => {
    await book.destroy();
    rmSync(folder, { recursive: true });
  });
  const told: string[] = [];
  interface Args {
    name: string;
    address: string;
    path: string;
    luns?: { lun: number; path: string }[];
  }
  let secrets = 0;
  const core = {
    book,
    newSecret: () => `${++secrets}`.padStart(64, "0"),
    data: { clone: () => "clone", volume: (id: string) => id },
    journal: { event() {} },
    registry: { byId: () => NODE },
    freshClone: async () => false,
    ensureClone: async () => ({ path: "clone" }),
    disks: {
      async call(what: string, { name, address, path, luns }: Args) {
        if (what === "facts") return { size: 7 };
        const disks = luns ? luns.map((one) => `${one.lun}=${one.path}`).join(" ") : path;
        told.push(`${what} ${name} to ${address}: ${disks}`);
        return { ended: 0 };
      },
    },
  } as unknown as Core;
  await book.insertInto("clone").values({ nodeId: NODE.id, imageSha: "x", createdMs: 0 }).execute();
  const volume = async (id: string, lun: number) => {
    const row = { id, name: id, nodeId: NODE.id, spec: null, size: 1, fstype: "ext4", mountpoint: "/srv" };
    await book
      .insertInto("volume")
      .values({ ...row, createdMs: 0 })
      .execute();
    await book.insertInto("lun").values({ nodeId: NODE.id, lun, volumeId: id }).execute();
  };
  await volume("v1", 1);
  const disks = () => nodeDisks(core, { nbd: () => 1, iscsi: () => 2 });
  const since = () => told.splice(0);
  return { book, disks, volume, since };
}

test("a boot with an NBD root has both doors again after a restart: its clone by one, its volumes by the other", async (t) => {
  const { disks, volume, since } = await bench(t);
  const before = disks();
  await before.exportNbd(NODE, "b1", "10.0.0.7");
  const { luns } = await before.exportVolumes(NODE, "b1", "10.0.0.7");
  assert.deepEqual(luns, [{ lun: 1, path: "v1", product: "VOLUME" }], "one clone, one way to it");
  const both = ["export 10000001/b1 to 10.0.0.7: clone", "exportIscsi 10000001/b1 to 10.0.0.7: 1=v1"];
  assert.deepEqual(since(), both);
  const after = disks();
  assert.equal(await after.restore(), 1);
  assert.deepEqual(since(), both);
  await volume("v2", 2);
  await after.lunsChanged(NODE);
  assert.deepEqual(since(), ["exportIscsi 10000001/b1 to 10.0.0.7: 1=v1 2=v2"]);
  await after.moved({ kind: "moved", name: "10000001/b1", address: "10.0.0.9" });
  assert.deepEqual(since(), ["exportIscsi 10000001/b1 to 10.0.0.9: 1=v1 2=v2"]);
  await disks().restore();
  assert.match(
    since()[0] ?? "",
    /^export 10000001\/b1 to 10\.0\.0\.7/,
    "NBD stays where its token came from",
  );
});

test("what the boot before had open does not come back with a newer one's volumes", async (t) => {
  const { disks, since } = await bench(t);
  await disks().exportNbd(NODE, "b1", "10.0.0.7");
  await disks().exportVolumes(NODE, "b2", "10.0.0.7");
  since();
  await disks().restore();
  assert.deepEqual(since(), ["exportIscsi 10000001/b2 to 10.0.0.7: 1=v1"]);
  await disks().exportIscsi(NODE, "b3", "10.0.0.8");
  since();
  await disks().restore();
  assert.deepEqual(since(), ["exportIscsi 10000001/b3 to 10.0.0.8: 0=clone 1=v1"]);
});

test("the volumes of a node without a clone are there again after a restart", async (t) => {
  const { book, disks, since } = await bench(t);
  await book.deleteFrom("clone").execute();
  await disks().exportVolumes(NODE, "b1", "10.0.0.7");
  since();
  assert.equal(await disks().restore(), 1);
  assert.deepEqual(since(), ["exportIscsi 10000001/b1 to 10.0.0.7: 1=v1"]);
});
