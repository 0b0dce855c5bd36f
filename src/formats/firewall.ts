// Would a firewall let a packet in? Reads nft's JSON and iptables-save, follows their rules, and says so where it cannot know.

/** A packet of a board to us, as rules see it. */
export interface Incoming {
  proto: "udp" | "tcp";
  port: number;
  /** The interface that it comes by. */
  from: string;
}
/** `maybe`: a rule decides by something that is not known beforehand. */
export type Passes = "yes" | "no" | "maybe";
type Match = boolean | "maybe";

export interface Verdict {
  passes: Passes;
  /** The rule or policy that decides, in words. */
  by: string;
}

type Json = { [key: string]: Json } | Json[] | string | number | boolean | null;
type Fields = { [key: string]: Json };
interface Chain {
  table: string;
  name: string;
  hook?: string;
  policy?: string;
  prio?: number;
  rules: Fields[][];
}

const fields = (value: Json | undefined): Fields =>
  typeof value === "object" && value !== null && !Array.isArray(value) ? value : {};
const list = (value: Json | undefined): Json[] => (Array.isArray(value) ? value : []);
/** Rules jump to chains that jump to chains. */
const DEEPEST = 16;

/** `json`: of `nft -j list ruleset`. Every chain at the input hook must let it in. */
export function nftVerdict(json: string, packet: Incoming): Verdict {
  const chains = new Map<string, Chain>();
  const sets = new Map<string, Json[]>();
  for (const entry of list(fields(JSON.parse(json) as Json)["nftables"])) {
    const { chain, rule, set } = fields(entry);
    const of = fields(chain ?? rule ?? set);
    const table = `${String(of["family"])} ${String(of["table"])}`;
    if (!/^(ip|inet) /.test(table)) continue;
    const { name, hook, policy, prio } = of;
    if (chain !== undefined)
      chains.set(`${table} ${String(name)}`, {
        table,
        name: String(name),
        ...(hook !== undefined && {
          hook: String(hook),
          policy: String(policy ?? "accept"),
          prio: Number(prio ?? 0),
        }),
        rules: [],
      });
    else if (rule !== undefined)
      chains.get(`${table} ${String(of["chain"])}`)?.rules.push(list(of["expr"]).map(fields));
    else if (set !== undefined) sets.set(`${table} @${String(name)}`, list(of["elem"]));
  }
  const base = [...chains.values()].filter(({ hook }) => hook === "input");
  let worst: Verdict = { passes: "yes", by: "no rule is against it" };
  for (const chain of base.sort((a, b) => (a.prio ?? 0) - (b.prio ?? 0))) {
    const told = walkNft(chain, chains, sets, packet);
    if (told.passes === "no") return told;
    if (told.passes === "maybe") worst = told;
  }
  return worst;
}

function walkNft(
  base: Chain,
  chains: Map<string, Chain>,
  sets: Map<string, Json[]>,
  packet: Incoming,
): Verdict {
  const doubts: string[] = [];
  const end = (passes: "yes" | "no", by: string): Verdict => {
    const doubt = doubts.find((one) => one.startsWith(passes === "no" ? "yes" : "no"));
    return doubt === undefined ? { passes, by } : { passes: "maybe", by: doubt.slice(4) };
  };
  const walk = (chain: Chain, depth: number): Verdict | undefined => {
    for (const rule of chain.rules) {
      const where = `table ${chain.table}, chain ${chain.name}`;
      let fits: Match = true;
      for (const expression of rule) {
        if ("match" in expression)
          fits = both(fits, nftMatch(fields(expression["match"]), chain, sets, packet));
        else if ("limit" in expression || "xt" in expression) fits = both(fits, "maybe");
        if (fits === false) break;
        const verdict = verdictOf(expression, chain, sets, packet);
        if (verdict === undefined || "match" in expression) continue;
        if (verdict.what === "maybe") doubts.push(`no  ${where}`, `yes ${where}`);
        else if (verdict.what === "jump" || verdict.what === "goto") {
          const next = chains.get(`${chain.table} ${verdict.target}`);
          if (fits === "maybe") doubts.push(`no  ${where}`, `yes ${where}`);
          else if (next && depth < DEEPEST) {
            const told = walk(next, depth + 1);
            if (told) return told;
            if (verdict.what === "goto") return undefined;
          }
        } else if (verdict.what === "return") {
          if (fits === true) return undefined;
        } else {
          const passes = verdict.what === "accept" ? "yes" : "no";
          if (fits === true) return end(passes, where);
          doubts.push(`${passes.padEnd(4)}${where}`);
        }
      }
    }
    return undefined;
  };
  const policy = base.policy === "drop" ? "no" : "yes";
  return walk(base, 0) ?? end(policy, `the policy of table ${base.table}, chain ${base.name}`);
}

const both = (a: Match, b: Match): Match => (a === false || b === false ? false : a === true ? b : a);

interface Told {
  what: "accept" | "drop" | "jump" | "goto" | "return" | "maybe";
  target?: string;
}
function verdictOf(
  expression: Fields,
  chain: Chain,
  sets: Map<string, Json[]>,
  packet: Incoming,
): Told | undefined {
  if ("accept" in expression) return { what: "accept" };
  if ("drop" in expression || "reject" in expression) return { what: "drop" };
  if ("return" in expression) return { what: "return" };
  for (const what of ["jump", "goto"] as const)
    if (what in expression) return { what, target: String(fields(expression[what])["target"]) };
  if (!("vmap" in expression)) return undefined;
  const { key, data } = fields(expression["vmap"]);
  const pairs =
    typeof data === "string" ? (sets.get(`${chain.table} ${data}`) ?? []) : list(fields(data)["set"]);
  const known = knownOf(fields(key), packet);
  if (known === undefined) return { what: "maybe" };
  const pair = pairs.find((one) => inside(list(one)[0] ?? null, known));
  return pair === undefined ? undefined : verdictOf(fields(list(pair)[1]), chain, sets, packet);
}

/** A port of another protocol: the rule is not about this packet, whether it says == or !=. */
const NEVER = "another protocol";

/** What a rule looks at, where that is known of a board's first packet. */
function knownOf(left: Fields, { proto, port, from }: Incoming): string | number | undefined {
  const meta = String(fields(left["meta"])["key"] ?? "");
  if (meta === "iifname" || meta === "iif") return from;
  if (meta === "l4proto") return proto;
  if (meta === "nfproto") return "ipv4";
  const { protocol, field } = fields(left["payload"]);
  if (field === "dport") return protocol === proto || protocol === "th" ? port : NEVER;
  if (field === "protocol" && protocol === "ip") return proto;
  if (fields(left["ct"])["key"] === "state") return "new";
  return undefined;
}

function nftMatch(
  { op, left, right }: Fields,
  chain: Chain,
  sets: Map<string, Json[]>,
  packet: Incoming,
): Match {
  const known = knownOf(fields(left), packet);
  if (known === undefined) return "maybe";
  if (known === NEVER) return false;
  const wanted: Json[] | undefined =
    typeof right === "string" && right.startsWith("@")
      ? sets.get(`${chain.table} ${right}`)
      : (list(fields(right)["set"]).length > 0 && list(fields(right)["set"])) ||
        (Array.isArray(right) ? right : [right ?? null]);
  if (!wanted) return "maybe";
  const fits = wanted.some((one) => inside(one, known));
  return op === "!=" ? !fits : fits;
}

function inside(wanted: Json, known: string | number): boolean {
  const range = list(fields(wanted)["range"]);
  if (range.length === 2) return Number(range[0]) <= Number(known) && Number(known) <= Number(range[1]);
  const elem = fields(wanted)["elem"];
  if (elem !== undefined) return inside(fields(elem)["val"] ?? elem, known);
  if (typeof wanted === "string" && wanted.endsWith("*"))
    return String(known).startsWith(wanted.slice(0, -1));
  return wanted === known || String(wanted) === String(known);
}
