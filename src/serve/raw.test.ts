import assert from "node:assert/strict";
import { test } from "node:test";
import { openRaw } from "./raw.ts";

test("openRaw() without an interface says what that costs, but on loopback, where no board hangs and nothing is missed", async () => {
  const away = await openRaw(undefined, "10.0.0.1");
  const home = await openRaw(undefined, "127.0.0.1");
  if (process.platform === "linux") assert.deepEqual(home.lost, []);
  assert.ok(away.lost.length > 0);
  assert.ok(away.lost.every(({ why, costs }) => why !== "" && costs !== ""));
});
