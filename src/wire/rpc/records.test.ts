import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { Records } from "./records.ts";

const MOST = 1 << 20;
const mark = (length: number, last: boolean): number[] => [
  ((length >>> 24) & 0x7f) | (last ? 0x80 : 0),
  (length >>> 16) & 255,
  (length >>> 8) & 255,
  length & 255,
];
const pool = () => {
  const out = new Set<Uint8Array>();
  return {
    out,
    take(size: number) {
      const buffer = new Uint8Array(size);
      out.add(buffer);
      return buffer;
    },
    give(buffer: Uint8Array) {
      assert.ok(out.delete(buffer), "given back once");
      buffer.fill(0xee); // whoever still looks at it is found out
    },
  };
};
/** Everything that comes out of these chunks; each chunk is overwritten when it is done with. */
function all(records: Records, chunks: readonly Uint8Array[]): number[][] {
  const found: number[][] = [];
  for (const chunk of chunks) {
    records.feed(chunk);
    while (records.next()) found.push([...records.bytes.subarray(records.from, records.to)]);
    assert.equal(records.rest().length, 0);
    chunk.fill(0xdd);
  }
  return found;
}
/** Records, each as its fragments. */
const stream = fc.array(fc.array(fc.uint8Array({ maxLength: 40 }), { minLength: 1, maxLength: 4 }), {
  maxLength: 8,
});

test("records are the same, however they and the stream were cut", () => {
  fc.assert(
    fc.property(stream, fc.array(fc.integer({ min: 1, max: 60 }), { minLength: 1 }), (wanted, cuts) => {
      const bytes = new Uint8Array(
        wanted.flatMap((parts) =>
          parts.flatMap((part, i) => [...mark(part.length, i === parts.length - 1), ...part]),
        ),
      );
      const chunks: Uint8Array[] = [];
      for (let at = 0, i = 0; at < bytes.length; i++) {
        const cut = cuts[i % cuts.length] as number;
        chunks.push(bytes.slice(at, at + cut));
        at += cut;
      }
      const buffers = pool();
      const records = new Records(buffers, MOST);
      assert.deepEqual(
        all(records, chunks),
        wanted.map((parts) => parts.flatMap((part) => [...part])),
      );
      assert.equal(records.inside, false);
      records.end();
      assert.equal(buffers.out.size, 0, "every buffer was given back");
    }),
  );
});

test("a fragment of 1 GB is refused by its length, before anything is kept for it", () => {
  for (const length of [MOST + 1, 1 << 30, 0x7fff_ffff])
    for (const last of [true, false]) {
      const records = new Records({ take: () => assert.fail("nothing is kept"), give() {} }, MOST);
      records.feed(new Uint8Array(mark(length, last)));
      assert.throws(() => records.next(), { code: "WIRE_VALUE" });
    }
});

test("fragments that are fine one by one are refused where together they are too long, or too many", () => {
  const long = new Records(pool(), 100);
  long.feed(new Uint8Array([...mark(60, false), ...new Array(60).fill(1), ...mark(41, true)]));
  assert.throws(() => long.next(), { code: "WIRE_VALUE" });
  const many = new Records(pool(), 100);
  many.feed(new Uint8Array(new Array(1000).fill(mark(0, false)).flat()));
  assert.throws(() => many.next(), { code: "WIRE_VALUE" });
});

test("where there is no buffer the rest waits, and goes on when it is fed again", () => {
  const buffers = pool();
  let room = false;
  const records = new Records({ ...buffers, take: (size) => (room ? buffers.take(size) : undefined) }, MOST);
  const bytes = new Uint8Array([...mark(4, false), 1, 2, 3, 4, ...mark(2, true), 5, 6, ...mark(1, true), 7]);
  records.feed(bytes);
  assert.equal(records.next(), false);
  const rest = records.rest().slice();
  assert.equal(rest.length, bytes.length - 4, "the mark is understood already");
  room = true;
  assert.deepEqual(all(records, [rest]), [[1, 2, 3, 4, 5, 6], [7]]);
});

test("a record that was put together gives its buffer back at the end of the turn, also when nobody asks for another", () => {
  const buffers = pool();
  const records = new Records(buffers, MOST);
  records.feed(new Uint8Array([...mark(4, true), 1, 2]));
  assert.equal(records.next(), false);
  records.rest();
  records.feed(new Uint8Array([3, 4]));
  assert.equal(records.next(), true);
  assert.equal(buffers.out.size, 1);
  records.rest();
  assert.equal(buffers.out.size, 0);
});

test("the rest of a large record may be received where it belongs", () => {
  const buffers = pool();
  const records = new Records(buffers, MOST);
  const data = Uint8Array.from({ length: 50_000 }, (_, i) => i % 253);
  records.feed(new Uint8Array([...mark(data.length, true), ...data.subarray(0, 1000)]));
  assert.equal(records.next(), false);
  const window = records.window as Uint8Array;
  assert.equal(window.length, data.length - 1000);
  window.set(data.subarray(1000, 30_000));
  records.feed(window.subarray(0, 29_000));
  assert.equal(records.next(), false);
  assert.deepEqual(all(records, [data.slice(30_000)]), [[...data]]);
});
