import assert from "node:assert/strict";
import { test } from "node:test";
import { LogicalUnit } from "./unit.ts";
import { Bench, cdbOf, FACTS, senseWords } from "./unit-testing.ts";

const block = (byte: number, count = 1) => new Uint8Array(512 * count).fill(byte);
const write = (lba: number, count = 1) =>
  `2a 00 ${lba.toString(16).padStart(8, "0")} 00 ${count.toString(16).padStart(4, "0")}`;
const read = (lba: number, count = 1) => write(lba, count).replace("2a", "28");
const caw = (lba: number) => `89 00 ${lba.toString(16).padStart(16, "0")} 000000 01`;
const UNIT_ATTENTION = (code: string) => [2, `06/${code}`];
const said = ({ status, sense }: { status: number; sense: string }) => [status, sense];

test("a login is told POWER ON once, but for INQUIRY and REQUEST SENSE, which the last consumes", () => {
  const bench = new Bench();
  bench.unit.opened("a");
  assert.equal(bench.ask("a", "12 00 00 00ff").status, 0);
  assert.deepEqual(said(bench.ask("a", "ff")), UNIT_ATTENTION("29/00"));
  assert.deepEqual(said(bench.ask("a", "00")), [0, ""]);
  bench.unit.opened("b");
  assert.equal(Buffer.from(bench.ask("b", "03 00 0000 ff").dataIn).readUInt16BE(12), 0x2900);
  assert.deepEqual(said(bench.ask("b", "00")), [0, ""]);
});

test("growth is told to everybody once, and the new blocks are there", () => {
  const bench = new Bench({ size: 1 << 19 }).login("a", "b");
  assert.equal(bench.ask("a", read(1024)).sense, "05/21/00");
  bench.unit.resized(1 << 20);
  bench.unit.resized(1 << 20);
  for (const nexus of ["a", "b"]) {
    assert.deepEqual(said(bench.ask(nexus, "00")), UNIT_ATTENTION("2a/09"));
    assert.equal(Buffer.from(bench.ask(nexus, "25").dataIn).readUInt32BE(0), 2047);
  }
  assert.equal(bench.unit.facts.size, 1 << 20);
});

test("mode pages that one nexus changes hold for all; the others are told", () => {
  const bench = new Bench().login("a", "b");
  const select = (bits: string) =>
    bench.ask(
      "a",
      "15 10 0000 10",
      Uint8Array.from(Buffer.from(`000000000a0a${bits}4000000000000000`.slice(0, 32), "hex")),
    );
  assert.deepEqual(
    said(select("04000800".concat("00").slice(0, 6).concat("00"))),
    [2, "05/26/00"],
    "another field",
  );
  assert.deepEqual(said(select("04000840".slice(0, 6))), [0, ""]);
  assert.deepEqual(said(bench.ask("b", "00")), UNIT_ATTENTION("2a/01"));
  assert.deepEqual(said(bench.ask("a", "00")), [0, ""], "not who did it");
  const refused = bench.ask("b", write(0), block(1));
  assert.equal(refused.sense, "07/27/02", "SWP");
  assert.equal(refused.raw?.[0], 0x72, "D_SENSE");
  assert.equal(bench.ask("b", "1a 08 0a 00 ff").dataIn[2], 0x90, "WP and DPOFUA");
  assert.deepEqual(said(select("000000".concat("40").slice(0, 6))), [0, ""]);
  assert.equal(bench.ask("a", write(0), block(1)).status, 0);
});

test("a unit that is read-only writes nothing, whatever the command", () => {
  const bench = new Bench({ readOnly: true }).login("a");
  for (const cdb of [
    write(0),
    caw(0),
    "41 00 00000000 00 0001",
    "42",
    "48 02",
    "2e 00 00000000 00 0001",
    "8b 00 0000000000000000 00000001",
  ])
    assert.equal(bench.ask("a", cdb, block(1, 2)).sense, "07/27/00", cdb);
  assert.equal(bench.ask("a", read(0)).status, 0);
  assert.equal(bench.ask("a", "35").status, 0, "to flush is no harm");
  assert.deepEqual(new Set(bench.kinds), new Set(["hole"]));
});

test("a stopped unit moves no blocks until it is started, or somebody logs in", () => {
  const bench = new Bench().login("a");
  bench.ask("a", "1b 00 0000 10");
  assert.equal(bench.ask("a", read(0)).status, 0, "a power condition stops nothing");
  bench.ask("a", "1b 00 0000 00");
  assert.equal(bench.ask("a", read(0)).sense, "02/04/02");
  assert.equal(bench.ask("a", "00").sense, "02/04/02");
  assert.equal(bench.ask("a", "12 00 00 00ff").status, 0);
  bench.ask("a", "1b 00 0000 01");
  assert.equal(bench.ask("a", read(0)).status, 0);
  bench.ask("a", "1b 00 0000 00");
  bench.login("b");
  assert.equal(bench.ask("a", read(0)).status, 0);
});

const FAULTS: [string, string, "read" | "write" | "zero" | "flush", string, string][] = [
  ["a block that cannot be read", read(3), "read", "DISK_IO", "03/11/00"],
  ["a block that cannot be written", write(3), "write", "DISK_IO", "03/0c/00"],
  ["a full store", write(3), "write", "DISK_FULL", "07/27/07"],
  ["a full store at WRITE SAME", "41 00 00000003 00 0001", "write", "DISK_FULL", "07/27/07"],
  ["a store that may not be written", write(3), "write", "DISK_READ_ONLY", "07/27/00"],
  ["a flush that fails", "35", "flush", "DISK_IO", "03/0c/00"],
  ["zeros that cannot be written", "41 08 00000003 00 0001", "zero", "DISK_IO", "03/0c/00"],
  ["what must be compared and cannot be read", caw(3), "read", "DISK_IO", "03/11/00"],
  ["an error of ours", write(3), "write", "INTERNAL", "03/0c/00"],
];
for (const [what, cdb, kind, code, sense] of FAULTS)
  test(`${what} is ${sense}, once, and the unit goes on`, () => {
    const bench = new Bench().login("a");
    bench.faults.set(kind, code);
    const dataOut = cdb.startsWith("41 08") ? block(0) : block(7, 2);
    const told = bench.ask("a", cdb, dataOut);
    assert.equal(told.sense, sense);
    const raw = Buffer.from(told.raw as Uint8Array);
    if (code === "DISK_IO" && kind !== "flush")
      assert.deepEqual([raw[0], raw.readUInt32BE(3)], [0xf0, 3], "which LBA");
    bench.faults.clear();
    assert.equal(bench.ask("a", cdb.startsWith("89") ? read(3) : cdb, dataOut).status, 0);
  });

test("COMPARE AND WRITE tells where the data differs, and writes nothing then", () => {
  const bench = new Bench().login("a");
  const data = block(0, 2);
  data[511] = 1;
  const told = bench.ask("a", caw(9), data);
  assert.equal(told.sense, "0e/1d/00");
  assert.equal(Buffer.from(told.raw as Uint8Array).readUInt32BE(3), 511);
  assert.equal(bench.kinds[9], "hole");
});

test("two COMPARE AND WRITEs of one block: one of them wins; other blocks do not wait", () => {
  const bench = new Bench().login("a", "b");
  const data = (byte: number) => Uint8Array.from([...block(0), ...block(byte)]);
  const first = bench.begin("a", caw(5), { dataOut: data(1) });
  const second = bench.begin("b", caw(5), { dataOut: data(2) });
  const reader = bench.begin("b", read(5));
  const elsewhere = bench.begin("b", read(6));
  assert.equal(bench.pending.length, 2, "the read of another block does not wait");
  bench.runOne(1);
  assert.equal(bench.told("b", elsewhere)?.status, 0);
  bench.run();
  assert.equal(bench.told("a", first)?.status, 0);
  assert.equal(bench.told("b", second)?.sense, "0e/1d/00");
  assert.deepEqual(bench.told("b", reader)?.dataIn, block(1), "and a read that came later sees all of it");
});

test("COMPARE AND WRITE waits for writes of its blocks that are on their way", () => {
  const bench = new Bench().login("a", "b");
  bench.begin("a", write(4, 4), { dataOut: block(1, 4) });
  const tag = bench.begin("b", caw(7), { dataOut: Uint8Array.from([...block(1), ...block(2)]) });
  assert.equal(bench.pending.length, 1);
  bench.run();
  assert.equal(bench.told("b", tag)?.status, 0);
  assert.equal(bench.disk[7 * 512], 2);
});

test("an ordered task waits for all older ones, younger ones for it; head of queue for nobody", () => {
  const bench = new Bench().login("a", "b");
  bench.begin("a", read(0));
  bench.begin("b", read(1), { attribute: "ordered" });
  bench.begin("a", read(2));
  assert.deepEqual(
    bench.pending.map((o) => "offset" in o && o.offset),
    [0],
  );
  bench.begin("b", read(3), { attribute: "head" });
  assert.deepEqual(
    bench.pending.map((o) => "offset" in o && o.offset),
    [0, 3 * 512],
  );
  bench.runOne(0);
  assert.equal(bench.pending.length, 1, "what is ordered waits for head of queue as well");
  bench.runOne(0);
  assert.deepEqual(
    bench.pending.map((o) => "offset" in o && o.offset),
    [512],
  );
  bench.run();
  assert.equal(bench.done.at(-1), "read 1024+512");
});

test("what must be alone waits also for younger tasks that went ahead of it", () => {
  const bench = new Bench().login("a", "b");
  bench.begin("a", read(5));
  const alone = bench.begin("a", caw(5), { dataOut: block(0, 2), attribute: "head" });
  bench.begin("b", read(5), { attribute: "head" });
  assert.equal(bench.pending.length, 2, "head of queue goes ahead of what waits");
  bench.runOne(0);
  assert.equal(bench.pending.length, 1, "two readers of its block: one has ended");
  bench.runOne(0);
  assert.equal(bench.pending.length, 1);
  bench.run();
  assert.equal(bench.told("a", alone)?.status, 0);
});

test("an aborted task is answered by nobody; what waited for it goes on when the disk has ended", () => {
  const bench = new Bench().login("a");
  const tag = bench.begin("a", caw(1), { dataOut: block(0, 2) });
  const waits = bench.begin("a", read(1));
  assert.equal(bench.unit.abort("b", tag), false, "another's");
  assert.equal(bench.unit.abort("a", tag), true);
  assert.equal(bench.unit.abort("a", tag), false, "once");
  bench.gone.add(`a ${tag}`);
  bench.run();
  assert.equal(bench.told("a", tag), undefined);
  assert.equal(bench.told("a", waits)?.status, 0);
  assert.deepEqual(
    bench.done,
    ["read 512+512", "read 512+512"],
    "the write of the aborted one never happens",
  );
});

test("abortAll() ends the tasks of one nexus, lost() too, and its RESERVE", () => {
  const bench = new Bench().login("a", "b");
  const tags = [bench.begin("a", read(0)), bench.begin("a", read(1), { attribute: "ordered" })];
  const other = bench.begin("b", read(2));
  assert.deepEqual(bench.unit.abortAll("a"), tags);
  for (const tag of tags) bench.gone.add(`a ${tag}`);
  bench.run();
  assert.equal(bench.told("b", other)?.status, 0);
  assert.equal(bench.ask("a", "16").status, 0);
  assert.equal(bench.ask("b", read(0)).status, 0x18);
  const last = bench.begin("a", read(0));
  bench.gone.add(`a ${last}`);
  bench.take(bench.unit.lost("a"));
  bench.run();
  assert.equal(bench.ask("b", read(0)).status, 0);
  assert.equal(bench.ask("a", read(0)).status, 0x08, "who is not logged in is told BUSY");
});

test("LOGICAL UNIT RESET: TASK ABORTED to others, an attention for all, RESERVE released", () => {
  const bench = new Bench().login("a", "b");
  assert.equal(bench.ask("a", "16").status, 0);
  assert.equal(bench.ask("a", "17").status, 0);
  const [mine, others] = [bench.begin("a", read(0)), bench.begin("b", read(1))];
  const waiting = bench.begin("b", read(2), { attribute: "ordered" });
  bench.gone.add(`a ${mine}`);
  bench.take(bench.unit.reset("a"));
  assert.equal(bench.told("b", others)?.status, 0x40);
  assert.equal(bench.told("b", waiting)?.status, 0x40);
  bench.run();
  for (const nexus of ["a", "b"]) {
    assert.deepEqual(said(bench.ask(nexus, "00")), UNIT_ATTENTION("29/03"), nexus);
    assert.deepEqual(said(bench.ask(nexus, "00")), [0, ""], nexus);
  }
});

test("what strangers can grow is bounded: nexuses, and tasks of a nexus", () => {
  const bench = new Bench();
  for (let i = 0; i < 64; i++) bench.unit.opened(`n${i}`);
  bench.unit.opened("late");
  assert.equal(bench.ask("late", "00").status, 0x08);
  bench.ask("n0", "00");
  for (let i = 0; i < 1024; i++) bench.begin("n0", read(0));
  assert.equal(bench.told("n0", bench.begin("n0", read(0)))?.status, 0x28, "TASK SET FULL");
  bench.run();
  assert.equal(bench.ask("n0", read(0)).status, 0);
});

test("FUA is durable before it is answered, other writes are not flushed", () => {
  const unit = new LogicalUnit({ ...FACTS, size: 1 << 30 });
  unit.opened("a");
  const order = (cdb: string) =>
    unit.begin({ tag: 1, nexus: "a", cdb: cdbOf(cdb), dataOut: block(1), attribute: "simple" })[0];
  order("00");
  const flushed = [
    write(0),
    "2a 08 00000000 00 0001",
    "8a 08 0000000000000000 00000001",
    "0a 08 0000 01",
  ].map((cdb) => {
    const said = order(cdb);
    assert.ok(said?.do === "write", cdb);
    return said.flush;
  });
  assert.deepEqual(flushed, [false, true, true, false], "in WRITE(6) that bit is of the LBA");
});

test("blocks beyond 2^32 lie where 64 bits say", () => {
  const unit = new LogicalUnit({ ...FACTS, size: 2 ** 45 });
  unit.opened("a");
  const ask = (cdb: string) =>
    unit.begin({ tag: 1, nexus: "a", cdb: cdbOf(cdb), dataOut: block(1), attribute: "simple" })[0];
  ask("00");
  const at = (order: ReturnType<typeof ask>) => (order && "offset" in order ? order.offset : order);
  assert.equal(at(ask("88 00 0000000200000005 00000001")), (2 ** 33 + 5) * 512);
  assert.equal(at(ask("8a 00 0000000fffffffff 00000001")), 2 ** 45 - 512);
  assert.equal(
    senseWords((ask("88 00 0000000fffffffff 00000002") as { sense?: Uint8Array }).sense),
    "05/21/00",
  );
  const capacity = ask("25") as { dataIn?: Uint8Array };
  assert.equal(
    Buffer.from(capacity.dataIn as Uint8Array).readUInt32BE(0),
    0xffff_ffff,
    "READ CAPACITY(10) says that it cannot",
  );
});

test("VERIFY of one block for all looks at every block, over several reads", () => {
  const bench = new Bench({ size: 3 << 20 }).login("a");
  assert.equal(bench.ask("a", "2f 06 00000001 00 17ff", block(0)).status, 0);
  assert.equal(bench.done.length, 3);
  bench.disk[(3 << 20) - 1] = 1;
  assert.equal(bench.ask("a", "2f 06 00000001 00 17ff", block(0)).sense, "0e/1d/00");
  bench.disk[(3 << 20) - 1] = 0;
  bench.disk[513 + 512] = 1;
  assert.equal(bench.ask("a", "2f 06 00000001 00 17ff", block(0)).sense, "0e/1d/00");
});
