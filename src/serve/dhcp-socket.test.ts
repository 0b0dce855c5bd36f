import assert from "node:assert/strict";
import { test } from "node:test";
import { type Heard, onceEach } from "./dhcp-socket.ts";

const FROM = { address: "0.0.0.0", port: 68 };
const world = () => {
  const got: number[] = [];
  const clock = { now: 1_000 };
  const hear: Heard = onceEach(
    (bytes) => void got.push(bytes[0] ?? 0),
    () => clock.now,
  );
  return { got, clock, hear: (first: number) => hear(Uint8Array.of(first, 2, 3), FROM) };
};

test("onceEach() hands a broadcast that two interfaces heard on once", () => {
  const { got, clock, hear } = world();
  hear(1);
  clock.now += 3;
  hear(1);
  hear(7);
  assert.deepEqual(got, [1, 7]);
});

test("onceEach() lets a client that sends the same again after a second through", () => {
  const { got, clock, hear } = world();
  hear(1);
  clock.now += 1_000;
  hear(1);
  assert.deepEqual(got, [1, 1]);
});

test("onceEach() forgets: a flood of different packets costs no memory without end", () => {
  const { got, hear } = world();
  for (let i = 0; i < 256; i++) hear(i);
  for (let i = 0; i < 256; i++) hear(i);
  assert.equal(got.length, 256, "within the bound each is known again");
});
