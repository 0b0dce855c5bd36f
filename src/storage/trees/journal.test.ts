import assert from "node:assert/strict";
import { test } from "node:test";
import type { BrambleError } from "../../base/errors.ts";
import { Die, rounds } from "../testing/die.ts";
import { type Journal, openJournal } from "./journal.ts";
import { ENTRY, entriesOf, type Owner } from "./journal-format.ts";
import type { Scanned } from "./journal-scan.ts";
import { MemoryHost } from "./testing/memory-host.ts";

const FOLDER = "/trees";

interface Open {
  journal: Journal;
  scanned: Scanned;
}

async function open(host: MemoryHost, how: { segmentBytes?: number } = {}): Promise<Open> {
  host.makeFolder(FOLDER);
  return openJournal({ host, folder: FOLDER, ...how });
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
  await journal.settled("durable");
  log(journal, b, "");
  await journal.settled("durable");
  assert.equal(journal.settled("durable"), undefined, "nothing new: settled at once");
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
  const all = [journal.settled("durable")];
  const before = host.syncs;
  for (let i = 0; i < 100; i++) {
    log(journal, a, `${i}`);
    all.push(journal.settled("durable"));
  }
  await Promise.all(all);
  assert.equal(host.syncs - before, 1);
});

test("who asks once more for a batch that is under way takes nobody's place: all are told", async () => {
  const host = new MemoryHost();
  const { journal } = await open(host);
  log(journal, owner("a"), "under way");
  const first = journal.sequence;
  const told: string[] = [];
  const wait = (name: string, soon: void | Promise<void>) =>
    Promise.resolve(soon).then(() => void told.push(name));
  const all = [wait("a", journal.settled("durable", first))];
  log(journal, owner("b"), "next");
  all.push(wait("b", journal.settled("durable")), wait("a again", journal.settled("durable", first)));
  const turns = async () => {
    for (let i = 0; i < 100; i++) await new Promise((next) => setImmediate(next));
  };
  await Promise.race([Promise.all(all), turns()]);
  assert.deepEqual(told.sort(), ["a", "a again", "b"]);
});

test("fast: settled without waiting, survives a kill", async () => {
  const host = new MemoryHost();
  const { journal } = await open(host);
  log(journal, owner("a"), "kept");
  assert.equal(journal.settled("fast"), undefined);
  assert.deepEqual(texts(host, await open(host.afterKill())).get("a"), ["kept"]);
});

test("a fast tree does not wait for the fdatasync of a durable one, which does not become durable by the fast one's write", async () => {
  const host = new MemoryHost();
  const { journal } = await open(host);
  const [durable, fast] = [owner("d"), owner("f")];
  log(journal, durable, "first");
  const first = journal.settled("durable");
  assert.ok(first instanceof Promise);
  const syncs = host.syncs;
  for (let i = 0; i < 50; i++) {
    log(journal, fast, `${i}`);
    assert.equal(journal.settled("fast"), undefined, "while the other's is under way");
  }
  log(journal, durable, "second");
  const second = journal.settled("durable");
  log(journal, fast, "last");
  assert.equal(journal.settled("fast"), undefined);
  assert.ok(second instanceof Promise, "written by the fast one's turn, and not on the disk");
  assert.equal(host.syncs, syncs, "fast ones cost no sync of their own");
  await first;
  await second;
  assert.equal(host.syncs - syncs, 1, "one for all that came meanwhile");
  const found = texts(host, await open(host.afterPowerCut(new Die(1))));
  assert.deepEqual(found.get("d"), ["first", "second"]);
  assert.equal(found.get("f")?.length, 51, "what lies between two of a durable one is on the disk, too");
});

test("a journal cut at any byte gives the whole batches before, says where, and goes on", async () => {
  const host = new MemoryHost();
  const { journal } = await open(host);
  const a = owner("a");
  const path = `${FOLDER}/journal.1`;
  const ends: number[] = [];
  for (let i = 0; i < 6; i++) {
    log(journal, a, `text ${"x".repeat(i * 3)}`);
    await journal.settled("durable");
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
    await opened.journal.settled("durable");
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
    await journal.settled("durable");
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
  const mode = die.pick(["durable", "fast", "both"] as const);
  const told: Told[] = ["a", "b", "c"].map((id) => ({ tree: owner(id), logged: [], promised: 0 }));
  const ends = 2 + die.below(4);
  for (let life = 0; life < ends; life++) {
    host.die = die;
    host.lies = lies;
    const opened = await open(host, { segmentBytes: 2000 });
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
      const durability = mode !== "both" ? mode : die.oneIn(2) ? "durable" : "fast";
      const promise = durability === "fast" && die.oneIn(3) ? journal.durable() : journal.settled(durability);
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
