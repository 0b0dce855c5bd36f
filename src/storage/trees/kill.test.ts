import assert from "node:assert/strict";
import { type ChildProcess, fork } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { extname, join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import type { Credentials } from "../../wire/nfs/tree.ts";
import { Die, rounds } from "../testing/die.ts";
import { emptyLower } from "./keep-testing.ts";
import type { KillOrder } from "./testing/kill-child.ts";
import { openTrees } from "./trees.ts";

const CHILD = fileURLToPath(new URL(`testing/kill-child${extname(import.meta.url)}`, import.meta.url));
const ROOT: Credentials = { uid: 0, gid: 0, gids: [] };
const IDS = ["n1", "n2", "n3"];
/** Of all trees; or the second is fast, the others durable. */
const MODES = ["durable", "fast", "both"] as const;
type Mode = (typeof MODES)[number];
const NAMES = ["a", "b", "c", "d"];

/** What a file holds: the value of each sector. */
type Bytes = readonly number[];
/** What a tree holds. */
type Names = ReadonlyMap<string, Bytes>;

function after(names: Names, order: KillOrder): Names {
  const next = new Map(names);
  const bytes = [...(next.get(order.name) ?? [])];
  const { first, count, number } = order;
  if (order.do === "snapshot" || order.do === "checkpoint") return next;
  if (order.do === "truncate") bytes.length = first;
  if (order.do === "write" || order.do === "loose")
    for (let i = first; i < first + count; i++) bytes[i] = number;
  for (let i = 0; i < bytes.length; i++) bytes[i] ??= 0;
  next.set(order.name, bytes);
  if (order.do === "remove") next.delete(order.name);
  if (order.do === "rename" && order.name !== order.to) {
    next.delete(order.name);
    next.set(order.to, bytes);
  }
  return next;
}

const nextMessage = (child: ChildProcess) =>
  new Promise<{ done?: number }>((resolve, reject) => {
    const died = (code: number | null) => reject(new Error(`the child ended by itself: ${code}`));
    child.once("exit", died);
    child.once("message", (what) => {
      child.off("exit", died);
      resolve(what as { done?: number });
    });
  });

interface Told {
  /** Once for each tree: as promised, then what each order that was only sent may have made of it. */
  states: Map<string, Names[]>;
  snapshots: Map<string, Set<string>>;
  number: number;
}

function nextOrder(told: Told, die: Die): KillOrder {
  told.number += 1;
  const kind = die.below(40);
  const what =
    kind < 16
      ? "write"
      : kind < 22
        ? "loose"
        : kind < 28
          ? "rename"
          : kind < 33
            ? "truncate"
            : kind < 37
              ? "remove"
              : kind < 39
                ? "snapshot"
                : "checkpoint";
  const name = what === "snapshot" ? `s${told.number}` : die.pick(NAMES);
  const [first, count] = [die.below(300), 1 + die.below(die.oneIn(4) ? 600 : 5)];
  return { number: told.number, tree: die.pick(IDS), do: what, name, to: die.pick(NAMES), first, count };
}

async function orderAndKill(folder: string, mode: Mode, told: Told, die: Die): Promise<void> {
  const child = fork(CHILD, [folder, mode]);
  const gone = new Promise((resolve) => child.once("exit", resolve));
  await nextMessage(child);
  const batches = 5 + die.below(40);
  for (let done = 0; done < batches; done++) {
    const order = nextOrder(told, die);
    const states = told.states.get(order.tree) as Names[];
    states.push(after(states.at(-1) as Names, order));
    child.send(order);
    if (done === batches - 1) break;
    await nextMessage(child);
    states.splice(0, states.length - 1);
    if (order.do === "snapshot") told.snapshots.get(order.tree)?.add(order.name);
  }
  const turns = die.below(3);
  for (let i = 0; i < turns; i++) await new Promise((next) => setImmediate(next));
  child.kill("SIGKILL");
  await gone;
}

async function look(folder: string, mode: Mode, told: Told, what: string): Promise<void> {
  const trees = await openTrees({
    folder,
    durability: mode === "fast" ? "fast" : "durable",
    openLower: async () => emptyLower(),
    trouble: (error) => {
      throw error;
    },
  });
  if (mode === "both") await trees.setDurability("n2", "fast");
  for (const [id, states] of told.states) {
    const tree = await trees.tree(id);
    const found = new Map<string, Bytes>();
    for (const name of NAMES) {
      const entry = await tree.lookup(ROOT, tree.root, name);
      if (typeof entry === "number") continue;
      const bytes = new Uint8Array(entry.found.size);
      await tree.read(ROOT, entry.found.ino, 0, bytes);
      const words = new Uint32Array(bytes.buffer);
      found.set(
        name,
        Array.from({ length: bytes.length / 512 }, (_, i) => words[i * 128] as number),
      );
    }
    mustBeOneOf(found, states, `${what}: ${id}`);
    told.states.set(id, [found]);
    const names = new Set(trees.snapshots(id).map(({ name }) => name));
    for (const name of told.snapshots.get(id) ?? [])
      assert.ok(names.has(name), `${what}: snapshot ${name} of ${id}`);
  }
  await trees.close();
}

/** The last order may have been done in part: its file may be missing still, and a write that was never answered may be there in part. */
function mustBeOneOf(found: Names, states: readonly Names[], what: string): void {
  const [first, last] = [states[0] as Names, states.at(-1) as Names];
  const isLike = (state: Names, strict: boolean) =>
    [...found].every(([name, bytes]) => {
      const wanted = state.get(name);
      if (!wanted) return !strict && bytes.length === 0;
      if (wanted.length !== bytes.length) return false;
      const others = [first.get(name), last.get(name)];
      return bytes.every((value, i) => value === wanted[i] || others.some((other) => other?.[i] === value));
    }) && [...state.keys()].every((name) => found.has(name));
  assert.ok(
    isLike(first, false) || isLike(last, true),
    `${what}: ${JSON.stringify([...found])} is neither ${JSON.stringify([...first])} nor ${JSON.stringify([...last])}`,
  );
}

for (const mode of MODES)
  test(`kill -9 of a real process, mode ${mode}: every answer that was given holds`, async (t) => {
    const folder = join(mkdtempSync(join(tmpdir(), "trees-")), "trees");
    const told: Told = { states: new Map(), snapshots: new Map(), number: 0 };
    try {
      const trees = await openTrees({
        folder,
        durability: "durable",
        openLower: async () => emptyLower(),
        trouble: () => undefined,
      });
      for (const id of IDS) {
        await trees.create({ id, image: "0".repeat(64) });
        told.states.set(id, [new Map()]);
        told.snapshots.set(id, new Set());
      }
      await trees.close();
      const kills = rounds(3, 100);
      for (let seed = 1; seed <= kills; seed++) {
        await orderAndKill(folder, mode, told, new Die(seed));
        await look(folder, mode, told, `kill ${seed}`);
      }
      t.diagnostic(`${kills} kills, ${told.number} orders`);
    } finally {
      rmSync(join(folder, ".."), { recursive: true, force: true });
    }
  });
