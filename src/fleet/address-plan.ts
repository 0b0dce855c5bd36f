// The address plan: which node has which address, from pools for racks and labels, or set by a person. Drawn once, then kept.
import { formatIpv4, parseIpv4 } from "../base/addresses.ts";
import { BrambleError } from "../base/errors.ts";
import { matches, parseSelector, type Selectable, type Selector } from "./select.ts";

/** `client`: what the board itself boots and runs with; `management`: its second way in, such as a BMC. */
export type AddressKind = "client" | "management";
export const ADDRESS_KINDS: readonly AddressKind[] = ["client", "management"];

export interface AddressPool {
  name: string;
  kind: AddressKind;
  /** First and last address. */
  from: string;
  to: string;
  /** Selector of the nodes that it is for; empty: all. */
  for: string;
}

/** What pools gave to a node. */
export type Planned = { [K in AddressKind]?: { address: string; pool: string } };

export interface Plannable extends Selectable {
  /** Set by a person; the plan leaves them alone and gives them to nobody else. */
  address?: string;
  management?: string;
  planned?: Planned;
}

const LARGEST_POOL = 65_536;
const NAME = /^[a-z0-9](?:[a-z0-9._-]{0,61}[a-z0-9])?$/;

/** Throws BAD_INPUT, SELECTOR_BAD, or ADDRESS_POOL_TAKEN where it shares addresses with another. */
export function checkPool(pool: AddressPool, others: readonly AddressPool[]): AddressPool {
  if (typeof pool.name !== "string" || !NAME.test(pool.name))
    throw new BrambleError("BAD_INPUT", `${JSON.stringify(pool.name)} is no name of a pool`, {
      hint: "up to 63 lower-case letters, digits and . _ -, such as rack-3",
    });
  if (!ADDRESS_KINDS.includes(pool.kind))
    throw new BrambleError("BAD_INPUT", `${pool.kind} is no kind of address`, {
      hint: ADDRESS_KINDS.join(" or "),
    });
  const [from, to] = [parseIpv4(pool.from), parseIpv4(pool.to)];
  if (to < from || to - from >= LARGEST_POOL)
    throw new BrambleError("BAD_INPUT", `${pool.from} to ${pool.to} is no range of addresses`, {
      hint: `the first address, then the last; ${LARGEST_POOL} at most`,
    });
  if (from >>> 24 === 0 || to >>> 24 >= 224)
    throw new BrambleError("BAD_INPUT", `${pool.from} to ${pool.to} are no addresses of hosts`);
  if (pool.for !== "") parseSelector(pool.for);
  for (const other of others) {
    if (other.name === pool.name || parseIpv4(other.from) > to || parseIpv4(other.to) < from) continue;
    throw new BrambleError(
      "ADDRESS_POOL_TAKEN",
      `${pool.name} and ${other.name} share addresses: ${other.name} has ${other.from} to ${other.to}`,
    );
  }
  return { ...pool, from: formatIpv4(from), to: formatIpv4(to) };
}

/** The address that holds for a node, and who said so. */
export function addressOf(
  node: Pick<Plannable, "address" | "management" | "planned">,
  kind: AddressKind,
): { address: string; from: string } | undefined {
  const own = kind === "client" ? node.address : node.management;
  if (own !== undefined) return { address: own, from: "node" };
  const planned = node.planned?.[kind];
  return planned && { address: planned.address, from: `pool ${planned.pool}` };
}

export interface PlanTrouble {
  node: string;
  kind: AddressKind;
  why: string;
}

interface ReadPool extends AddressPool {
  selector: Selector;
  first: number;
  last: number;
  /** Below it nothing is free. */
  next: number;
}

/**
 * What each node should have now. Who has an address from a pool that is still for it keeps it; others are given the lowest free one, in
 * the order of `nodes`. A node that nobody has enrolled gets none: a stranger may invent boards. Pools are tried by name. `others` are addresses
 * of nodes that are not asked about.
 */
export function planAddresses(
  nodes: readonly Plannable[],
  pools: readonly AddressPool[],
  others: Iterable<string> = [],
): { planned: Map<string, Planned | undefined>; trouble: PlanTrouble[] } {
  const read = [...pools]
    .sort((one, other) => (one.name < other.name ? -1 : 1))
    .map((pool): ReadPool => {
      const [first, last] = [parseIpv4(pool.from), parseIpv4(pool.to)];
      return { ...pool, selector: pool.for === "" ? [] : parseSelector(pool.for), first, last, next: first };
    });
  const taken = new Set([...others].map(parseIpv4));
  for (const node of nodes)
    for (const own of [node.address, node.management]) if (own !== undefined) taken.add(parseIpv4(own));

  const planned = new Map<string, Planned | undefined>();
  const give = (id: string, kind: AddressKind, n: number, pool: string) => {
    taken.add(n);
    planned.set(id, { ...planned.get(id), [kind]: { address: formatIpv4(n), pool } });
  };
  const waiting: { node: Plannable; kind: AddressKind; pools: ReadPool[] }[] = [];
  for (const node of nodes) {
    planned.set(node.id, undefined);
    if (node.state === "discovered") continue;
    for (const kind of ADDRESS_KINDS) {
      if ((kind === "client" ? node.address : node.management) !== undefined) continue;
      const fit = read.filter((pool) => pool.kind === kind && matches(pool.selector, node));
      const kept = node.planned?.[kind];
      const pool = kept && fit.find(({ name }) => name === kept.pool);
      const n = kept ? parseIpv4(kept.address) : -1;
      if (pool && n >= pool.first && n <= pool.last && !taken.has(n)) give(node.id, kind, n, pool.name);
      else if (fit.length > 0) waiting.push({ node, kind, pools: fit });
    }
  }
  const trouble: PlanTrouble[] = [];
  for (const { node, kind, pools: fit } of waiting) {
    const pool = fit.find((one) => free(one, taken) !== undefined);
    if (pool) give(node.id, kind, pool.next, pool.name);
    else
      trouble.push({
        node: node.name,
        kind,
        why: `${fit.map(({ name }) => name).join(", ")}: no address is left`,
      });
  }
  return { planned, trouble };
}

function free(pool: ReadPool, taken: ReadonlySet<number>): number | undefined {
  while (pool.next <= pool.last && taken.has(pool.next)) pool.next++;
  return pool.next <= pool.last ? pool.next : undefined;
}
