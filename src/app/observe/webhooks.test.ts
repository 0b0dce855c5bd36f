import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { once } from "node:events";
import { createServer, type IncomingMessage } from "node:http";
import { type TestContext, test } from "node:test";
import { fakeCore } from "../testing/fake-core.ts";
import { addWebhook, count, findWebhook, webhooks } from "./webhooks.ts";

const raise = (error: unknown) => {
  throw error;
};

/** A receiver that answers what it is told to, and remembers what it got. */
async function receiver(t: TestContext, status: () => number) {
  const got: { headers: IncomingMessage["headers"]; body: string }[] = [];
  const server = createServer(async (request, response) => {
    let body = "";
    for await (const chunk of request) body += chunk;
    got.push({ headers: request.headers, body });
    response.writeHead(status()).end("no");
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(() => server.close());
  return { got, url: `http://127.0.0.1:${(server.address() as { port: number }).port}/hook` };
}

async function world(t: TestContext, status: () => number) {
  const { core, node } = await fakeCore(t);
  const { got, url } = await receiver(t, status);
  let now = 1_000_000;
  const start = () => {
    const sender = webhooks({
      book: core.book,
      news: core.news,
      now: () => now,
      nameOf: (id) => core.registry.byId(id)?.name ?? id,
      failed: raise,
    });
    t.after(() => sender.close());
    return sender;
  };
  const event = async (kind: string, words: string) => {
    core.journal.event(kind, (await node("10000001")).id, words);
    await core.journal.flush();
  };
  return { core, got, url, start, event, later: (ms: number) => (now += ms), now: () => now };
}

test("a webhook is sent the kinds that it wants, signed so that its secret proves them", async (t) => {
  const { core, got, url, start, event } = await world(t, () => 204);
  await event("boot", "before the webhook was there");
  const { secret } = await addWebhook(core.book, { name: "ops", url, kinds: ["boot"] }, 0);
  const sender = start();
  await event("boot", "boot failed: no kernel");
  await event("dhcp", "not wanted");
  await sender.settled();
  assert.equal(got.length, 1);
  const { headers, body } = got[0] ?? { headers: {}, body: "" };
  assert.equal(JSON.parse(body).data.words, "boot failed: no kernel");
  assert.equal(JSON.parse(body).data.node, "pi-10000001");
  const signed = `${headers["webhook-id"]}.${headers["webhook-timestamp"]}.${body}`;
  const key = Buffer.from(secret.slice("whsec_".length), "base64");
  assert.equal(
    headers["webhook-signature"],
    `v1,${createHmac("sha256", key).update(signed).digest("base64")}`,
  );
  assert.equal(await count(core.book, (await findWebhook(core.book, "ops")).id, "waiting"), 0);
});

test("a letter that is refused comes again after a pause, with the same id, and is dead after the last attempt", async (t) => {
  let status = 500;
  const { core, got, url, start, event, later } = await world(t, () => status);
  await addWebhook(core.book, { name: "ops", url }, 0);
  const sender = start();
  await event("boot", "x");
  await sender.settled();
  assert.equal(got.length, 1);
  sender.wake();
  await sender.settled();
  assert.equal(got.length, 1, "its pause is not over");
  for (let i = 0; i < 8; i++) {
    later(22_000_000);
    sender.wake();
    await sender.settled();
  }
  assert.equal(got.length, 9);
  assert.equal(new Set(got.map(({ headers }) => headers["webhook-id"])).size, 1);
  const { id } = await findWebhook(core.book, "ops");
  assert.equal(await count(core.book, id, "dead"), 1);
  later(22_000_000);
  status = 200;
  sender.wake();
  await sender.settled();
  assert.equal(got.length, 9, "dead letters wait for a person");
});

test("letters and the place in the events outlive a process that is killed: none is lost", async (t) => {
  let status = 503;
  const { core, got, url, start, event, later } = await world(t, () => status);
  await addWebhook(core.book, { name: "ops", url }, 0);
  const first = start();
  await event("boot", "one");
  await first.settled();
  await first.close();
  await event("boot", "two, while nobody sent");
  status = 200;
  later(10_000_000);
  const second = start();
  await second.settled();
  const words = got.map(({ body }) => JSON.parse(body).data.words as string);
  assert.deepEqual(words.slice(1).sort(), ["one", "two, while nobody sent"]);
});

test("a webhook that never answers holds at most 1,000 letters; the events wait in the book", async (t) => {
  const { core, url, start } = await world(t, () => 500);
  await addWebhook(core.book, { name: "ops", url }, 0);
  const rows = Array.from({ length: 1_300 }, (_, i) => ({ atMs: i, nodeId: null, kind: "x", words: `${i}` }));
  for (let i = 0; i < rows.length; i += 100)
    await core.book
      .insertInto("event")
      .values(rows.slice(i, i + 100) as never)
      .execute();
  const sender = start();
  await sender.settled();
  const { id, lastEvent } = await findWebhook(core.book, "ops");
  assert.equal(await count(core.book, id, "waiting"), 1_000);
  assert.equal(lastEvent, 1_000);
});

test("events that the book no longer has are counted as missed", async (t) => {
  const { core, got, url, start, event } = await world(t, () => 200);
  await event("boot", "one");
  await addWebhook(core.book, { name: "ops", url }, 0);
  for (const words of ["two", "three", "four"]) await event("boot", words);
  await core.book.deleteFrom("event").where("words", "in", ["two", "three"]).execute();
  await start().settled();
  assert.equal(got.length, 1);
  assert.equal((await findWebhook(core.book, "ops")).missed, 2);
});

test("addWebhook() refuses what is no web address, one with a password, a weak secret, a name that is taken", async (t) => {
  const { core } = await fakeCore(t);
  const add = (url: string, secret?: string) =>
    addWebhook(core.book, { name: "x", url, ...(secret && { secret }) }, 0);
  await assert.rejects(add("ftp://x/"), { code: "BAD_INPUT" });
  await assert.rejects(add("/x"), { code: "BAD_INPUT" });
  await assert.rejects(add("https://user:pass@x/"), { code: "BAD_INPUT" });
  await assert.rejects(add("https://x/", "whsec_c2hvcnQ="), { code: "BAD_INPUT" });
  await add("https://x/");
  await assert.rejects(add("https://x/"), { code: "WEBHOOK_TAKEN" });
});
