import assert from "node:assert/strict";
import * as fs from "node:fs";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import fc from "fast-check";
import { make, tools } from "../../../test/ext4-of-folder.ts";
import { bytesOnDisk, fileOnDisk, scratch } from "../../../test/readers.ts";
import { steps } from "./fuzz-steps-testing.ts";
import { Fuzz } from "./fuzz-testing.ts";
import { emptyLower, MemoryKeep } from "./keep-testing.ts";
import { openExt4Lower } from "./lower-ext4.ts";

/** `BRAMBLE_FUZZ=SEED:RUNS` looks at other runs than those of every day. */
const [SEED, RUNS] = (process.env["BRAMBLE_FUZZ"] ?? "").split(":").map(Number);

test("any run of operations on an empty tree ends as POSIX says, also after a restart", async () => {
  await fc.assert(
    fc.asyncProperty(steps(120), fc.boolean(), async (todo, slow) => {
      const keep = new MemoryKeep();
      keep.slow = slow;
      await (await Fuzz.begin(emptyLower(), keep)).run(todo);
    }),
    { seed: SEED || 7, numRuns: RUNS || 150 },
  );
});

/** Directories, files of all lengths, holes, links of both kinds, other owners. */
function folder(t: TestContext): string {
  const root = scratch(t);
  const bytes = (length: number) => Uint8Array.from({ length }, (_, i) => 1 + ((i * 7 + (i >> 8)) % 255));
  fs.chmodSync(root, 0o777);
  fs.mkdirSync(join(root, "image/deep/deeper"), { recursive: true });
  fs.mkdirSync(join(root, "a"), { mode: 0o1777 });
  fs.chmodSync(join(root, "a"), 0o1777);
  for (const [i, length] of [0, 1, 4095, 4096, 4097, 10_000, 70_001].entries())
    fs.writeFileSync(join(root, "image", "abcdefg"[i] as string), bytes(length), { mode: 0o640 + i });
  fs.linkSync(join(root, "image/c"), join(root, "image/deep/b"));
  fs.writeFileSync(join(root, "a/a"), bytes(5000));
  fs.chmodSync(join(root, "a/a"), 0o6755);
  fs.symlinkSync("/image/deep", join(root, "d"));
  const sparse = fs.openSync(join(root, "sparse"), "w");
  fs.writeSync(sparse, bytes(5000), 0, 5000, 100_000);
  fs.ftruncateSync(sparse, 200_000);
  fs.closeSync(sparse);
  if (process.getuid?.() === 0) {
    for (const path of ["a/a", "image", "image/b", "image/c"]) fs.chownSync(join(root, path), 1000, 50);
    fs.chmodSync(join(root, "image"), 0o2775);
    fs.chmodSync(join(root, "a/a"), 0o6755);
  }
  return root;
}

for (const options of [
  ["-t", "ext4"],
  ["-t", "ext4", "-O", "inline_data", "-b", "1024"],
  ["-t", "ext2"],
])
  test(`the same over an image (mke2fs ${options.join(" ")}), of which not a byte changes`, async (t) => {
    if (!tools(t)) return;
    const path = make(t, folder(t), "8M", options);
    const before = fs.readFileSync(path);
    const disk = fileOnDisk(t, path);
    await fc.assert(
      fc.asyncProperty(steps(120), fc.boolean(), fc.boolean(), async (todo, cold, slow) => {
        // A disk that is always slow, and a cache that forgets most.
        const lower = cold
          ? await openExt4Lower(bytesOnDisk(before), 6000)
          : await openExt4Lower(disk, 1 << 24);
        const keep = new MemoryKeep();
        keep.slow = slow;
        await (await Fuzz.begin(lower, keep)).run(todo);
      }),
      { seed: SEED || 11, numRuns: RUNS || 60 },
    );
    assert.ok(fs.readFileSync(path).equals(before));
  });
