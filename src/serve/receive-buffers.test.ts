import assert from "node:assert/strict";
import { test } from "node:test";
import { ReceiveBuffers } from "./receive-buffers.ts";

function promise() {
  let end = () => {};
  const ended = new Promise<void>((resolve) => {
    end = resolve;
  });
  return { ended, end };
}
const soon = () => new Promise((next) => setImmediate(next));

test("one buffer serves as long as nobody reads from it", () => {
  const buffers = new ReceiveBuffers();
  const first = buffers.next();
  assert.equal(buffers.next(), first);
  assert.ok(buffers.holds(first.subarray(10, 20)));
  assert.ok(!buffers.holds(new Uint8Array(10)));
});

test("a buffer that several read from is received into again when the last one has ended", async () => {
  const buffers = new ReceiveBuffers();
  const first = buffers.next();
  const [a, b] = [promise(), promise()];
  buffers.keep(a.ended);
  buffers.keep(b.ended);
  a.end();
  await soon();
  const second = buffers.next();
  assert.notEqual(second, first);
  b.end();
  await soon();
  const c = promise();
  buffers.keep(c.ended);
  assert.equal(buffers.next(), first, "no third one");
  c.end();
});

test("what is spare is little, however many were kept at once", async () => {
  const buffers = new ReceiveBuffers();
  const kept = Array.from({ length: 20 }, () => {
    const one = promise();
    const bytes = buffers.next();
    buffers.keep(one.ended);
    return { ...one, bytes };
  });
  assert.equal(new Set(kept.map(({ bytes }) => bytes)).size, 20);
  for (const { end } of kept) end();
  await soon();
  let known = 0;
  for (let i = 0; i < 20; i++) {
    buffers.keep(promise().ended);
    if (kept.some(({ bytes }) => bytes === buffers.next())) known += 1;
  }
  assert.equal(known, 4);
});
