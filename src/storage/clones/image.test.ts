import assert from "node:assert/strict";
import { test } from "node:test";
import { HostFile } from "./host-file.ts";
import { STALL_MS, WarmFile } from "./image.ts";
import { MIB, workshop } from "./testing/workshop.ts";
import { WarmMap } from "./warm.ts";

test("WarmMap knows what was touched, and forgets it after some minutes", () => {
  const map = new WarmMap(MIB);
  assert.equal(map.has(0, 1), false);
  map.tick(1_000_000);
  map.add(65535, 2);
  assert.equal(map.has(0, 131072), true);
  assert.equal(map.has(0, 131073), false);
  map.add(100 * MIB, 1); // beyond the size that it began with
  assert.equal(map.has(100 * MIB, 1), true);
  for (let minute = 1; minute <= 3; minute++) {
    assert.equal(map.has(0, 1), true, `after ${minute - 1} minutes`);
    map.tick(1_000_000 + minute * 60_000);
  }
  assert.equal(map.has(0, 1), false);
  for (let minute = 4; minute < 600; minute++) map.tick(1_000_000 + minute * 60_000);
  assert.equal(map.has(0, 1), false, "also when its clock comes round");
});

test("a cold block is read ahead once for all who ask, then read at once; a stall makes everything cold", async () => {
  const folder = workshop(MIB);
  let ahead = 0;
  class CountingFile extends HostFile {
    override warm(scratch: Uint8Array, offset: number) {
      ahead += scratch.length / 65536;
      return super.warm(scratch, offset);
    }
  }
  let now = 0;
  let took = 0;
  const clock = () => {
    now += took / 2;
    return now;
  };
  let diskReads = 0;
  const file = new WarmFile(new CountingFile(folder.image, "read"), MIB, clock, () => diskReads);
  try {
    assert.equal(file.isWarm(0, 4096), false);
    await Promise.all([file.warm(0, 4096), file.warm(4096, 4096), file.warm(60_000, 10_000)]);
    assert.equal(ahead, 2, "two blocks, whoever asks");
    assert.equal(file.isWarm(0, 131072), true);
    const into = new Uint8Array(4096);
    file.readNow(into, 8192);
    assert.deepEqual(into, folder.bytes.slice(8192, 12288));
    took = 3 * STALL_MS;
    file.readNow(into, 0);
    assert.equal(file.stalls, 0, "slow, but not for the disk");
    assert.equal(file.isWarm(65536, 1), true);
    diskReads += 8;
    file.readNow(into, 0);
    assert.equal(file.stalls, 1);
    assert.equal(file.isWarm(65536, 1), false);
  } finally {
    file.file.close();
    folder.remove();
  }
});
