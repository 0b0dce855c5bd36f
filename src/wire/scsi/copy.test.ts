import assert from "node:assert/strict";
import { test } from "node:test";
import { Bench, FACTS } from "./unit-testing.ts";

const h = (n: number | bigint, digits: number) => n.toString(16).padStart(digits, "0");
const NAA = `e4000000 01030008 ${h(FACTS.naa, 16)} ${"00".repeat(12)} 00000200`;
const STRANGER = NAA.replace(h(FACTS.naa, 16), h(FACTS.naa + 1n, 16));
const T10 = `e4000000 02010014 ${Buffer.from("BRAMBLE VOLUME:01234").toString("hex")} 00000200`;
const segment = (count: number, from: number, to: number, targets = "0000 0000") =>
  `02 00 0018 ${targets} 0000 ${h(count, 4)} ${h(from, 16)} ${h(to, 16)}`;

function copy(
  bench: Bench,
  what: {
    id?: number;
    usage?: number;
    targets?: string[];
    segments: string[];
    cut?: number;
    inline?: number;
  },
) {
  const { id = 1, usage = 0, targets = [NAA], segments, cut = 0, inline = 0 } = what;
  const clean = (parts: string[]) => parts.join("").replaceAll(" ", "");
  const [t, s] = [clean(targets), clean(segments)];
  const head = `${h(id, 2)}${h(usage << 3, 2)}${h(t.length / 2, 4)}00000000${h(s.length / 2, 8)}${h(inline, 8)}`;
  const list = Uint8Array.from(Buffer.from(head + t + s, "hex"));
  const dataOut = list.subarray(0, list.length - cut);
  return bench.ask("a", `83 00 0000000000000000 ${h(dataOut.length, 8)}`, dataOut);
}
const results = (bench: Bench, id: number, nexus = "a") =>
  bench.ask(nexus, `84 00 ${h(id, 2)} 00000000000000 00000400`);

const WRONG: [string, Parameters<typeof copy>[1], string][] = [
  ["three targets", { targets: [NAA, NAA, NAA], segments: [segment(1, 0, 9)] }, "05/26/06"],
  [
    "a target of another kind",
    { targets: [NAA.replace("e4", "e0")], segments: [segment(1, 0, 9)] },
    "05/26/07",
  ],
  ["17 segments", { segments: Array.from({ length: 17 }, () => segment(1, 0, 9)) }, "05/26/08"],
  ["a segment of another kind", { segments: [segment(1, 0, 9).replace("02", "03")] }, "05/26/09"],
  [
    "more descriptors than the list may have",
    { segments: Array.from({ length: 36 }, () => segment(1, 0, 9)) },
    "05/1a/00",
  ],
  ["a list that is cut", { segments: [segment(1, 0, 9)], cut: 1 }, "05/1a/00"],
  ["inline data", { segments: [segment(1, 0, 9)], inline: 4 }, "05/1a/00"],
  ["another unit as target", { targets: [STRANGER], segments: [segment(1, 0, 9)] }, "0a/0d/02"],
  ["a source that is not listed", { segments: [segment(1, 0, 9, "0001 0000")] }, "0a/0d/02"],
  ["a destination that is not listed", { segments: [segment(1, 0, 9, "0000 0001")] }, "0a/0d/02"],
  ["a source beyond the end", { segments: [segment(2, 2047, 0)] }, "0a/00/00"],
  ["a destination beyond the end", { segments: [segment(2, 0, 2047)] }, "0a/00/00"],
];
for (const [what, list, sense] of WRONG)
  test(`EXTENDED COPY with ${what} is ${sense}, and copies nothing (SPC-4 6.4)`, () => {
    const bench = new Bench().login("a");
    const before = bench.done.length;
    assert.equal(copy(bench, list).sense, sense);
    assert.equal(bench.done.length, before);
  });

test("EXTENDED COPY copies its segments one after another; the result is told once, to who asked", () => {
  const bench = new Bench().login("a", "b");
  bench.disk.fill(1, 0, 512).fill(2, 512, 1024);
  const { status } = copy(bench, {
    id: 9,
    targets: [NAA, T10],
    segments: [segment(2, 0, 8, "0000 0001"), segment(1, 9, 10)],
  });
  assert.equal(status, 0);
  assert.deepEqual(
    [8, 9, 10].map((lba) => bench.disk[lba * 512]),
    [1, 2, 2],
  );
  assert.equal(results(bench, 9, "b").sense, "05/24/00");
  assert.equal(Buffer.from(results(bench, 9).dataIn).toString("hex"), "000000080100020000000600");
  assert.equal(results(bench, 9).sense, "05/24/00");
});

test("EXTENDED COPY keeps no result where none is wanted, and of the others the last 16", () => {
  const bench = new Bench().login("a");
  copy(bench, { id: 1, usage: 3, segments: [segment(1, 0, 8)] });
  assert.equal(results(bench, 1).sense, "05/24/00");
  for (let id = 1; id <= 17; id++) copy(bench, { id, segments: [segment(1, 0, 8)] });
  assert.equal(results(bench, 1).sense, "05/24/00");
  assert.equal(results(bench, 2).status, 0);
});
