// Which nodes are meant: selectors (`rack=3,model in (4B,5),!broken`) and hostlists (`pi[01-30,40]`).
import { BrambleError } from "../base/errors.ts";
import { parseHostlist } from "./select-hostlist.ts";

/** What can be asked of a node; nodes and their views have this shape. */
export interface Selectable {
  id: string;
  name: string;
  state: string;
  profile: string;
  serial?: string;
  mac?: string;
  model?: string;
  image?: string;
  root?: string;
  firmware?: string;
  address?: string;
  group?: string;
  owner?: string;
  labels?: Readonly<Record<string, string>>;
  place?: { readonly [K in PlaceKey]?: string | number };
}

const OWN_KEYS =
  "id name state profile serial mac model image root firmware address group owner maintenance".split(" ");
const PLACE_KEYS = ["site", "rack", "unit", "slot", "switch", "port"] as const;
type PlaceKey = (typeof PLACE_KEYS)[number];
/** Names of what Bramble itself knows of a node: no label may have one of them. */
export const SELECT_KEYS: readonly string[] = [...OWN_KEYS, ...PLACE_KEYS];

/** Terms that must all hold. `in` with no values: it has one at all; `notin` with no values: it has none. */
export type Selector = readonly Term[];
export interface Term {
  key: string;
  op: "in" | "notin";
  /** `*` and `?` stand for any text and any character; letters count in any case. */
  values: readonly string[];
}

const MOST_CHARACTERS = 4_096;
const MOST_TERMS = 64;
const KEY = /[A-Za-z0-9](?:[A-Za-z0-9._/-]*[A-Za-z0-9])?/y;
const VALUE = /[A-Za-z0-9._:@/+*?#-]+/y;
const EXAMPLE = "such as rack=3,model in (4B,5),!broken";

/**
 * `key=value`, `key!=value`, `key in (a,b)`, `key notin (a,b)`, `key` (there is one), `!key` (there is none), with commas between.
 * SELECTOR_BAD with the column where it cannot be read.
 */
export function parseSelector(text: string): Selector {
  if (text.length > MOST_CHARACTERS) throw bad(MOST_CHARACTERS, "it is too long");
  let at = 0;
  const blanks = () => {
    while (text[at] === " " || text[at] === "\t") at++;
  };
  const take = (sign: string) => {
    blanks();
    if (!text.startsWith(sign, at)) return false;
    at += sign.length;
    return true;
  };
  const read = (pattern: RegExp, what: string): string => {
    blanks();
    pattern.lastIndex = at;
    const found = pattern.exec(text)?.[0];
    if (found === undefined) throw bad(at, `${what} is missing`);
    at += found.length;
    return found;
  };
  const list = (): string[] => {
    if (!take("(")) throw bad(at, "( is missing");
    const values = [read(VALUE, "a value")];
    while (take(",")) values.push(read(VALUE, "a value"));
    if (!take(")")) throw bad(at, ") is missing");
    return values;
  };
  const term = (): Term => {
    const not = take("!");
    const key = read(KEY, "a name");
    if (not) return { key, op: "notin", values: [] };
    if (take("!=")) return { key, op: "notin", values: [read(VALUE, "a value")] };
    if (take("==") || take("=")) return { key, op: "in", values: [read(VALUE, "a value")] };
    const word = /(?:not)?in(?=[\s(])/y;
    word.lastIndex = at;
    const op = word.exec(text)?.[0];
    if (op === undefined) return { key, op: "in", values: [] };
    at += op.length;
    return { key, op: op as Term["op"], values: list() };
  };

  const terms = [term()];
  while (take(",")) {
    if (terms.length === MOST_TERMS) throw bad(at, `it has more than ${MOST_TERMS} terms`);
    terms.push(term());
  }
  blanks();
  if (at < text.length) throw bad(at, `${JSON.stringify(text.slice(at, at + 12))} has no place here`);
  return terms;
}

const bad = (at: number, what: string) =>
  new BrambleError("SELECTOR_BAD", `selector:1:${at + 1}: ${what}`, { hint: EXAMPLE });

/** What a node has under a name: a fact of its own, a part of its place, or a label. */
export function selectFact(node: Selectable, key: string): string | undefined {
  const place = PLACE_KEYS.find((one) => one === key);
  const from: object = place ? (node.place ?? {}) : OWN_KEYS.includes(key) ? node : (node.labels ?? {});
  const value: unknown = Object.hasOwn(from, key) ? (from as Record<string, unknown>)[key] : undefined;
  // false is what a node has that is not so, such as maintenance
  return value === undefined || value === null || value === false ? undefined : String(value);
}

export const matches = (selector: Selector, node: Selectable): boolean =>
  selector.every(({ key, op, values }) => {
    const fact = selectFact(node, key);
    const fits = fact !== undefined && (values.length === 0 || values.some((value) => glob(value, fact)));
    return fits === (op === "in");
  });

/** `*` any text, `?` any character; linear in what it reads: a selector may come from a stranger. */
export function glob(pattern: string, text: string): boolean {
  const [want, have] = [pattern.toLowerCase(), text.toLowerCase()];
  let [p, t, star, mark] = [0, 0, -1, 0];
  while (t < have.length) {
    if (want[p] === "*") [star, mark] = [p++, t];
    else if (p < want.length && (want[p] === "?" || want[p] === have[t])) [p, t] = [p + 1, t + 1];
    else if (star < 0) return false;
    else [p, t] = [star + 1, ++mark];
  }
  while (want[p] === "*") p++;
  return p === want.length;
}

/** Whether a text is a selector; else it is a hostlist. A label that must only be there is written `label=*`. */
export const isSelector = (text: string): boolean => /[=!(]/.test(text);

/** The nodes that a text means, a selector or a hostlist. SELECTOR_BAD, NODE_UNKNOWN. */
export function selectNodes<N extends Selectable>(nodes: readonly N[], text: string): N[] {
  if (!isSelector(text)) return namedNodes(nodes, text);
  const selector = parseSelector(text);
  return nodes.filter((node) => matches(selector, node));
}

/**
 * The nodes of a hostlist, in its order, each once: names, ids, serials, MACs, and names with `*` or `?`. NODE_UNKNOWN names those that
 * there are not; a pattern that fits none is one of them.
 */
export function namedNodes<N extends Selectable>(nodes: readonly N[], text: string): N[] {
  const known = new Map<string, N>();
  for (const node of nodes)
    for (const key of [node.mac, node.mac?.replaceAll(":", "-"), node.serial, node.id, node.name])
      if (key !== undefined) known.set(key.toLowerCase(), node);
  const found = new Set<N>();
  const missing: string[] = [];
  for (const name of parseHostlist(text)) {
    const fit = /[*?]/.test(name)
      ? nodes.filter((node) => glob(name, node.name))
      : [known.get(name.toLowerCase())].filter((node) => node !== undefined);
    if (fit.length === 0) missing.push(name);
    for (const node of fit) found.add(node);
  }
  if (missing.length === 0) return [...found];
  const more = missing.length > 5 ? ` and ${missing.length - 5} more` : "";
  throw new BrambleError("NODE_UNKNOWN", `there is no node ${missing.slice(0, 5).join(", ")}${more}`, {
    hint: "`bramble node list` shows all",
  });
}
