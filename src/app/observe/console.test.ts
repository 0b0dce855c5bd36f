import assert from "node:assert/strict";
import { test } from "node:test";
import { fakeCore } from "../testing/fake-core.ts";
import { consoleBook } from "./console.ts";

const raise = (error: unknown) => {
  throw error;
};

test("consoleBook() keeps what a node prints under its boot, numbered on over a restart of ours", async (t) => {
  const { core, node } = await fakeCore(t);
  const pi = await node("10000001");
  const first = consoleBook(core.book, raise);
  first.hear(pi, "boot-1", { source: "netconsole", text: "[ 0.0] Booting Linux" }, 1);
  first.hear(pi, "boot-1", { source: "syslog", app: "sshd", severity: 6, text: "Accepted" }, 2);
  await first.close();
  const second = consoleBook(core.book, raise);
  second.hear(pi, "boot-1", { source: "netconsole", text: "\u001b[31mpanic\u0007\r\n" }, 3);
  const { lines, last } = await second.read(pi, { boot: "boot-1" });
  assert.deepEqual(lines, [
    { seq: 1, atMs: 1, source: "netconsole", text: "[ 0.0] Booting Linux" },
    { seq: 2, atMs: 2, source: "syslog", app: "sshd", severity: 6, text: "Accepted" },
    { seq: 3, atMs: 3, source: "netconsole", text: "panic" },
  ]);
  second.hear(pi, "boot-1", { source: "netconsole", text: "more" }, 4);
  const more = await second.read(pi, { boot: "boot-1", after: last });
  assert.deepEqual(
    more.lines.map(({ text }) => text),
    ["more"],
  );
  second.hear(pi, "boot-2", { source: "netconsole", text: "again" }, 5);
  assert.equal((await second.read(pi, {})).boot, "boot-2");
});

test("consoleBook() keeps the newest 256 KiB of a boot, whatever a node sends, and says what it dropped", async (t) => {
  const { core, node } = await fakeCore(t);
  const pi = await node("10000001");
  const held = consoleBook(core.book, raise);
  const line = "x".repeat(990);
  for (let round = 0; round < 6; round++) {
    for (let i = 0; i < 200; i++)
      held.hear(pi, "b", { source: "syslog", text: `${round} ${i} ${line}` }, round);
    await held.flush();
  }
  const { total } = await core.book
    .selectFrom("consoleChunk")
    .select((e) => e.fn.sum<number>("bytes").as("total"))
    .executeTakeFirstOrThrow();
  assert.ok(total > 200 * 1024 && total <= 256 * 1024, `${total} bytes are kept`);
  const { lines } = await held.read(pi, { boot: "b", limit: 5_000 });
  assert.ok(
    lines.some(({ text }) => /lines were not kept/.test(text)),
    "what was dropped is said",
  );
  assert.match(lines.at(-2)?.text ?? "", /^5 /);
  for (const [i, { seq }] of lines.entries())
    assert.equal(seq, (lines[0]?.seq ?? 0) + i, "no number is missing");
});
