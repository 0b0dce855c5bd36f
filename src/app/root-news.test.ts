import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { type Node, type RootMode, resolveNode } from "../fleet/node.ts";
import { openBook } from "../storage/book.ts";
import type { Core } from "./core.ts";
import { rootNews } from "./root-news.ts";

const NODE: Node = {
  ...{
    id: "1",
    name: "pi",
    ...{ state: "deployed" as const, version: 1, stateSinceMs: 0, attempt: 0 },
    profile: "default",
    seed: {},
  },
  ...{ firstSeenMs: 0, lastSeenMs: 0 },
};

/** The news of a boot after boots with these roots, the newest last. */
async function news(
  t: TestContext,
  before: (string | null)[],
  node: Node = NODE,
  profile: RootMode = "auto",
) {
  const folder = mkdtempSync(join(tmpdir(), "news-"));
  const book = await openBook(join(folder, "book.db"));
  t.after(async () => {
    await book.destroy();
    rmSync(folder, { recursive: true });
  });
  const boots = [...before, "this"].map((root, i) => ({
    ...{ id: String(i), nodeId: node.id, startedMs: i, stage: "dhcp", root: root === "this" ? null : root },
    ...{
      endedMs: null,
      outcome: null,
      verdict: null,
      image: null,
      address: null,
      tokenHash: null,
      server: null,
    },
  }));
  await book.insertInto("boot").values(boots).execute();
  const registry = {
    base: () => ({ name: "default", root: profile, seed: {} }),
  } as unknown as Core["registry"];
  return rootNews({ book, registry }, node, String(before.length));
}

const auto = resolveNode(NODE, { name: "default", root: "auto", seed: {} }).root;
const other = auto === "iscsi" ? "nbd" : "iscsi";

test("a node whose auto means another root than at its last boot hears of it", async (t) => {
  const words = (await news(t, [auto, other, null])) ?? "";
  assert.match(words, new RegExp(`auto means ${auto} now, at its last boot it was ${other}`));
  assert.match(words, new RegExp(`node set pi --root ${other}`));
});

test("nothing is said at a first boot, when nothing changed, or when a person chose the root", async (t) => {
  assert.equal(await news(t, []), undefined);
  assert.equal(await news(t, [null]), undefined);
  assert.equal(await news(t, [other, auto]), undefined);
  assert.equal(await news(t, [other], { ...NODE, root: "ram" }), undefined);
  assert.equal(await news(t, [other], NODE, "ram"), undefined);
});
