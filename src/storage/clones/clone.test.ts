import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { faulty, limited } from "../disks.ts";
import { diskContract } from "../testing/disk-contract.ts";
import { type OpenOptions, openClone } from "./clone.ts";
import { checkQcow2 } from "./testing/check.ts";
import { cloneOf, MIB, workshop } from "./testing/workshop.ts";

/** The contract, over a clone: with and without journal, an image that ends inside a cluster, a larger disk. */
for (const [name, more, options] of [
  ["a clone", {}, {}],
  ["a clone larger than its image", { imageSize: 2 * MIB + 1536, size: 4 * MIB + 512 }, {}],
  ["a clone without journal", { imageSize: 3 * MIB + 512 }, { journal: false }],
] as const)
  diskContract(name, async () => {
    const { folder, bytes, path } = await cloneOf(more);
    const disk = await openClone(path, options as OpenOptions);
    return {
      disk,
      bytes,
      async close() {
        await disk.close();
        assert.deepEqual(new Uint8Array(readFileSync(folder.image)), bytes, "the image has not changed");
        assert.deepEqual(checkQcow2(path), { corruptions: [], leaks: 0 });
        folder.remove();
      },
    };
  });

diskContract("a limit over faults over a clone", async () => {
  const { folder, bytes, path } = await cloneOf({});
  const clone = await openClone(path);
  return {
    disk: limited(faulty(clone, { seed: 3 }), { mbPerSecond: 1e6 }),
    bytes,
    async close() {
      await clone.close();
      folder.remove();
    },
  };
});

test("createClone() makes a clone of 32 GiB in milliseconds of CPU and kilobytes", async () => {
  const folder = workshop(MIB);
  try {
    const times: number[] = [];
    for (let i = 0; i < 9; i++) {
      const before = process.cpuUsage(); // what a busy disk adds is for the bench to tell
      await folder.clone(`${i}.qcow2`, { size: 32 * 1024 * MIB });
      const { user, system } = process.cpuUsage(before);
      times.push((user + system) / 1000);
    }
    assert.ok(Math.min(...times) < 10, `fastest ${Math.min(...times)} ms`);
    const clone = await openClone(folder.path("0.qcow2"), { readOnly: true });
    assert.equal(clone.size, 32 * 1024 * MIB);
    assert.ok(clone.ownBytes() <= 64 * 1024, `${clone.ownBytes()} bytes`);
    await clone.close();
    assert.deepEqual(checkQcow2(folder.path("0.qcow2")), { corruptions: [], leaks: 0 });
  } finally {
    folder.remove();
  }
});
