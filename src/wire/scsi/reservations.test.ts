import assert from "node:assert/strict";
import { test } from "node:test";
import { restored } from "./reservations.ts";
import { Bench, hexKey, out } from "./unit-testing.ts";

const status = (told: { status: number; sense: string }) => told.sense || told.status;
const READ = "28 00 00000000 00 0001";
const WRITE = "2a 00 00000000 00 0001";
const keysOf = (bench: Bench) => Buffer.from(bench.ask("a", "5e 00 0000000000 ffff").dataIn);
const held = (bench: Bench) => Buffer.from(bench.ask("a", "5e 01 0000000000 ffff").dataIn);
const GOOD = 0;
const CONFLICT = 0x18;
const generation = (bench: Bench) => keysOf(bench).readUInt32BE(0);
const calm = (bench: Bench, ...nexuses: string[]) => nexuses.map((nexus) => bench.ask(nexus, "00").sense);

/** SPC-4 table 65 for READ and WRITE: what a nexus may that is registered but holds nothing, and one that is not registered. */
const ACCESS: [string, number, string, string][] = [
  ["write exclusive", 1, "r", "r"],
  ["exclusive access", 3, "", ""],
  ["write exclusive, registrants only", 5, "rw", "r"],
  ["exclusive access, registrants only", 6, "rw", ""],
  ["write exclusive, all registrants", 7, "rw", "r"],
  ["exclusive access, all registrants", 8, "rw", ""],
];
for (const [what, type, registered, stranger] of ACCESS)
  test(`${what}: its holder may all, others only what SPC-4 table 65 grants`, () => {
    const bench = new Bench().login("a", "b", "c");
    for (const [nexus, key] of [
      ["a", 1n],
      ["b", 2n],
    ] as const)
      out(bench, nexus, "ignore", { action: key });
    assert.equal(status(out(bench, "a", "reserve", { key: 1n, type })), GOOD);
    const may = (nexus: string) =>
      `${bench.ask(nexus, READ).status === GOOD ? "r" : ""}${bench.ask(nexus, WRITE, new Uint8Array(512)).status === GOOD ? "w" : ""}`;
    assert.deepEqual([may("a"), may("b"), may("c")], ["rw", registered, stranger]);
    for (const always of [
      "00",
      "12 00 00 00ff",
      "25",
      "9e 10 0000000000000000 00000020",
      "03 00 0000 ff",
      "5e 00 0000000000 00ff",
    ])
      assert.equal(bench.ask("c", always).status, GOOD, always);
    for (const cdb of ["15 10 0000 00", "35", "42", "48 02", "1b 00 0000 00", "83"])
      assert.equal(bench.ask("c", cdb).status, CONFLICT, cdb);
    assert.equal(bench.ask("c", "1b 00 0000 01").status, GOOD, "to start it is allowed");
    assert.equal(bench.ask("c", "2f 00 00000000 00 0001").status, stranger ? GOOD : CONFLICT, "VERIFY reads");
    const page = held(bench);
    assert.equal(page.length, 24);
    assert.equal(page.readBigUInt64BE(8), type >= 7 ? 0n : 1n, "all registrants hold it without a key");
    assert.equal(page[21], type);
  });

test("REGISTER: by its old key only; 0 ends it; generations count changes", () => {
  const bench = new Bench().login("a");
  assert.equal(
    status(out(bench, "a", "register", { key: 5n, action: 1n })),
    CONFLICT,
    "not registered: the key is 0",
  );
  assert.equal(status(out(bench, "a", "register", { action: 0n })), GOOD);
  assert.equal(generation(bench), 0, "nothing has changed");
  assert.equal(status(out(bench, "a", "register", { action: 1n })), GOOD);
  assert.equal(status(out(bench, "a", "register", { key: 2n, action: 3n })), CONFLICT);
  assert.equal(status(out(bench, "a", "register", { key: 1n, action: 3n })), GOOD);
  assert.equal(keysOf(bench).toString("hex"), `0000000200000008${hexKey(3n)}`);
  assert.equal(status(out(bench, "a", "ignore", { key: 99n, action: 0n })), GOOD);
  assert.equal(keysOf(bench).toString("hex"), "0000000300000000");
});

test("RESERVE and RELEASE: the same once more is well; another type, key or nexus is not", () => {
  const bench = new Bench().login("a", "b");
  out(bench, "a", "ignore", { action: 1n });
  out(bench, "b", "ignore", { action: 2n });
  assert.equal(status(out(bench, "a", "reserve", { key: 1n, type: 2 })), "05/24/00");
  assert.equal(
    status(bench.ask("a", "5f 01 11 0000 00000018", new Uint8Array(24))),
    "05/24/00",
    "a scope that is not the unit",
  );
  assert.equal(status(out(bench, "a", "reserve", { key: 9n, type: 1 })), CONFLICT);
  assert.equal(status(out(bench, "a", "reserve", { key: 1n, type: 1 })), GOOD);
  assert.equal(status(out(bench, "a", "reserve", { key: 1n, type: 1 })), GOOD);
  assert.equal(status(out(bench, "a", "reserve", { key: 1n, type: 3 })), CONFLICT);
  assert.equal(status(out(bench, "b", "reserve", { key: 2n, type: 1 })), CONFLICT);
  assert.equal(status(out(bench, "b", "release", { key: 2n, type: 1 })), GOOD, "it holds nothing");
  assert.equal(held(bench)[21], 1);
  assert.equal(status(out(bench, "a", "release", { key: 1n, type: 3 })), "05/26/04");
  assert.equal(status(out(bench, "a", "release", { key: 1n, type: 1 })), GOOD);
  assert.equal(held(bench).length, 8);
  assert.deepEqual(calm(bench, "a", "b"), ["", ""], "types of one holder tell nobody (SPC-4 5.9.11.2.2)");
});

for (const [what, type, told] of [
  ["registrants only", 5, true],
  ["one holder", 1, false],
] as const)
  test(`who unregisters gives up what it holds; of ${what} the others are ${told ? "told" : "not told"}`, () => {
    const bench = new Bench().login("a", "b", "c");
    out(bench, "a", "ignore", { action: 1n });
    out(bench, "b", "ignore", { action: 2n });
    out(bench, "a", "reserve", { key: 1n, type });
    out(bench, "a", "register", { key: 1n, action: 0n });
    assert.deepEqual(calm(bench, "a", "b", "c"), ["", told ? "06/2a/04" : "", ""]);
    assert.equal(held(bench).length, 8);
  });

test("all registrants hold it until the last of them has gone", () => {
  const bench = new Bench().login("a", "b");
  out(bench, "a", "ignore", { action: 1n });
  out(bench, "b", "ignore", { action: 2n });
  out(bench, "a", "reserve", { key: 1n, type: 8 });
  out(bench, "a", "register", { key: 1n, action: 0n });
  assert.equal(held(bench)[21], 8);
  assert.equal(bench.ask("a", READ).status, CONFLICT);
  out(bench, "b", "register", { key: 2n, action: 0n });
  assert.equal(held(bench).length, 8);
});

test("CLEAR ends everything; the others are told", () => {
  const bench = new Bench().login("a", "b", "c");
  out(bench, "a", "ignore", { action: 1n });
  out(bench, "b", "ignore", { action: 2n });
  out(bench, "a", "reserve", { key: 1n, type: 3 });
  assert.equal(status(out(bench, "c", "clear", { key: 0n })), CONFLICT);
  assert.equal(status(out(bench, "b", "clear", { key: 2n })), GOOD);
  assert.deepEqual(calm(bench, "a", "b", "c"), ["06/2a/03", "", ""]);
  assert.equal(keysOf(bench).length, 8);
});

test("PREEMPT of the holder passes the reservation on; of another key takes its registrations", () => {
  const bench = new Bench().login("a", "b", "c");
  for (const [nexus, key] of [
    ["a", 1n],
    ["b", 2n],
    ["c", 3n],
  ] as const)
    out(bench, nexus, "ignore", { action: key });
  out(bench, "a", "reserve", { key: 1n, type: 3 });
  assert.equal(
    status(out(bench, "b", "preempt", { key: 2n, action: 7n, type: 1 })),
    CONFLICT,
    "nobody has that key",
  );
  assert.equal(status(out(bench, "b", "preempt", { key: 2n, action: 0n, type: 1 })), "05/26/00");
  assert.equal(status(out(bench, "b", "preempt", { key: 2n, action: 3n, type: 1 })), GOOD);
  assert.deepEqual(calm(bench, "a", "b", "c"), ["", "", "06/2a/05"]);
  assert.equal(held(bench).readBigUInt64BE(8), 1n);
  assert.equal(status(out(bench, "b", "preempt", { key: 2n, action: 1n, type: 6 })), GOOD);
  assert.deepEqual(calm(bench, "a", "b"), ["06/2a/05", ""]);
  assert.deepEqual([held(bench).readBigUInt64BE(8), held(bench)[21]], [2n, 6]);
});

test("PREEMPT AND ABORT ends the tasks of those it removes with TASK ABORTED, and no others", () => {
  const bench = new Bench().login("a", "b", "c");
  out(bench, "a", "ignore", { action: 1n });
  out(bench, "b", "ignore", { action: 2n });
  const [theirs, mine, others] = [bench.begin("a", READ), bench.begin("b", READ), bench.begin("c", READ)];
  const list = Uint8Array.from(Buffer.from(`${hexKey(2n)}${hexKey(1n)}0000000000000000`, "hex"));
  const tag = bench.begin("b", "5f 05 03 0000 00000018", { dataOut: list });
  assert.equal(bench.told("a", theirs)?.status, 0x40);
  bench.run();
  assert.deepEqual(
    [bench.told("b", mine)?.status, bench.told("c", others)?.status, bench.told("b", tag)?.status],
    [0, 0, 0],
  );
});

test("READ FULL STATUS names initiator ports as iSCSI does", () => {
  const name = "iqn.2026-11.local.bramble:init-1,i,0x00023d000001";
  const bench = new Bench().login("a", name);
  out(bench, name, "ignore", { action: 0xabcdn });
  out(bench, name, "reserve", { key: 0xabcdn, type: 1 });
  const page = Buffer.from(bench.ask("a", "5e 03 0000000000 ffff").dataIn);
  assert.equal(page.readUInt32BE(4), page.length - 8);
  const one = page.subarray(8);
  assert.equal(one.readBigUInt64BE(0), 0xabcdn);
  assert.deepEqual([one[12], one[13], one.readUInt16BE(18)], [1, 1, 1], "holder, type, relative port");
  const port = one.subarray(24);
  assert.equal(one.readUInt32BE(20), port.length);
  assert.deepEqual([port[0], port.readUInt16BE(2) % 4, port.readUInt16BE(2)], [0x45, 0, port.length - 4]);
  assert.equal(port.toString("latin1", 4).replace(/\0+$/, ""), name);
});

test("APTPL: saved before it is answered, and back after a restart; without it nothing is kept", () => {
  const bench = new Bench().login("a", "b");
  out(bench, "a", "ignore", { action: 1n });
  assert.equal(bench.saved, undefined);
  out(bench, "a", "ignore", { action: 1n, aptpl: true });
  out(bench, "a", "reserve", { key: 1n, type: 3 });
  const again = new Bench({}, bench.saved).login("a", "b");
  assert.equal(again.ask("b", READ).status, CONFLICT);
  assert.equal(again.ask("a", READ).status, GOOD);
  assert.equal(again.ask("a", "5e 02 0000000000 00ff").dataIn[3], 0x81, "PTPL_A");
  out(again, "a", "ignore", { action: 1n });
  assert.equal(again.saved, "", "switched off again");
  assert.equal(new Bench({}, "").login("b").ask("b", READ).status, GOOD);
});

test("what cannot be saved has not happened", () => {
  const bench = new Bench().login("a", "b");
  bench.faults.set("save", "DISK_IO");
  assert.equal(status(out(bench, "a", "ignore", { action: 1n, aptpl: true })), "04/44/00");
  assert.equal(keysOf(bench).length, 8);
});

test("a change that was aborted while it was saved is true all the same: memory and disk agree", () => {
  const bench = new Bench().login("a", "b");
  out(bench, "a", "ignore", { action: 1n, aptpl: true });
  const list = Uint8Array.from(Buffer.from(`${hexKey(1n)}${hexKey(0n)}0000000001000000`, "hex"));
  const tag = bench.begin("a", "5f 01 03 0000 00000018", { dataOut: list });
  bench.unit.abort("a", tag);
  bench.gone.add(`a ${tag}`);
  bench.run();
  assert.equal(bench.ask("b", READ).status, CONFLICT);
  assert.equal(new Bench({}, bench.saved).login("b").ask("b", READ).status, CONFLICT);
});

test("one change of reservations at a time: the second sees what the first has saved", () => {
  const bench = new Bench().login("a", "b");
  for (const nexus of ["a", "b"]) out(bench, nexus, "ignore", { action: 1n, aptpl: true });
  const list = Uint8Array.from(Buffer.from(`${hexKey(1n)}${hexKey(0n)}0000000001000000`, "hex"));
  const tags = ["a", "b"].map((nexus) => bench.begin(nexus, "5f 01 03 0000 00000018", { dataOut: list }));
  assert.equal(bench.pending.length, 1);
  bench.run();
  assert.deepEqual(
    [bench.told("a", tags[0] as number)?.status, bench.told("b", tags[1] as number)?.status],
    [GOOD, CONFLICT],
  );
});

test("registrations outlive their session, and are bounded", () => {
  const bench = new Bench().login("a");
  out(bench, "a", "ignore", { action: 1n });
  out(bench, "a", "reserve", { key: 1n, type: 3 });
  bench.unit.lost("a");
  bench.login("b");
  assert.equal(bench.ask("b", READ).status, CONFLICT);
  bench.login("a");
  assert.equal(bench.ask("a", READ).status, GOOD);
  out(bench, "a", "clear", { key: 1n });
  for (let i = 0; i < 64; i++) {
    bench.login(`n${i}`);
    assert.equal(status(out(bench, `n${i}`, "ignore", { action: 1n })), GOOD);
    bench.unit.lost(`n${i}`);
  }
  assert.equal(status(out(bench, "a", "ignore", { action: 1n })), "05/55/04");
});

test("RESERVE(6) of one nexus keeps the others out; beside registrations there is none (CRH 0)", () => {
  const bench = new Bench().login("a", "b");
  assert.equal(status(bench.ask("a", "16")), GOOD);
  for (const cdb of [READ, WRITE, "00", "16", "56", "1a 00 3f 00 ff", "5e 00 0000000000 00ff"])
    assert.equal(bench.ask("b", cdb).status, CONFLICT, cdb);
  for (const cdb of ["12 00 00 00ff", "03 00 0000 ff", "25", "17", "57"])
    assert.equal(bench.ask("b", cdb).status, GOOD, cdb);
  assert.equal(bench.ask("b", READ).status, CONFLICT, "who does not hold it releases nothing");
  assert.equal(status(out(bench, "a", "ignore", { action: 1n })), CONFLICT);
  assert.equal(status(bench.ask("a", "57")), GOOD);
  assert.equal(status(out(bench, "b", "ignore", { action: 1n })), GOOD);
  assert.equal(status(bench.ask("a", "16")), CONFLICT);
  assert.equal(status(bench.ask("a", "17")), CONFLICT);
});

test("restored() refuses what is none of ours", () => {
  for (const text of [
    "{",
    "[]",
    "null",
    '{"keys":[],"type":3,"holder":"a"}',
    '{"keys":[["a","x!"]],"type":0}',
    '{"keys":[],"type":2}',
  ])
    assert.throws(() => restored(text), { code: "FORMAT_VALUE" }, text);
});
