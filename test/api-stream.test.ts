import assert from "node:assert/strict";
import { type IncomingMessage, request } from "node:http";
import { connect } from "node:net";
import { test } from "node:test";
import { apiBed } from "./api-bed.ts";

interface Message {
  id?: number;
  event?: string;
  // biome-ignore lint/suspicious/noExplicitAny: what came, looked at by the test
  data: any;
}

/** A client of the stream that reads; `next` waits for a message that fits. */
async function reader(port: number, token: string, path = "", headers: Record<string, string> = {}) {
  const messages: Message[] = [];
  const waiting = new Set<() => void>();
  let text = "";
  const asked = request({
    port,
    host: "127.0.0.1",
    path: `/api/v1/stream${path}`,
    headers: { authorization: `Bearer ${token}`, ...headers },
  });
  const answer = await new Promise<IncomingMessage>((resolve, reject) =>
    asked.on("response", resolve).on("error", reject).end(),
  );
  answer.setEncoding("utf8");
  answer.on("error", () => {}); // it is cut when the test ends
  answer.on("close", () => {
    for (const wake of waiting) wake();
  });
  answer.on("data", (part: string) => {
    text += part;
    const parts = text.split("\n\n");
    text = parts.pop() ?? "";
    for (const one of parts) {
      const fields = Object.fromEntries(
        one
          .split("\n")
          .map((line) => [line.slice(0, line.indexOf(": ")), line.slice(line.indexOf(": ") + 2)]),
      );
      if (fields["data"] === undefined) continue;
      messages.push({
        data: JSON.parse(fields["data"]),
        ...(fields["id"] && { id: Number(fields["id"]) }),
        ...(fields["event"] && { event: fields["event"] }),
      });
    }
    for (const wake of waiting) wake();
  });
  async function until(fits: (messages: Message[]) => boolean): Promise<Message[]> {
    while (!fits(messages)) {
      if (answer.closed) throw new Error("the stream was cut");
      await new Promise<void>((resolve) => {
        const wake = () => {
          waiting.delete(wake);
          resolve();
        };
        waiting.add(wake);
      });
    }
    return messages;
  }
  return { status: answer.statusCode, until, messages, close: () => asked.destroy() };
}
const idsOf = (messages: Message[]) => messages.flatMap(({ id }) => id ?? []);

test("the stream replays from an id and goes on without a gap or a repeat, while events keep coming", async (t) => {
  const { core, port, tokenOf } = await apiBed(t);
  const token = await tokenOf("viewer");
  const { journal } = core;
  const say = (n: number) => journal.event("test", undefined, `event ${n}`);
  for (let n = 1; n <= 1_200; n++) say(n);
  await journal.flush();
  let n = 1_200;
  const busy = setInterval(() => say(++n), 1);
  t.after(() => clearInterval(busy));
  const one = await reader(port, token, "?after=100");
  const two = await reader(port, token, "", { "last-event-id": "700" });
  for (const [client, first] of [
    [one, 101],
    [two, 701],
  ] as const) {
    const ids = idsOf(await client.until((all) => (all.at(-1)?.id ?? 0) > 1_400));
    assert.deepEqual(
      ids,
      ids.map((_, i) => first + i),
    );
    client.close();
  }
});

test("without an id the stream begins now; changes of one thing in a moment are one message", async (t) => {
  const { core, port, tokenOf } = await apiBed(t);
  core.journal.event("test", undefined, "long ago");
  await core.journal.flush();
  const client = await reader(port, await tokenOf("viewer"));
  for (let i = 0; i < 50; i++) core.news.tell({ about: "node", id: "10000001" });
  core.news.tell({ about: "image", id: "x" });
  core.journal.event("test", undefined, "now");
  const all = await client.until(
    (seen) => seen.some(({ data }) => data.about === "image") && seen.some(({ event }) => event === "event"),
  );
  assert.deepEqual(
    all.filter(({ event }) => event === "event").map(({ data }) => data.words),
    ["now"],
  );
  assert.equal(all.filter(({ data }) => data.about === "node").length, 1);
  client.close();
});

test("who asks for events that are no longer kept is told so", async (t) => {
  const { core, port, tokenOf } = await apiBed(t);
  for (let n = 1; n <= 10; n++) core.journal.event("test", undefined, `event ${n}`);
  await core.journal.flush();
  await core.book.deleteFrom("event").where("id", "<", 6).execute();
  const client = await reader(port, await tokenOf("viewer"), "?after=2");
  const all = await client.until((seen) => seen.length >= 6);
  assert.deepEqual([all[0]?.event, all[0]?.data.oldest], ["reset", 6]);
  assert.deepEqual(idsOf(all), [6, 7, 8, 9, 10]);
  client.close();
});

const NO_BOOT = {
  ...{ startedMs: 1, endedMs: null, stage: "dhcp", outcome: null, verdict: null, root: null, image: null },
  ...{ address: null, tokenHash: null, server: null },
};

test("a tenant's stream tells of its own nodes only, and only admins hear of users", async (t) => {
  const { core, port, tokenOf, node } = await apiBed(t);
  const own = await node("10000001", "ada");
  const other = await node("20000001", "bob");
  const tenant = await reader(port, await tokenOf("tenant", "ada"));
  const viewer = await reader(port, await tokenOf("viewer"));
  for (const id of [other.id, own.id]) {
    core.journal.event("test", id, "it was looked at");
    core.news.tell({ about: "node", id });
  }
  for (const [id, nodeId] of [
    ["boot-1", other.id],
    ["boot-2", own.id],
  ] as const) {
    core.journal.boot({ ...NO_BOOT, id, nodeId });
    await core.journal.flush();
  }
  core.news.tell({ about: "user", id: "bob" });
  core.news.tell({ about: "node", id: own.id });
  const end = (seen: Message[]) =>
    seen.some(({ data }) => data.about === "node" && data.id === own.id) &&
    seen.some(({ data }) => data.node === own.name);
  const theirs = await tenant.until(end);
  assert.deepEqual(
    theirs.flatMap(({ data }) => (data.about === "boot" ? [data] : [])),
    [{ about: "boot", id: "boot-2", node: own.id }],
    "boots of its own nodes",
  );
  assert.ok(!JSON.stringify(theirs).includes(other.name) && !JSON.stringify(theirs).includes(other.id));
  const all = await viewer.until(end);
  assert.ok(JSON.stringify(all).includes(other.name));
  assert.ok(!all.some(({ data }) => data.about === "user"));
  tenant.close();
  viewer.close();
});

test("a tenant's replay, too, tells of its own nodes only, and not of what concerns nobody's", async (t) => {
  const { core, port, tokenOf, node } = await apiBed(t);
  const own = await node("10000001", "ada");
  const other = await node("20000001", "bob");
  for (const id of [other.id, undefined, own.id]) core.journal.event("test", id, `seen: ${id}`);
  await core.journal.flush();
  const tenant = await reader(port, await tokenOf("tenant", "ada"), "", { "last-event-id": "0" });
  const seen = await tenant.until((all) => all.some(({ data }) => data.node === own.name));
  const nodes = seen.flatMap(({ data }) => (data.kind === "test" ? [data.node] : []));
  assert.deepEqual(nodes, [own.name]);
  tenant.close();
});

test("a client that stops reading is cut off before it costs much, and the others hear everything", async (t) => {
  const { core, port, tokenOf } = await apiBed(t);
  const token = await tokenOf("viewer");
  const stuck = connect(port, "127.0.0.1");
  stuck.on("error", () => {}); // it is cut: that is what we wait for
  stuck.write(`GET /api/v1/stream HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer ${token}\r\n\r\n`);
  await new Promise((resolve) => stuck.once("data", resolve));
  stuck.pause();
  const cut = new Promise<void>((resolve) => stuck.once("close", () => resolve()));
  const good = await reader(port, token);
  const before = process.memoryUsage().rss;
  const words = "x".repeat(16_000);
  const sent = 4_000;
  for (let id = 1; id <= sent; id++) {
    core.news.tell({ about: "event", event: { id, atMs: 1, kind: "test", words } });
    if (id % 10 === 0) await good.until((seen) => seen.length >= id); // who reads keeps up
  }
  const ids = idsOf(await good.until((seen) => seen.length >= sent));
  assert.equal(new Set(ids).size, sent);
  stuck.resume();
  await cut;
  assert.ok(process.memoryUsage().rss - before < 300 << 20, "64 MB of messages were not kept for it");
  good.close();
});
