import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import type { BrambleError } from "../base/errors.ts";
import { type Node, type Profile, resolveNode } from "../fleet/node.ts";
import { openBook } from "../storage/book.ts";
import type { ImageManifest } from "../storage/images/manifest.ts";
import { checkTreeImage, nodeTrees } from "./node-trees.ts";

const NODE = { id: "10000001", serial: "10000001", name: "pi-1", seed: {} } as unknown as Node;
const SHA = "ab".repeat(32);

const image = (filesystem: string) =>
  ({
    ...{ name: "debian", version: "13", sha256: SHA },
    facts: { rootPartition: 2, partitions: [{ number: 2, filesystem }] },
  }) as unknown as ImageManifest;

/** Trees over a real book, with a plane that only remembers; `dies` has its next call of that name fail. */
async function stand(t: TestContext, settings: Partial<Profile> = {}) {
  const folder = mkdtempSync(join(tmpdir(), "trees-"));
  const book = await openBook(join(folder, "book.db"));
  t.after(async () => {
    await book.destroy();
    rmSync(folder, { recursive: true });
  });
  mkdirSync(join(folder, "images"));
  const manifest = { ...image("ext4"), aliases: [], addedAt: "2026-01-01T00:00:00Z" };
  writeFileSync(join(folder, "images", `${SHA}.json`), JSON.stringify(manifest));
  const base: Profile = { name: "default", root: "nfs", seed: {}, ...settings };
  const calls: string[] = [];
  const told: string[] = [];
  let dies = "";
  let secrets = 0;
  const core = {
    book,
    data: { root: folder },
    journal: { event: (_: string, __: string, words: string) => told.push(words) },
    registry: { resolve: (node: Node) => resolveNode(node, base) },
    imageOf: async () => image("ext4"),
    newSecret: () => (++secrets).toString(16).padStart(64, "0"),
    trees: {
      async call(
        name: string,
        args: { steps?: unknown[]; bytes?: number | null; durability?: string | null },
      ) {
        if (name === dies) {
          dies = "";
          throw new Error("the plane died");
        }
        if (name === "lookupIn" || name === "openIn") return undefined;
        if (name === "listIn") return [];
        if (name === "treeFacts") return { image: SHA };
        const told = args.bytes ?? args.durability;
        calls.push(told === undefined ? name : `${name} ${told}`);
        return undefined;
      },
    },
  } as unknown as Parameters<typeof nodeTrees>[0];
  const rows = () => book.selectFrom("tree").selectAll().execute();
  return { trees: nodeTrees(core), base, calls, told, rows, kill: (name: string) => (dies = name) };
}

test("a tree is made once, settled, and told of, however many ask at the same moment", async (t) => {
  const { trees, calls, told, rows } = await stand(t, { quota: 1 << 30 });
  const [one, two] = await Promise.all([trees.ensureTree(NODE), trees.ensureTree(NODE)]);
  assert.deepEqual(one, two);
  assert.deepEqual(calls, ["removeTree", "createTree", "settleTree"]);
  assert.match(told.join(), /^a tree over debian:13 was made for it: host name pi-1$/);
  const [row] = await rows();
  assert.deepEqual([row?.number, row?.settled, row?.imageSha], [one.number, 1, SHA]);
  await trees.applyTreeQuota(NODE);
  assert.equal(calls.at(-1), `setTreeQuota ${1 << 30}`);
});

test("a tree is kept as its node's settings say from the next boot on: the plane first, then the book and one event; a new one tells of no change", async (t) => {
  const { trees, base, calls, told, rows, kill } = await stand(t, { nfsDurability: "fast" });
  assert.equal(await trees.applyTreeDurability(NODE), "fast", "without a tree there is nothing to tell");
  await trees.ensureTree(NODE);
  assert.equal((await rows())[0]?.durability, "fast");
  [calls.length, told.length] = [0, 0];
  assert.equal(await trees.applyTreeDurability(NODE), "fast");
  assert.deepEqual([calls, told], [[], []]);
  base.nfsDurability = "durable";
  kill("setTreeDurability");
  await assert.rejects(trees.applyTreeDurability(NODE), /died/);
  assert.deepEqual([(await rows())[0]?.durability, told], ["fast", []], "the next boot does it again");
  assert.equal(await trees.applyTreeDurability(NODE), "durable");
  await trees.applyTreeDurability(NODE);
  assert.deepEqual(calls, ["setTreeDurability durable"]);
  assert.deepEqual(told, [
    "its root is durable from this boot on: a change is answered when it is on the disk",
  ]);
  delete base.nfsDurability;
  assert.equal(await trees.applyTreeDurability(NODE), undefined);
  assert.equal(calls.at(-1), "setTreeDurability null");
  assert.equal((await rows())[0]?.durability, null);
  assert.match(told.at(-1) ?? "", /as --nfs-durability of the server says/);
});

for (const name of ["createTree", "settleTree"]) {
  test(`a kill in ${name} leaves no half tree: the next one makes it anew, under another number`, async (t) => {
    const { trees, calls, rows, kill } = await stand(t);
    kill(name);
    await assert.rejects(trees.ensureTree(NODE), /died/);
    const [half] = await rows();
    assert.equal(half?.settled, 0);
    calls.length = 0;
    const made = await trees.ensureTree(NODE);
    assert.equal(made.made, true);
    assert.deepEqual(calls, ["removeTree", "createTree", "settleTree"]);
    assert.notEqual(made.number, half?.number, "no handle of another tree leads into it");
  });
}

test("a removal that was cut short is done again; what is not there is not", async (t) => {
  const { trees, calls, rows, kill } = await stand(t);
  assert.equal(await trees.removeTree(NODE), false);
  assert.deepEqual(calls, [], "the plane is not begun for it");
  await trees.ensureTree(NODE);
  kill("removeTree");
  await assert.rejects(trees.removeTree(NODE), /died/);
  assert.equal((await rows())[0]?.settled, 0, "nobody takes it for whole");
  assert.equal(await trees.removeTree(NODE), true);
  assert.deepEqual(await rows(), []);
});

test("an ephemeral tree is one boot's: made anew for the next, after the one before has lost it", async (t) => {
  const { trees, rows } = await stand(t, { ephemeral: true });
  let fenced = 0;
  const fence = async () => void fenced++;
  assert.equal(await trees.freshTree(NODE, "b1", fence), true);
  assert.equal(await trees.freshTree(NODE, "b1", fence), false);
  const [first] = await rows();
  assert.equal(await trees.freshTree(NODE, "b2", fence), true);
  const [second] = await rows();
  assert.equal(fenced, 1);
  assert.notEqual(second?.number, first?.number);
  assert.equal((await trees.ensureTree(NODE)).number, second?.number);
});

test("an image without an ext4 root is refused in words", () => {
  checkTreeImage(image("ext4"));
  const refused = (code: string, words: RegExp) => (error: unknown) =>
    (error as BrambleError).code === code && words.test((error as BrambleError).message);
  assert.throws(
    () => checkTreeImage(image("btrfs")),
    refused("NFS_IMAGE", /is btrfs: an NFS root needs ext4/),
  );
  const none = { ...image("ext4"), facts: { partitions: [] } } as unknown as ImageManifest;
  assert.throws(() => checkTreeImage(none), refused("NFS_IMAGE", /no root partition/));
});
