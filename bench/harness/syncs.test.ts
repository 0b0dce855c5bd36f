import assert from "node:assert/strict";
import { closeSync, fdatasync, mkdtempSync, openSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { promisify } from "node:util";
import { countFdatasyncs, fdatasyncsOf } from "./syncs.ts";

test("a server's fdatasyncs are counted, also of those who imported the function by name", async () => {
  const folder = mkdtempSync(join(tmpdir(), "bramble-syncs-"));
  const clone = join(folder, "clone");
  assert.equal(fdatasyncsOf(clone), undefined);
  const write = countFdatasyncs(clone);
  const fd = openSync(clone, "w");
  const sync = promisify((done: (error: Error | null) => void) => fdatasync(fd, done));
  await sync();
  await sync();
  closeSync(fd);
  write();
  assert.equal(fdatasyncsOf(clone), 2);
  rmSync(folder, { recursive: true });
});
