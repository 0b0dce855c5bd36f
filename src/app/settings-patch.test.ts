import assert from "node:assert/strict";
import { test } from "node:test";
import type { Profile } from "../fleet/node.ts";
import { applySettings, type ProfilePatch } from "./settings-patch.ts";

test("the durability of an NFS root is set, taken back by null, and refused with what there is where it is neither", () => {
  const profile: Profile = { name: "default", root: "nfs", seed: {} };
  applySettings(profile, { nfsDurability: "fast" });
  assert.equal(profile.nfsDurability, "fast");
  const bad = { image: "other:1", nfsDurability: "quick" } as unknown as ProfilePatch;
  assert.throws(() => applySettings(profile, bad), {
    code: "BAD_INPUT",
    message: "quick is no durability of an NFS root",
    hint: "one of durable, fast",
  });
  assert.deepEqual([profile.nfsDurability, profile.image], ["fast", undefined], "nothing of it has effect");
  applySettings(profile, { nfsDurability: null });
  assert.equal("nfsDurability" in profile, false);
});
