import assert from "node:assert/strict";
import { test } from "node:test";
import { LIMITS } from "./inquiry.ts";
import { Bench } from "./unit-testing.ts";

const block = (byte: number, count = 1) => new Uint8Array(512 * count).fill(byte);
const h = (n: number, digits: number) => n.toString(16).padStart(digits, "0");
const bytes = (text: string) => Uint8Array.from(Buffer.from(text.replace(/\s/g, ""), "hex"));
const unmap = (bench: Bench, ...ranges: [number, number][]) => {
  const body = ranges.map(([from, count]) => `${h(from, 16)}${h(count, 8)}00000000`).join("");
  const list = bytes(`${h(6 + body.length / 2, 4)}${h(body.length / 2, 4)}00000000${body}`);
  return bench.ask("a", `42 00 0000000000 ${h(list.length, 4)}`, list);
};
/** LBA, blocks, provisioning status of each descriptor. */
const status = (bench: Bench, lba: number, most = 4096) => {
  const page = Buffer.from(bench.ask("a", `9e 12 ${h(lba, 16)} ${h(most, 8)}`).dataIn);
  const count = Math.floor((page.length - 8) / 16);
  return [...Array(count).keys()].map((i) => [
    Number(page.readBigUInt64BE(8 + i * 16)),
    page.readUInt32BE(16 + i * 16),
    page[20 + i * 16],
  ]);
};

test("UNMAP: all ranges or, where one of them is wrong, none; what was unmapped reads as zeros", () => {
  const bench = new Bench().login("a");
  bench.ask("a", "2a 00 00000000 00 0010", block(7, 16));
  assert.equal(unmap(bench, [0, 4], [2047, 2]).sense, "05/21/00");
  assert.equal(bench.disk[0], 7);
  assert.equal(unmap(bench, [0, 4], [8, 1]).status, 0);
  assert.deepEqual(bench.done.slice(-2), ["zero 0+2048", "zero 4096+512"]);
  assert.deepEqual(
    bench.ask("a", "28 00 00000000 00 0010").dataIn,
    Uint8Array.from([...block(0, 4), ...block(7, 4), ...block(0), ...block(7, 7)]),
  );
});

test("UNMAP of more blocks than VPD B0 says is refused, whole", () => {
  const bench = new Bench({ size: 8 << 20 }).login("a");
  const half: [number, number] = [0, 8192];
  const ranges = Array.from({ length: LIMITS.unmapBlocks / 8192 }, () => half);
  assert.equal(unmap(bench, ...ranges).status, 0);
  assert.equal(unmap(bench, ...ranges, [0, 1]).sense, "05/26/00");
});

test("WRITE SAME: zeros are zeroed, kept unless UNMAP is set; other data is written, also with UNMAP", () => {
  const bench = new Bench().login("a");
  const orders = (cdb: string, dataOut?: Uint8Array) => {
    bench.begin("a", cdb, dataOut ? { dataOut } : {});
    const said = bench.pending.map((o) =>
      o.do === "zero" ? `zero ${o.offset}+${o.length} ${o.keep}` : o.do,
    );
    bench.run();
    return said;
  };
  assert.deepEqual(orders("41 00 00000004 00 0008", block(0)), ["zero 2048+4096 true"]);
  assert.deepEqual(orders("41 08 00000004 00 0008", block(0)), ["zero 2048+4096 false"]);
  assert.deepEqual(orders("93 09 0000000000000004 00000008"), ["zero 2048+4096 false"]);
  assert.deepEqual(orders("93 01 0000000000000004 00000008"), ["zero 2048+4096 true"]);
  assert.deepEqual(orders("93 08 0000000000000004 00000008", block(9)), ["write"]);
  assert.deepEqual(bench.disk.subarray(2048, 2048 + 4096), block(9, 8));
});

test("WRITE SAME of data goes in pieces of 1 MiB", () => {
  const bench = new Bench({ size: 4 << 20 }).login("a");
  assert.equal(bench.ask("a", "93 00 0000000000000001 00001001", block(5)).status, 0);
  assert.deepEqual(bench.done.slice(-3), ["write 512+1048576", "write 1049088+1048576", "write 2097664+512"]);
  assert.equal(bench.disk.indexOf(5), 512);
  assert.equal(bench.disk.lastIndexOf(5), 512 + 4097 * 512 - 1);
});

test("GET LBA STATUS: from the LBA that was asked for, neighbours as one, as many as there is room for", () => {
  const bench = new Bench().login("a");
  bench.ask("a", "2a 00 00000010 00 0010", block(1, 16));
  assert.deepEqual(status(bench, 4), [
    [4, 12, 1],
    [16, 16, 0],
    [32, 2016, 1],
  ]);
  assert.deepEqual(status(bench, 20), [
    [20, 12, 0],
    [32, 2016, 1],
  ]);
  assert.deepEqual(status(bench, 4, 24), [[4, 12, 1]]);
  assert.deepEqual(status(bench, 4, 23), []);
});

test("GET LBA STATUS: of a volume what was unmapped and what was never written are one", () => {
  const bench = new Bench().login("a");
  unmap(bench, [8, 8], [100, 1]);
  assert.deepEqual(new Set(bench.kinds), new Set(["hole", "zero"]));
  assert.deepEqual(status(bench, 0), [[0, 2048, 1]]);
});

test("GET LBA STATUS: a hole of a clone shows its image, so that it is mapped", () => {
  const bench = new Bench({ product: "CLONE" }).login("a");
  unmap(bench, [8, 8]);
  assert.deepEqual(status(bench, 0), [
    [0, 8, 0],
    [8, 8, 1],
    [16, 2032, 0],
  ]);
});

test("GET LBA STATUS: a block that is zero in part only is mapped", () => {
  const bench = new Bench({ size: 8 * 512 }).login("a");
  const tag = bench.begin("a", "9e 12 0000000000000000 00000100");
  const [order] = bench.pending.splice(0);
  const extents = [
    { offset: 0, length: 700, kind: "zero" as const },
    { offset: 700, length: 100, kind: "data" as const },
    { offset: 800, length: 3296, kind: "zero" as const },
  ];
  bench.take(bench.unit.done(order?.handle as number, { extents }));
  const page = Buffer.from(bench.told("a", tag)?.dataIn as Uint8Array);
  assert.equal(
    page.toString("hex", 8),
    [
      [0, 1, 1],
      [1, 1, 0],
      [2, 6, 1],
    ]
      .map(([a, b, c]) => `${h(a as number, 16)}${h(b as number, 8)}0${c}000000`)
      .join(""),
  );
});

test("SANITIZE BLOCK ERASE: everything is zeros, and durable", () => {
  const bench = new Bench().login("a");
  bench.disk.fill(9);
  assert.equal(bench.ask("a", "48 82").status, 0);
  assert.deepEqual(bench.done.slice(-2), [`zero 0+${1 << 20}`, "flush"]);
  assert.ok(bench.disk.every((byte) => byte === 0));
  assert.deepEqual(status(bench, 0), [[0, 2048, 1]]);
});
