import assert from "node:assert/strict";
import { test } from "node:test";
import type { BrambleError } from "../../base/errors.ts";
import { Die, rounds } from "../testing/die.ts";
import { type Durability, type Journal, openJournal } from "./journal.ts";
import { ENTRY, entriesOf, type Owner } from "./journal-format.ts";
import type { Scanned } from "./journal-scan.ts";
import { MemoryHost } from "./testing/memory-host.ts";

const FOLDER = "/trees";

interface Open {
  journal: Journal;
  scanned: Scanned;
}

async function open(
  host: MemoryHost,
  how: { durability?: Durability; segmentBytes?: number } = {},
): Promise<Open> {
  host.makeFolder(FOLDER);
  return openJournal({ host, folder: FOLDER, durability: "durable", ...how });
}

/** What each tree's entries are: texts, in order. */
function texts(host: MemoryHost, { scanned }: Open): Map<string, string[]> {
  const all = new Map<string, string[]>();
  for (const [id, runs] of scanned.runs) {
    const list: string[] = [];
    for (const run of runs) {
      const file = host.open(`${FOLDER}/journal.${run.segment}`, "read");
      const bytes = new Uint8Array(file.size());
      file.read(bytes, 0);
      for (const entry of entriesOf(bytes, run)) list.push(Buffer.from(entry.bytes).toString("latin1"));
    }
    all.set(id, list);
  }
  return all;
}

const owner = (id: string): Owner => ({ id, incarnation: 7, entries: 0 });
const log = (journal: Journal, who: Owner, text: string) =>
  journal.log(who, ENTRY.change, Buffer.from(text, "latin1"));

test("what was settled is there again, tree by tree, in order", async () => {
  const host = new MemoryHost();
  const { journal } = await open(host);
  const [a, b] = [owner("a"), owner("b")];
  log(journal, a, "a1");
  log(journal, b, "b1");
  log(journal, a, "a2");
  await journal.settled();
  log(journal, b, "");
  await journal.settled();
  assert.equal(journal.settled(), undefined, "nothing new: settled at once");
  const again = await open(host.afterKill());
  assert.deepEqual(Object.fromEntries(texts(host, again)), { a: ["a1", "a2"], b: ["b1", ""] });
  assert.deepEqual(
    again.scanned.runs.get("a")?.map(({ first, incarnation }) => [first, incarnation]),
    [
      [1, 7],
      [2, 7],
    ],
  );
});

test("one fdatasync serves everybody who came while another was under way", async () => {
  const host = new MemoryHost();
  const { journal } = await open(host);
  const a = owner("a");
  log(journal, a, "first");
  const all = [journal.settled()];
  const before = host.syncs;
  for (let i = 0; i < 100; i++) {
    log(journal, a, `${i}`);
    all.push(journal.settled());
  }
  await Promise.all(all);
  assert.equal(host.syncs - before, 1);
});

test("fast: settled without waiting, survives a kill", async () => {
  const host = new MemoryHost();
  const { journal } = await open(host, { durability: "fast" });
  log(journal, owner("a"), "kept");
  assert.equal(journal.settled(), undefined);
  assert.deepEqual(texts(host, await open(host.afterKill())).get("a"), ["kept"]);
});

test("a journal cut at any byte gives the whole batches before, says where, and goes on", async () => {
  const host = new MemoryHost();
  const { journal } = await open(host);
  const a = owner("a");
  const path = `${FOLDER}/journal.1`;
  const ends: number[] = [];
  for (let i = 0; i < 6; i++) {
    log(journal, a, `text ${"x".repeat(i * 3)}`);
    await journal.settled();
    ends.push(journal.bytes);
  }
  const whole = new Uint8Array(ends.at(-1) as number);
  host.open(path, "read").read(whole, 0);
  for (let length = 0; length <= whole.length; length++) {
    const cut = new MemoryHost();
    cut.makeFolder(FOLDER);
    cut.open(path, "create").write(whole.subarray(0, length), 0);
    const opened = await open(cut);
    const left = ends.filter((end) => end <= length + 7).length; // the padding behind a batch is not needed
    const found = texts(cut, opened).get("a") ?? [];
    assert.ok(found.length === left || found.length === left - 1, `${length}: ${found.length} of ${left}`);
    assert.ok(found.length >= ends.filter((end) => end <= length).length);
    if (opened.scanned.cut) assert.ok(opened.scanned.cut.offset <= length);
    const next: Owner = { ...a, entries: found.length };
    log(opened.journal, next, "after");
    await opened.journal.settled();
    const again = await open(cut.afterPowerCut(new Die(length + 1)));
    assert.deepEqual(texts(cut, again).get("a")?.at(-1), "after");
    assert.equal(texts(cut, again).get("a")?.length, found.length + 1);
  }
});

test("a journal damaged at any byte is refused with file, byte and a way out, or only its last batch is missing", async () => {
  const host = new MemoryHost();
  const { journal } = await open(host, { segmentBytes: 300 });
  const a = owner("a");
  for (let i = 0; i < 8; i++) {
    log(journal, a, `text ${i}`);
    await journal.settled();
  }
  const files = host.list(FOLDER).map((name) => {
    const file = host.open(`${FOLDER}/${name}`, "read");
    const bytes = new Uint8Array(Math.min(file.size(), 400));
    file.read(bytes, 0);
    return { path: `${FOLDER}/${name}`, bytes };
  });
  assert.ok(files.length >= 2);
  let refused = 0;
  for (const { path, bytes } of files)
    for (let at = 0; at < bytes.length; at++) {
      const sick = new MemoryHost();
      sick.makeFolder(FOLDER);
      for (const file of files) {
        const copy = file.bytes.slice();
        if (file.path === path) copy[at] = (copy[at] as number) ^ 0x10;
        sick.open(file.path, "create").write(copy, 0);
      }
      try {
        const found = texts(sick, await open(sick)).get("a") ?? [];
        assert.ok(found.length >= 7, `${path} ${at}: ${found.length}`);
        assert.deepEqual(
          found,
          Array.from(found, (_, i) => `text ${i}`),
        );
      } catch (error) {
        const { code, message, hint } = error as BrambleError;
        if (code !== "TREE_DAMAGED") throw error;
        refused += 1;
        assert.match(message, /journal\.\d+ is damaged at byte \d+/);
        assert.match(hint ?? "", /truncate -s \d+ .*journal\.\d+/);
      }
    }
  assert.ok(refused > 400, `${refused} refused`);
});

/** What was logged of a tree, and how much of that was promised. */
interface Told {
  tree: Owner;
  logged: string[];
  promised: number;
}

function expectTold(found: Map<string, string[]>, told: Told[], seed: number): void {
  for (const one of told) {
    const list = found.get(one.tree.id) ?? [];
    assert.deepEqual(list, one.logged.slice(0, list.length), `seed ${seed}: something else`);
    assert.ok(list.length >= one.promised, `seed ${seed}: ${list.length} of ${one.promised}`);
    one.logged = list;
    one.promised = 0;
    one.tree.entries = list.length;
  }
}

/** Lives of a server, each ended by a kill or a power cut in the middle. Gives how often. */
async function lives(seed: number, lies: (path: string) => boolean = () => false): Promise<number> {
  const die = new Die(seed);
  let host = new MemoryHost();
  const durability = die.oneIn(2) ? "durable" : "fast";
  const told: Told[] = ["a", "b", "c"].map((id) => ({ tree: owner(id), logged: [], promised: 0 }));
  const ends = 2 + die.below(4);
  for (let life = 0; life < ends; life++) {
    host.die = die;
    host.lies = lies;
    const opened = await open(host, { durability, segmentBytes: 2000 });
    expectTold(texts(host, opened), told, seed);
    const { journal } = opened;
    let isKill = die.oneIn(3);
    for (let turn = die.below(30); turn > 0; turn--) {
      for (let n = die.below(4); n >= 0; n--) {
        const one = die.pick(told);
        const text = `${life}.${turn}.${n} ${"y".repeat(die.below(1500))}`;
        log(journal, one.tree, text);
        one.logged.push(text);
      }
      const lengths = told.map(({ logged }) => logged.length);
      const promise = durability === "fast" && die.oneIn(3) ? journal.durable() : journal.settled();
      const kept = () => {
        for (const [i, one] of told.entries()) one.promised = Math.max(one.promised, lengths[i] as number);
      };
      if (promise) {
        const soon = promise.then(kept);
        if (die.oneIn(2)) await soon;
      } else if (isKill) kept();
      if (die.oneIn(8)) journal.drop(0);
    }
    if (life === ends - 1) isKill = true;
    const next = isKill ? host.afterKill() : host.afterPowerCut(die);
    host.dieAt = 0;
    host = next;
  }
  return ends;
}

test("after a kill or a power cut at any moment all that was settled is there, in order, and nothing else", async (t) => {
  let ends = 0;
  for (let seed = 1; seed <= rounds(150, 5000); seed++) ends += await lives(seed);
  t.diagnostic(`${ends} ends`);
});

test("and this test bites: a disk that lies about syncs is found out", async () => {
  let found = 0;
  for (let seed = 1; seed <= 40; seed++)
    await lives(seed, (path) => path.includes("journal")).catch(() => {
      found += 1;
    });
  assert.ok(found > 5, `${found} of 40`);
});
