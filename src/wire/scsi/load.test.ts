import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { Task } from "./unit.ts";
import { Bench, FACTS } from "./unit-testing.ts";

const block = (byte: number, count = 1) => new Uint8Array(512 * count).fill(byte);
const write = (lba: number, count = 1) =>
  `2a 00 ${lba.toString(16).padStart(8, "0")} 00 ${count.toString(16).padStart(4, "0")}`;
const read = (lba: number, count = 1) => write(lba, count).replace("2a", "28");
const caw = (lba: number) => `89 00 ${lba.toString(16).padStart(16, "0")} 000000 01`;

test("any CDB with any data, in any order of the disk's answers, is answered once and leaves nothing open", () => {
  const opcodes = fc.constantFrom(
    0x00,
    0x08,
    0x0a,
    0x12,
    0x15,
    0x16,
    0x17,
    0x1a,
    0x1b,
    0x25,
    0x28,
    0x2a,
    0x2e,
    0x2f,
    0x34,
    0x35,
    0x37,
    0x41,
    0x42,
    0x48,
    0x55,
    0x5a,
    0x5e,
    0x5f,
    0x83,
    0x84,
    0x88,
    0x89,
    0x8a,
    0x8b,
    0x8e,
    0x8f,
    0x90,
    0x91,
    0x93,
    0x9e,
    0xa3,
    0xa8,
    0xaa,
    0xaf,
  );
  const small = fc.constantFrom(0, 0, 0, 0, 1, 2, 8, 16, 24, 32, 0x7f, 0xff);
  const cdb = fc.tuple(
    fc.oneof(opcodes, fc.integer({ min: 0, max: 255 })),
    fc.oneof(small, fc.integer({ min: 0, max: 31 })),
    fc.array(fc.oneof(small, fc.integer({ min: 0, max: 255 })), { minLength: 14, maxLength: 14 }),
  );
  const task = fc.record({
    nexus: fc.constantFrom("a", "b"),
    cdb: cdb.map(([opcode, second, rest]) => Buffer.from([opcode, second, ...rest]).toString("hex")),
    dataOut: fc.oneof(
      fc.constant(new Uint8Array(0)),
      fc.uint8Array({ maxLength: 64 }),
      fc.constant(block(0, 4)),
      fc.constant(block(9, 9)),
    ),
    attribute: fc.constantFrom<Task["attribute"]>("simple", "simple", "ordered", "head", "untagged", "aca"),
  });
  const fault = fc.constantFrom(undefined, undefined, "DISK_IO", "DISK_FULL");
  fc.assert(
    fc.property(
      fc.array(task, { maxLength: 20 }),
      fault,
      fc.infiniteStream(fc.nat()),
      (tasks, code, dice) => {
        const bench = new Bench({ size: 1 << 16 }).login("a", "b");
        if (code) bench.faults.set("write", code);
        const tags = tasks.map(({ nexus, ...rest }) => [nexus, bench.begin(nexus, rest.cdb, rest)] as const);
        bench.run((count) => dice.next().value % count);
        for (const [nexus, tag] of tags) assert.ok(bench.told(nexus, tag), `no answer to ${tag}`);
        assert.deepEqual([bench.unit.abortAll("a"), bench.unit.abortAll("b")], [[], []]);
      },
    ),
    { numRuns: 300 },
  );
});

test("a random load leaves what a plain array would hold", () => {
  const at = fc.integer({ min: 0, max: 31 });
  const count = fc.integer({ min: 1, max: 4 });
  const step = fc.record({
    kind: fc.constantFrom("write", "same", "zeros", "unmap", "caw", "or", "read", "copy"),
    at,
    count,
    byte: fc.integer({ min: 1, max: 255 }),
  });
  const h = (n: number, digits: number) => n.toString(16).padStart(digits, "0");
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
      const bench = new Bench({ size: 36 * 512 }).login("a");
      const plain = new Uint8Array(36 * 512);
      for (const { kind, at, count, byte } of steps) {
        const [from, length] = [at * 512, count * 512];
        const part = plain.subarray(from, from + length);
        const [lba8, lba16] = [h(at, 8), h(at, 16)];
        if (kind === "write") bench.ask("a", write(at, count), block(byte, count));
        if (kind === "same") bench.ask("a", `41 00 ${lba8} 00 ${h(count, 4)}`, block(byte));
        if (kind === "zeros") bench.ask("a", `93 01 ${lba16} ${h(count, 8)}`);
        if (kind === "unmap")
          bench.ask(
            "a",
            "42 00 0000000000 0018",
            Uint8Array.from(Buffer.from(`0016001000000000${lba16}${h(count, 8)}00000000`, "hex")),
          );
        if (kind === "write" || kind === "same") part.fill(byte);
        if (kind === "zeros" || kind === "unmap") part.fill(0);
        if (kind === "or") {
          bench.ask("a", `8b 00 ${lba16} ${h(count, 8)}`, block(byte, count));
          for (let i = 0; i < length; i++) part[i] = (part[i] as number) | byte;
        }
        if (kind === "caw") {
          const guess = byte % 2 ? part.slice(0, 512) : block(byte);
          const told = bench.ask("a", caw(at), Uint8Array.from([...guess, ...block(byte)]));
          const same = Buffer.compare(guess, part.subarray(0, 512)) === 0;
          assert.equal(told.status, same ? 0 : 2);
          if (same) part.fill(byte, 0, 512);
        }
        if (kind === "read") assert.deepEqual(bench.ask("a", read(at, count)).dataIn, part.slice());
        if (kind === "copy") {
          const list = `00 00 0020 00000000 0000001c 00000000 e4000000 01030008 ${FACTS.naa.toString(16)} ${"00".repeat(12)} 00000200 02 00 0018 0000 0000 0000 ${h(count, 4)} ${lba16} ${h(0, 16)}`;
          const dataOut = Uint8Array.from(Buffer.from(list.replaceAll(" ", ""), "hex"));
          assert.equal(bench.ask("a", `83 00 0000000000000000 ${h(dataOut.length, 8)}`, dataOut).status, 0);
          plain.set(part.slice(), 0);
        }
      }
      assert.deepEqual(bench.disk, plain);
    }),
    { numRuns: 200 },
  );
});

test("a counter that many raise by COMPARE AND WRITE counts every success, whatever the disk's order", () => {
  const nexuses = ["a", "b", "c"];
  const step = fc.record({
    nexus: fc.constantFrom(...nexuses),
    behind: fc.integer({ min: 0, max: 3 }), // guesses that are too low
    attribute: fc.constantFrom<Task["attribute"]>("simple", "simple", "ordered", "head"),
    run: fc.nat({ max: 3 }),
    abort: fc.boolean(),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), fc.infiniteStream(fc.nat()), (steps, dice) => {
      const bench = new Bench({ size: 1 << 16 }).login(...nexuses);
      const tags: [string, number][] = [];
      const wins = () => tags.filter(([nexus, tag]) => bench.told(nexus, tag)?.status === 0).length;
      let aborted = 0;
      for (const [i, { nexus, behind, attribute, run, abort }] of steps.entries()) {
        const guess = Math.max(0, (bench.disk[5 * 512] as number) + (i % 2) - behind);
        const dataOut = Uint8Array.from([...block(guess), ...block(guess + 1)]);
        const tag = bench.begin(nexus, caw(5), { dataOut, attribute });
        tags.push([nexus, tag]);
        if (abort && i % 7 === 0 && bench.unit.abort(nexus, tag)) {
          bench.gone.add(`${nexus} ${tag}`);
          aborted += 1;
        }
        for (let n = 0; n < run && bench.pending.length > 0; n++)
          bench.runOne(dice.next().value % bench.pending.length);
      }
      bench.run((count) => dice.next().value % count);
      const counter = bench.disk[5 * 512] as number;
      assert.deepEqual(bench.disk.subarray(5 * 512, 6 * 512), block(counter), "no block is torn");
      assert.ok(
        counter >= wins() && counter <= wins() + aborted,
        `${counter} after ${wins()} and ${aborted} aborted`,
      );
      assert.equal(tags.filter(([nexus, tag]) => bench.told(nexus, tag)).length, tags.length - aborted);
    }),
    { numRuns: 200 },
  );
});

test("a thousand tasks that wait for each other cost milliseconds, not seconds", () => {
  const kinds: Task["attribute"][] = ["ordered", "simple", "head", "simple"];
  const bench = new Bench({ size: 1 << 16 }).login("a");
  const start = performance.now();
  const tags = [...Array(1000).keys()].map((i) =>
    bench.begin("a", i % 3 ? read(i % 64) : caw(i % 64), {
      dataOut: block(0, 2),
      attribute: kinds[i % 4] ?? "simple",
    }),
  );
  bench.run();
  for (const tag of tags) assert.equal(bench.told("a", tag)?.status, 0);
  assert.ok(performance.now() - start < 3000, `${performance.now() - start} ms`);
});
