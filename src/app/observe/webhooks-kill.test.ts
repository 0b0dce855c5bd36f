// kill -9 of a process between the commit of events and their delivery.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { openBook } from "../../storage/book.ts";
import { newsDesk } from "../news.ts";
import { addWebhook, webhooks } from "./webhooks.ts";

const CHILD = fileURLToPath(new URL(`../testing/webhook-child${import.meta.url.slice(-3)}`, import.meta.url));
const ROUNDS = 3;

/** Runs it until it has told so many events, and kills it then: the ids that stood in the book. */
async function round(path: string, n: number, events: number): Promise<number[]> {
  const child = spawn(process.execPath, [...process.execArgv, CHILD, path, String(n)], {
    stdio: ["ignore", "pipe", "pipe"],
  });
  let said = "";
  let told = "";
  child.stderr.on("data", (chunk) => {
    said += chunk;
  });
  child.stdout.on("data", (chunk) => {
    told += chunk;
    if (told.split("\n").length > events) child.kill("SIGKILL");
  });
  const [, signal] = await once(child, "close");
  assert.equal(signal, "SIGKILL", said);
  return told.slice(0, told.lastIndexOf("\n")).split("\n").map(Number);
}

test("an event that stood in the book before a kill -9 is delivered after the restart, once or more, and never lost", {
  timeout: 120_000,
}, async (t) => {
  const root = mkdtempSync(join(tmpdir(), "webhook-kill-"));
  t.after(() => rmSync(root, { recursive: true, force: true }));
  const path = join(root, "book.db");
  const times = new Map<number, number>();
  let asked = 0;
  const hook = createServer(async (request, answer) => {
    let body = "";
    for await (const chunk of request) body += chunk;
    // a third is refused, a third is taken and then not acknowledged: the connection is cut
    asked += 1;
    if (asked % 3 === 0) return void answer.writeHead(503).end();
    const { id } = JSON.parse(body).data as { id: number };
    times.set(id, (times.get(id) ?? 0) + 1);
    if (asked % 3 === 1) answer.destroy();
    else answer.end();
  }).listen(0, "127.0.0.1");
  await once(hook, "listening");
  t.after(() => hook.close());
  const url = `http://127.0.0.1:${(hook.address() as AddressInfo).port}/`;
  const first = await openBook(path);
  await addWebhook(first, { name: "ops", url }, Date.now());
  await first.destroy();

  const stood: number[] = [];
  for (let n = 0; n < ROUNDS; n++) stood.push(...(await round(path, n, 40 + n * 30)));
  assert.ok(stood.length >= 200, `${stood.length} events`);
  const before = stood.filter((id) => !times.has(id));
  assert.ok(before.length > 0, "the kills came between commits and deliveries");

  const book = await openBook(path);
  t.after(() => book.destroy());
  const raise = (error: unknown) => {
    throw error;
  };
  const patient = Array.from({ length: 50 }, () => 1);
  const sender = webhooks({
    book,
    news: newsDesk(),
    now: Date.now,
    nameOf: (id) => id,
    failed: raise,
    backOffMs: patient,
  });
  t.after(() => sender.close());
  for (;;) {
    await sender.settled();
    const { waiting } = await book
      .selectFrom("delivery")
      .select((e) => e.fn.countAll<number>().as("waiting"))
      .where("state", "=", "waiting")
      .executeTakeFirstOrThrow();
    if (Number(waiting) === 0) break;
    sender.wake();
  }
  assert.deepEqual(
    stood.filter((id) => !times.has(id)),
    [],
    "lost",
  );
  assert.ok(
    [...times.values()].some((n) => n > 1),
    "some came twice: the receiver tells by webhook-id",
  );
});
