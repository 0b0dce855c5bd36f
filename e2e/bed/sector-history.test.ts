import assert from "node:assert/strict";
import { test } from "node:test";
import { fsyncLoad, keptPromises } from "./fsync-load.ts";
import { judgeSector, SECTOR, SectorHistory, writtenWith } from "./sector-history.ts";

const full = (byte: number) => Buffer.alloc(SECTOR, byte);
const IMAGE = full(9);

test("SectorHistory: before a flush ends old and new are right, after it only the new, and a trim binds nobody", () => {
  const history = new SectorHistory();
  const verdict = (byte: number) => judgeSector(history.allowed().get(4), full(byte), IMAGE);
  const write = (byte: number) => history.add({ do: "write", offset: 4 * SECTOR, bytes: full(byte) });
  assert.deepEqual([verdict(9), verdict(1)], ["right", "foreign"]);
  write(1);
  assert.deepEqual([verdict(9), verdict(1), verdict(2)], ["right", "right", "foreign"]);
  const ended = history.flushing();
  const before = history.allowed();
  write(2); // not covered
  ended();
  assert.deepEqual([verdict(9), verdict(1), verdict(2)], ["lost", "right", "right"]);
  assert.equal(judgeSector(before.get(4), full(2), IMAGE), "foreign", "what was frozen stays");
  history.flushing()();
  assert.deepEqual([verdict(1), verdict(2)], ["lost", "flushed"]);
  history.add({ do: "trim", offset: 4 * SECTOR, length: SECTOR });
  history.flushing()();
  assert.deepEqual([verdict(1), verdict(2), verdict(0)], ["lost", "right", "right"]);
});

test("writtenWith() says what the other half of a torn write was", () => {
  const history = new SectorHistory();
  const both = (one: number, two: number) =>
    history.add({ do: "write", offset: 4 * SECTOR, bytes: Buffer.concat([full(one), full(two)]) });
  both(1, 11);
  both(2, 12);
  const [one, two] = [4, 5].map((n) => history.allowed().get(n));
  assert.ok(one && two);
  const other = (found: number) => writtenWith(one, two, { found: full(found), image: IMAGE });
  assert.deepEqual([other(12), other(11), other(9), other(7)], [full(2), full(1), "image", undefined]);
});

test("keptPromises() sees a lost line, a lost file, a file that came back and foreign bytes", () => {
  const said = (line: string, length: number) => `${line}\n`.repeat(length).slice(0, length);
  const size = (n: number) => Number(((n * 7919) % 40) + 1) * 2500;
  const good = () =>
    new Map([
      ["counter", "2\n"],
      ["list", "line 1\nline 2\n"],
      ["ring", `${"\0".repeat(8192)}${said("block 1", 8192)}${said("block 2", 8192)}`],
      ["f1", said("file 1 of the guest", size(1))],
      ["f2", said("file 2 of the guest", size(2))],
      ["noise1", said("noise 1", 90_000)],
    ]);
  keptPromises(good(), 2);
  keptPromises(good(), 1); // the next turn may have come to its end
  const broken = (name: string, text: string | undefined) => {
    const files = good();
    if (text === undefined) files.delete(name);
    else files.set(name, text);
    assert.throws(() => keptPromises(files, 2), { code: "ERR_ASSERTION" }, `${name} ${text}`);
  };
  broken("counter", "1\n");
  broken("list", "line 1\n");
  broken("list", "line 1\nline 2\nsomething");
  broken("ring", said("block 1", 3 * 8192));
  broken("f1", undefined);
  broken("f2", said("file 2 of the guest", 100));
  broken("f3", "what another node wrote");
  broken("noise1", "what another node wrote");
  assert.throws(() => keptPromises(good(), 9), { code: "ERR_ASSERTION" });
  assert.match(fsyncLoad(3), /-lt 3 /);
});
