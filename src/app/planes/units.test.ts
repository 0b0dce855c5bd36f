import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import type { Clone } from "../../storage/clones/clone.ts";
import { openClones } from "./open-clones.ts";
import { logicalUnits } from "./units.ts";

const ID = "6b0f3c1e-52f1-4a8e-9a53-0c9f1d2e3f40";

/** Units over a disk that reads as its own number, in a folder for the reservations. */
function world(t: TestContext) {
  const folder = mkdtempSync(join(tmpdir(), "units-"));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  let opened = 0;
  let size = 1 << 20;
  const clones = openClones(async () => {
    const number = ++opened;
    const toy = { id: ID, size, blockSize: 512, read: (into: Uint8Array) => void into.fill(number) };
    return { ...toy, close: async () => {} } as unknown as Clone;
  });
  t.after(() => clones.close());
  const disk = { lun: 0, path: join(folder, "n1.qcow2"), product: "CLONE" as const };
  return { clones, disk, grow: (to: number) => (size = to) };
}

test("a disk's serial and NAA follow from its id, and are what VPD pages hold", async (t) => {
  const { clones, disk } = world(t);
  const { serial, naa, size } = (await logicalUnits(clones).of(disk)).lun.unit.facts;
  assert.deepEqual([serial, naa >> 60n, size], ["6b0f3c1e52f14a8e", 3n, 1 << 20]);
  const again = (await logicalUnits(clones).of(disk)).lun.unit.facts;
  assert.equal(again.naa, naa, "a thread or process later");
});

test("a unit outlives the closing of its clone, and then reads the clone that is open now", async (t) => {
  const { clones, disk, grow } = world(t);
  const units = logicalUnits(clones);
  const first = (await units.of(disk)).lun;
  await clones.release(disk.path);
  const second = (await units.of(disk)).lun;
  assert.equal(second.unit, first.unit);
  const byte = new Uint8Array(1);
  await first.disk.read(byte, 0);
  assert.equal(byte[0], 2, "also through what a session got before");
  await clones.release(disk.path);
  grow(2 << 20);
  assert.equal((await units.of(disk)).lun.unit.facts.size, 2 << 20, "grown while nobody looked");
});

test("registrations with APTPL are there again after a restart", async (t) => {
  const { clones, disk } = world(t);
  const nexus = "iqn.2026-11.local.bramble:init-n1,i,0x000000000001";
  const { unit, save } = (await logicalUnits(clones).of(disk)).lun;
  unit.opened(nexus);
  const task = (cdb: number[], dataOut = new Uint8Array()) => ({
    ...{ tag: 1, nexus, cdb: new Uint8Array([...cdb, ...new Array(16 - cdb.length).fill(0)]), dataOut },
    attribute: "simple" as const,
  });
  unit.begin(task([0x00])); // TEST UNIT READY takes the unit attention away
  // PERSISTENT RESERVE OUT, REGISTER (SPC-4 6.16): the new key in bytes 8 to 15, APTPL in bit 0 of byte 20.
  const parameters = new Uint8Array(24);
  parameters.set([0xb5, 0xa4], 14);
  parameters[20] = 1;
  const orders = unit.begin(task([0x5f, 0, 0, 0, 0, 0, 0, 0, 24], parameters));
  const saving = orders.find((order) => order.do === "save");
  if (saving?.do !== "save") throw new Error(`no save among ${orders.map((order) => order.do)}`);
  await save(saving.reservations);
  const answer = unit.done(saving.handle, {})[0];
  assert.ok(answer?.do === "answer" && answer.status === 0);

  const later = (await logicalUnits(clones).of(disk)).lun.unit;
  later.opened(nexus);
  later.begin(task([0x00]));
  const [keys] = later.begin(task([0x5e, 0, 0, 0, 0, 0, 0, 0, 64])); // PERSISTENT RESERVE IN, READ KEYS (6.15.2)
  assert.ok(keys?.do === "answer" && keys.dataIn);
  assert.deepEqual([...keys.dataIn.subarray(4, 16)], [0, 0, 0, 8, 0, 0, 0, 0, 0, 0, 0xb5, 0xa4]);
});
