import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import type { Boot } from "../fleet/boots.ts";
import { type Node, type Profile, resolveNode } from "../fleet/node.ts";
import { NO_TEMPLATES } from "../fleet/profiles.ts";
import { openBook } from "../storage/book.ts";
import { sha256 } from "./boot-files.ts";
import { nfsRoots } from "./nfs-roots.ts";

const A = "10.0.0.7";
const B = "10.0.0.8";
const NODE = {
  ...{ id: "10000001", name: "pi-1", profile: "default", seed: {}, mac: "dc:a6:32:00:00:01" },
  ...{ state: "deployed", firstSeenMs: 0, lastSeenMs: 0, version: 1, stateSinceMs: 0, attempt: 0 },
} as Node;
const OTHER = { ...NODE, id: "10000002", name: "pi-2" };
const TOKEN = "ab".repeat(32);
const path = (token = TOKEN, id = NODE.id) => `/nodes/${id}/${token}`;

/** Roots over a real book, with a plane that only remembers; the tree has no systemd, so that nothing can report. */
async function stand(t: TestContext, settings: Partial<Profile> = {}) {
  const folder = mkdtempSync(join(tmpdir(), "roots-"));
  const book = await openBook(join(folder, "book.db"));
  t.after(async () => {
    await book.destroy();
    rmSync(folder, { recursive: true });
  });
  const base: Profile = { name: "default", root: "nfs", seed: {}, ...settings };
  const told: string[] = [];
  const steps: string[] = [];
  const calls: string[] = [];
  let secrets = 0;
  let fresh = "";
  const trees = {
    async call(name: string, args: Record<string, unknown>) {
      if (name === "lookupIn" || name === "openIn") return undefined;
      if (name === "listIn") return [];
      const words = [name, args["bootId"], args["address"], args["durability"]];
      calls.push(name === "settleTree" ? name : words.filter((one) => one !== undefined).join(" "));
      return { ended: false };
    },
  };
  const core = {
    ...{ book, trees },
    newSecret: () => String(++secrets).padStart(64, "0"),
    journal: {
      event: (kind: string, id: string | undefined, words: string) =>
        told.push(`${id ?? "-"} ${kind}: ${words}`),
    },
    registry: {
      byId: (id: string) => [NODE, OTHER].find((node) => node.id === id),
      resolve: (node: Node) => resolveNode(node, base),
      groups: { get: () => undefined },
      all: () => [NODE],
    },
    profiles: {
      templates: () => NO_TEMPLATES,
      version: () => 1,
      secrets: () => new Map(),
      cluster: () => undefined,
      index: () => 0,
      nextIndex: () => 0,
      frozen: { of: async () => undefined },
    },
    ensureTree: async () => ({ number: 5, salt: 9, made: false }),
    async applyTreeDurability(node: Node) {
      const { nfsDurability } = resolveNode(node, base);
      await book
        .updateTable("tree")
        .set({ durability: nfsDurability ?? null })
        .execute();
      return nfsDurability;
    },
    async freshTree(_: Node, bootId: string, fence: () => Promise<void>) {
      if (!base.ephemeral || fresh === bootId) return false;
      fresh = bootId;
      await fence();
      return true;
    },
  };
  await book
    .insertInto("tree")
    .values({
      nodeId: NODE.id,
      salt: 9,
      imageSha: "00",
      createdMs: 1,
      bootId: null,
      settled: 1,
      durability: null,
    })
    .execute();
  const tokens = new Map([["b1", { nodeId: NODE.id, hashes: [sha256(TOKEN)] }]]);
  let boot = { id: "b1" } as Boot | undefined;
  const options = {
    ...{ core, tokens, sessions: new Map(), now: () => 7 },
    door: async () => 2049,
    current: () => boot,
    seen: (node: Node) => node,
    used: async () => {},
    heard: async (_: Node, bootId: string, { fact }: { fact: string }) =>
      void steps.push(`${bootId} ${fact}`),
    ended: () => void steps.push("ended"),
    serverUrl: async () => "http://10.0.0.1:8441",
    whose: (address: string) => (address === B ? OTHER : undefined),
    step: (_: Node, words: string, { reached }: { reached?: string } = {}) =>
      void steps.push(reached ? `${words} → ${reached}` : words),
  } as unknown as Parameters<typeof nfsRoots>[0];
  const next = (id: string, token: string) => {
    boot = { id } as Boot;
    tokens.set(id, { nodeId: NODE.id, hashes: [sha256(token)] });
  };
  return { roots: nfsRoots(options), again: () => nfsRoots(options), book, told, steps, calls, next, tokens };
}

test("a kernel's MOUNT with the boot's token: seeds first, then the book, then the plane; its timeline goes on", async (t) => {
  const { roots, book, calls, steps, told } = await stand(t);
  assert.deepEqual(await roots.mount({ path: path(), address: A, port: 700 }), { number: 5 });
  assert.deepEqual(calls, ["settleTree", `bind b1 ${A}`]);
  const [row] = await book.selectFrom("openTree").selectAll().execute();
  assert.deepEqual([row?.bootId, row?.address, row?.secretHash], ["b1", A, sha256(TOKEN)]);
  roots.news({ kind: "mounted", address: A, id: NODE.id });
  assert.ok(steps.some((step) => / → switched-root$/.test(step)));
  assert.deepEqual(steps.slice(-2), ["ended", "b1 booted"], "nothing in this root can report");
  assert.doesNotMatch(JSON.stringify({ steps, told }), new RegExp(TOKEN));
});

test("the same boot may ask again from its address, from no other; the other's page tells of it", async (t) => {
  const { roots, told } = await stand(t);
  await roots.mount({ path: path(), address: A, port: 700 });
  assert.deepEqual(await roots.mount({ path: path(), address: A, port: 701 }), { number: 5 });
  assert.deepEqual(await roots.mount({ path: `${path()}/boot/firmware`, address: A, port: 701 }), {
    ...{ number: 5, below: "boot/firmware" },
  });
  assert.deepEqual(await roots.mount({ path: path(), address: B, port: 700 }), { refused: "not-allowed" });
  assert.ok(told.some((words) => /^10000001 nfs: .*used by 10\.0\.0\.7/.test(words)));
  assert.ok(told.some((words) => /^10000002 nfs: it asked for the root of pi-1/.test(words)));
});

test("two addresses with one token at the same moment: one has the tree", async (t) => {
  const { roots } = await stand(t);
  const answers = await Promise.all(
    [A, B].map((address) => roots.mount({ path: path(), address, port: 700 })),
  );
  assert.deepEqual(answers, [{ number: 5 }, { refused: "not-allowed" }]);
});

test("a wrong token, no token and no node get nothing; a stranger makes an event a second, not one a packet", async (t) => {
  const { roots, told, calls } = await stand(t);
  const ask = (wish: string) => roots.mount({ path: wish, address: B, port: 700 });
  assert.deepEqual(await ask(path("cd".repeat(32))), { refused: "not-allowed" });
  assert.deepEqual(await ask("/"), { refused: "no-such" });
  assert.deepEqual(await ask(path(TOKEN, "10000009")), { refused: "no-such" });
  for (let i = 0; i < 500; i++) await ask("/etc");
  assert.ok(told.length <= 4, `${told.length} events`);
  assert.deepEqual(calls, []);
});

test("after our restart the tree is open to the boot that had it, and the token of before is good for it alone", async (t) => {
  const { roots, again, calls } = await stand(t);
  await roots.mount({ path: path(), address: A, port: 700 });
  calls.length = 0;
  const after = again();
  assert.equal(await after.restore(), 1);
  assert.deepEqual(calls, [`bind b1 ${A}`]);
  assert.deepEqual(await after.mount({ path: path(), address: A, port: 700 }), { number: 5 });
  assert.deepEqual(await after.mount({ path: path(), address: B, port: 700 }), { refused: "not-allowed" });
});

test("a boot has the tree as its node's settings keep it, by kernel and by agent; over our restart as that boot had it, whatever they are by then", async (t) => {
  const settings: Partial<Profile> = { nfsDurability: "fast" };
  const { roots, again, calls, next } = await stand(t, settings);
  await roots.mount({ path: path(), address: A, port: 700 });
  assert.equal(calls.at(-1), `bind b1 ${A} fast`);
  next("b2", "ef".repeat(32));
  await roots.exportNfs(NODE, "b2", A);
  assert.equal(calls.at(-1), `bind b2 ${A} fast`);
  calls.length = 0;
  assert.equal(await again().restore(), 1);
  assert.deepEqual(calls, [`bind b2 ${A} fast`]);
});

test("the node's next boot takes the tree from the one before; a dropped one is nobody's, also after a restart", async (t) => {
  const { roots, again, calls, next, book } = await stand(t);
  await roots.mount({ path: path(), address: A, port: 700 });
  next("b2", "ef".repeat(32));
  calls.length = 0;
  await roots.mount({ path: path("ef".repeat(32)), address: B, port: 700 });
  assert.deepEqual(calls, ["unbind", "settleTree", `bind b2 ${B}`], "it ends before anything in it changes");
  assert.deepEqual(await roots.mount({ path: path(), address: A, port: 700 }), { refused: "not-allowed" });
  await roots.drop(NODE, "released");
  assert.deepEqual(await book.selectFrom("openTree").selectAll().execute(), []);
  assert.equal(await again().restore(), 0);
});

test("a boot of before loses its tree when a newer one is under way, whatever root that has", async (t) => {
  const { roots, calls } = await stand(t);
  await roots.mount({ path: path(), address: A, port: 700 });
  calls.length = 0;
  await roots.endBefore(NODE, "b1");
  assert.deepEqual(calls, []);
  await roots.endBefore(NODE, "b2");
  assert.deepEqual(calls, ["unbind"]);
});

test("the agent gets a path of its own, which its address alone may mount; the boot's token is worth nothing for it", async (t) => {
  const { roots, tokens, calls } = await stand(t);
  tokens.set("b1", { ...tokens.get("b1"), used: { address: A, atMs: 1, answer: "" } } as never);
  const given = await roots.exportNfs(NODE, "b1", A);
  assert.match(given.path, /^\/nodes\/10000001\/[0-9a-f]{64}$/);
  assert.match(given.options, /port=2049,mountport=2049/);
  assert.deepEqual(calls, [`bind b1 ${A}`]);
  assert.deepEqual(await roots.mount({ path: given.path, address: A, port: 700 }), { number: 5 });
  assert.deepEqual(await roots.mount({ path: given.path, address: B, port: 700 }), {
    refused: "not-allowed",
  });
  assert.deepEqual(await roots.mount({ path: path(), address: A, port: 700 }), { refused: "not-allowed" });
});

test("an ephemeral node's tree is made anew once a boot, when the boot before has lost it", async (t) => {
  const { roots, told, next } = await stand(t, { ephemeral: true });
  const made = () => told.filter((words) => /fresh tree was made/.test(words)).length;
  await roots.mount({ path: path(), address: A, port: 700 });
  await roots.mount({ path: path(), address: A, port: 700 });
  assert.equal(made(), 1);
  next("b2", "ef".repeat(32));
  await roots.mount({ path: path("ef".repeat(32)), address: A, port: 700 });
  assert.equal(made(), 2);
});

test("a handle that is not one's own is told on both pages", async (t) => {
  const { roots, told } = await stand(t);
  roots.news({ kind: "denied", address: B, id: NODE.id, more: 3 });
  assert.match(told[0] ?? "", /^10000001 nfs: 10\.0\.0\.8 used a file handle of a tree.*3 times more/);
  assert.match(told[1] ?? "", /^10000002 nfs: it asked for the root of pi-1/);
});
