import assert from "node:assert/strict";
import { test } from "node:test";
import { bootsAtOnce, Line } from "./admission.ts";

test("fewer than 30 nodes never wait, whatever is set", () => {
  assert.equal(bootsAtOnce(4, 29), Number.POSITIVE_INFINITY);
  assert.equal(bootsAtOnce(4, 30), 4);
  assert.equal(bootsAtOnce("off", 3_000), Number.POSITIVE_INFINITY);
  assert.ok(bootsAtOnce("auto", 3_000) >= 59 && bootsAtOnce("auto", 3_000) <= 229);
});

test("without a limit nobody waits, and the line is empty", () => {
  const line = new Line();
  assert.equal(line.ask("a", 5_000, Number.POSITIVE_INFINITY, 0), 0);
  assert.equal(line.length, 0);
});

test("who comes later stands further behind; asking again keeps the place", () => {
  const line = new Line();
  assert.deepEqual(
    ["a", "b", "c", "a", "c"].map((node, i) => line.ask(node, 4, 4, i)),
    [1, 2, 3, 1, 3],
  );
  assert.equal(line.place("b", 5), 2);
  assert.equal(line.place("stranger", 5), undefined);
});

test("a place that comes free is the first one's for a moment, then whoever asks has it", () => {
  const line = new Line();
  for (const node of ["a", "b", "c"]) line.ask(node, 4, 4, 0);
  assert.equal(line.ask("c", 3, 4, 1_000), 3, "kept for a");
  assert.equal(line.ask("c", 3, 4, 2_000), 0, "a has not asked for a second");
  assert.equal(line.ask("a", 4, 4, 2_001), 1);
  assert.equal(line.ask("b", 3, 4, 2_002), 2);
  assert.equal(line.ask("a", 3, 4, 2_003), 0);
});

test("who has not asked for long has left the line", () => {
  const line = new Line();
  line.ask("a", 4, 4, 0);
  line.ask("b", 4, 4, 80_000);
  assert.equal(line.ask("b", 4, 4, 95_000), 1);
  assert.equal(line.length, 1);
});

/** Boards as the EEPROM asks: after 4, 8, 16, 32 s, then from the start. */
function storm(boards: number, limit: number, bootMs: number) {
  const line = new Line();
  const events = Array.from({ length: boards }, (_, i) => ({ at: i * 7, node: `n${i}`, gap: 4_000 }));
  const ends: number[] = [];
  let most = 0;
  let last = 0;
  while (events.length > 0) {
    events.sort((a, b) => a.at - b.at);
    const event = events.shift();
    if (!event) break;
    while ((ends[0] ?? Number.POSITIVE_INFINITY) <= event.at) ends.shift();
    if (line.ask(event.node, ends.length, limit, event.at) === 0) {
      ends.push(event.at + bootMs);
      ends.sort((a, b) => a - b);
      most = Math.max(most, ends.length);
      last = event.at + bootMs;
    } else
      events.push({ ...event, at: event.at + event.gap, gap: event.gap >= 32_000 ? 4_000 : event.gap * 2 });
  }
  return { most, last };
}

test("a storm of 1,000 boards passes through 64 places: never more at once, nobody starves", () => {
  const { most, last } = storm(1_000, 64, 10_000);
  assert.equal(most, 64);
  const best = (1_000 / 64) * 10_000;
  // they ask in waves, at last 32 s apart: the end of the line pays for that
  assert.ok(last < best * 2.5, `${last} ms, at best ${best} ms`);
});
