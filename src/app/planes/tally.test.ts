import assert from "node:assert/strict";
import { test } from "node:test";
import type { Disk } from "../../base/disk.ts";
import { BLOCK_MS, blockTally, TRANSFER_MS, tftpTally } from "./tally.ts";

test("tftpTally() counts requests by how they ended, and starts anew when it was asked", () => {
  const tally = tftpTally();
  assert.equal(tally.take(), undefined);
  const event = { client: { address: "10.0.0.1", port: 1 }, path: "x", at: 0 };
  tally.count({ ...event, kind: "read" });
  tally.count({ ...event, kind: "sent", bytes: 1000, ms: 30, retransmits: 2 });
  tally.count({ ...event, kind: "missing" });
  tally.count({ ...event, kind: "timeout", bytes: 10, retransmits: 5 });
  const { tftp } = tally.take() ?? {};
  assert.deepEqual(tftp?.results, { sent: 1, missing: 1, timeout: 1 });
  assert.equal(tftp?.bytes, 1010);
  assert.equal(tftp?.retransmits, 7);
  assert.equal(tftp?.transfers.buckets[TRANSFER_MS.indexOf(50)], 1);
  assert.equal(tally.take(), undefined);
});

test("blockTally() counts what a disk is asked, whether it is done at once, later or never", async () => {
  const disk: Disk = {
    size: 4096,
    blockSize: 512,
    read() {},
    write: async () => {},
    zero: () => Promise.reject(new Error("broken")),
    trim() {},
    flush() {},
    status: () => [],
  };
  const tally = blockTally();
  const counted = tally.disk("nbd", () => disk);
  assert.equal(counted.size, 4096);
  counted.read(new Uint8Array(512), 0);
  await counted.write(new Uint8Array(1024), 0);
  await assert.rejects(async () => counted.zero(0, 512), /broken/);
  counted.flush();
  const { block = {} } = tally.take() ?? {};
  assert.deepEqual(Object.keys(block).sort(), ["nbd flush", "nbd read", "nbd write"]);
  assert.equal(block["nbd read"]?.buckets[0], 1);
  assert.equal(block["nbd write"]?.bytes, 1024);
  assert.equal(block["nbd read"]?.buckets.length, BLOCK_MS.length + 1);
  assert.equal(tally.take(), undefined);
});
