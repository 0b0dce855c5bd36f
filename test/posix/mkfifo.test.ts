import assert from "node:assert/strict";
import { makes, owns } from "./common.ts";
import type { User } from "./user.ts";
import { group } from "./world.ts";

group("mkfifo", [
  ...makes("mkfifo()", (user, path) => user.mknod(path, "fifo", { mode: 0o644 })),
  ...owns("mkfifo()", (user, path) => user.mknod(path, "fifo", { mode: 0o644 })),
  ...[0o644, 0o151, 0o000, 0o777].map((mode) => ({
    promises: `mkfifo() with mode ${mode.toString(8)} makes a pipe of that mode`,
    check: async ({ ann }: { ann: User }) => {
      await ann.mknod("pipe", "fifo", { mode });
      const { kind, mode: got, nlink, size } = await ann.lstat("pipe");
      assert.deepEqual([kind, got, nlink, size], [7, mode, 1, 0]);
    },
  })),
]);
