import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { test } from "node:test";
import { gunzipSync } from "node:zlib";
import type { Calls } from "../../api/contract.ts";
import { fakeCore } from "../testing/fake-core.ts";
import { scrubber } from "./secrets.ts";
import { supportBundle } from "./support.ts";
import { addWebhook } from "./webhooks.ts";

test("the support bundle has no secret of the book in it, wherever somebody let it slip", async (t) => {
  const { core, node } = await fakeCore(t);
  const { book } = core;
  const secrets: string[] = [];
  const secret = () => {
    const made = `s3cr3t-${randomBytes(9).toString("base64")}"\\`;
    secrets.push(made);
    return made;
  };
  const pi = await node("10000001");
  const [chap, profile, token] = [secret(), secret(), secret()];
  const drawn = "0f1e2d3c4b5a69788796a5b4"; // only its hash is in the book
  await book.insertInto("secret").values({ nodeId: pi.id, kind: "chap", value: chap }).execute();
  await book
    .insertInto("profileSecret")
    .values({ profile: "default", name: "wifi", value: profile, setMs: 1 })
    .execute();
  await book
    .insertInto("cluster")
    .values({ profile: "default", nodeId: pi.id, instance: "i", address: "10.0.0.1", token, atMs: 1 })
    .execute();
  const hook = await addWebhook(book, { name: "ops", url: "https://example.org/" }, 1);
  secrets.push(hook.secret);
  const password = "$6$salt$abcdefghijklmnop";
  secrets.push(password);
  pi.seed = { user: "ann", passwordHash: password };
  await core.registry.save(pi);
  // Where nobody would have put them.
  for (const slip of secrets) core.journal.event("agent", pi.id, `it said: ${slip} and went on`);
  core.journal.event("agent", pi.id, `cmdline root=/dev/nfs bramble.token=${drawn}`);
  core.journal.event("agent", pi.id, "Authorization: Bearer abcdefghijklmnop0123");
  core.journal.event("agent", pi.id, "mirror https://bob:hunter22@example.org/x, password=hunter23");
  await core.journal.flush();

  const none = async () => [];
  const commands = {
    status: async () => ({}),
    nodes: async () => core.registry.all(), // a view that forgot to hide anything
    events: () => book.selectFrom("event").selectAll().execute(),
    boots: async () => [{ id: "b1", node: pi.name, outcome: "failed" }],
    boot: async () => ({ steps: secrets }),
    nodeConsole: async () => ({ lines: secrets.map((text) => ({ text })) }),
    doctor: () => Promise.reject(new Error(`no: ${chap}`)),
    images: none,
    profiles: () => book.selectFrom("profileSecret").selectAll().execute(),
    clones: none,
    volumes: none,
  } as unknown as Calls;
  const bundle = await supportBundle({ core, commands, metrics: async () => "bramble_nodes 1\n" }, 1);
  const text = gunzipSync(Buffer.from(bundle.base64, "base64")).toString("latin1");
  for (const slip of [...secrets, drawn, "abcdefghijklmnop0123", "hunter22", "hunter23"]) {
    assert.equal(text.includes(slip), false, slip);
    assert.equal(text.includes(JSON.stringify(slip).slice(1, -1)), false, slip);
  }
  assert.ok(text.includes("and went on"), "what is no secret stays");
  assert.ok(text.includes("bramble_nodes 1"));
  assert.ok(bundle.removed >= 10);
  assert.ok(bundle.files.includes("boots/b1-console.txt"));
});

test("the scrubber leaves words alone that are none", async (t) => {
  const { core } = await fakeCore(t);
  const { clean } = await scrubber(core.book);
  const text = "boot failed: the token was refused; no password is set; tokens: 3";
  assert.equal(clean(text), text);
});
