import assert from "node:assert/strict";
import { mkdirSync, writeFileSync } from "node:fs";
import { test } from "node:test";
import type { Profile, RootMode } from "../fleet/node.ts";
import { imageFile } from "../storage/images/manifest.ts";
import type { BootSource } from "./boot-source.ts";
import { nodeClones } from "./node-clones.ts";
import { fakeCore } from "./testing/fake-core.ts";

test("bootSource(): a clone, a tree or the image itself, by the node's root", async (t) => {
  const { core, node, calls } = await fakeCore(t);
  const one = await node("10000001");
  const sha256 = "ab".repeat(32);
  const manifest = {
    name: "demo",
    version: "1",
    sha256,
    size: 1024,
    aliases: [],
    addedAt: "2026-01-01T00:00:00Z",
    facts: { kernels: [], partitions: [] },
  };
  mkdirSync(`${core.data.root}/images`, { recursive: true });
  writeFileSync(`${core.data.root}/images/${sha256}.json`, JSON.stringify(manifest));
  writeFileSync(imageFile(core.data.root, sha256), Buffer.alloc(1024));
  const trees: string[] = [];
  const { bootSource } = nodeClones(core, async ({ id }) => {
    trees.push(id);
    return { path: "tree" } as unknown as BootSource;
  });
  const from = async (root: RootMode, settings: Partial<Profile> = {}) => {
    calls.length = 0;
    const source = await bootSource({ ...one, image: "demo:1", root, ...settings }).catch(
      (error: Error) => error,
    );
    return source instanceof Error ? source.message : source.path;
  };
  assert.equal(await from("nfs"), "tree");
  assert.equal(await from("nfs", { ephemeral: true }), imageFile(core.data.root, sha256));
  assert.equal(await from("external"), imageFile(core.data.root, sha256));
  assert.deepEqual(calls, [], "no clone is made for a root that is elsewhere");
  assert.deepEqual(trees, [one.id]);
});
