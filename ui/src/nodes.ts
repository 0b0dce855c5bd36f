// All nodes, live: loaded once in pages, then only those that changed.
import { computed, signal } from "@preact/signals";
import type { NodeView } from "../../src/api/contract.ts";
import { call, type Problem } from "./api.ts";
import { naturalKey } from "./format.ts";
import { type Change, onChange } from "./live.ts";

export const nodes = signal<ReadonlyMap<string, NodeView>>(new Map());
/** The first load is over; until then "no nodes" is not known. */
export const nodesLoaded = signal(false);
export const nodesProblem = signal<Problem | undefined>(undefined);

export const byName = (a: NodeView, b: NodeView): number => {
  const [one, other] = [naturalKey(a.name), naturalKey(b.name)];
  return one < other ? -1 : one > other ? 1 : 0;
};
export const nodeList = computed(() => [...nodes.value.values()].sort(byName));
export const nodeNamed = (name: string): NodeView | undefined => {
  for (const node of nodes.value.values()) if (node.name === name || node.id === name) return node;
  return undefined;
};

/** More changed nodes than this at once: the whole list is cheaper (and a selector has at most 4,096 characters). */
const MOST_SINGLE = 200;
const PAGE = 500;
/** How often the picture is brought up to date at most. */
const EVERY_MS = 400;
const stale = new Set<string>();
let all = false;
let planned = false;
let busy = false;
let listening = false;

function mark(change: Change): void {
  if (change.about === "all") all = true;
  else if (change.about !== "node" && change.about !== "boot" && change.about !== "power") return;
  else if (change.id === undefined) all = true;
  else stale.add(change.node ?? change.id);
  plan();
}

function plan(): void {
  if (busy || planned || (!all && stale.size === 0)) return;
  planned = true;
  setTimeout(() => {
    planned = false;
    void refresh();
  }, EVERY_MS);
}

async function refresh(): Promise<void> {
  busy = true;
  const ids = [...stale];
  const whole = all || ids.length > MOST_SINGLE;
  stale.clear();
  all = false;
  try {
    if (whole) await loadNodes();
    else await loadSome(ids);
    nodesProblem.value = undefined;
  } catch (error) {
    nodesProblem.value = error as Problem;
  } finally {
    busy = false;
    plan();
  }
}

/** What did not change stays the same object: whoever draws it need not draw it anew. */
function same(node: NodeView): NodeView {
  const before = nodes.value.get(node.id);
  return before && JSON.stringify(before) === JSON.stringify(node) ? before : node;
}

async function loadSome(ids: readonly string[]): Promise<void> {
  const found = await call("nodes", { select: `id in (${ids.join(",")})`, limit: PAGE });
  const next = new Map(nodes.value);
  for (const id of ids) next.delete(id);
  for (const node of found) next.set(node.id, same(node));
  nodes.value = next;
}

/** Loads all of them; the first ones are shown while the rest is on its way. */
export async function loadNodes(): Promise<void> {
  const next = new Map<string, NodeView>();
  for (let after: string | undefined; ; ) {
    const page = await call("nodes", { limit: PAGE, ...(after !== undefined && { after }) });
    for (const node of page) next.set(node.id, same(node));
    after = page.at(-1)?.name;
    if (!nodesLoaded.value) nodes.value = new Map(next);
    if (page.length < PAGE) break;
  }
  nodes.value = next;
  nodesLoaded.value = true;
}

export async function startNodes(): Promise<void> {
  if (!listening) onChange(mark);
  listening = true;
  try {
    await loadNodes();
    nodesProblem.value = undefined;
  } catch (error) {
    nodesProblem.value = error as Problem;
  }
}
