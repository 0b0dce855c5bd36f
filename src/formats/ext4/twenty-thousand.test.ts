import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import * as fs from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { compare, make, tools } from "../../../test/ext4-of-folder.ts";
import { fileOnDisk, scratch } from "../../../test/readers.ts";
import { run, which } from "../../../test/tools.ts";
import { openExt4 } from "../ext4.ts";

test("20,000 files are the same byte for byte and attribute by attribute, in hashed directories", async (t) => {
  if (!tools(t)) return;
  const root = join(scratch(t), "in");
  // Large folders as Debian's dpkg has one, and many small ones; mke2fs takes its time with large ones.
  for (let d = 0; d < 92; d++) {
    fs.mkdirSync(join(root, `folder-${d}`), { recursive: true });
    for (let i = 0; i < (d < 2 ? 999 : 199); i++) {
      const bytes = Buffer.alloc((i * 13) % 700, `${d}/${i} `);
      fs.writeFileSync(join(root, `folder-${d}`, `file number ${i}`), bytes, { mode: 0o400 | (i % 128) });
    }
  }
  const path = make(t, root, "140M", ["-t", "ext4", "-b", "4096", "-N", "24000"]);
  // Rebuilds the directories with their hash trees.
  spawnSync(which("e2fsck") ?? "", ["-fyD", path]);
  const listing = run("debugfs", ["-R", "htree_dump /folder-1", path]);
  assert.match(listing, /Root node dump/);
  const hashed = await openExt4(fileOnDisk(t, path));
  assert.equal(await compare(hashed, root), 20_000);
  assert.equal((await hashed.lookup("folder-1/file number 500"))?.size, (500 * 13) % 700);
});
