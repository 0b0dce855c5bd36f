// The same question for iptables, by what iptables-save prints.
import type { Incoming, Passes, Verdict } from "./firewall.ts";

const DEEPEST = 16;
type Match = boolean | "maybe";

/** Table `filter`, from INPUT on. No such table: everything passes. */
export function iptablesVerdict(text: string, packet: Incoming): Verdict {
  const filter = /^\*filter$([\s\S]*?)^COMMIT$/m.exec(text)?.[1] ?? "";
  const policies = new Map(
    [...filter.matchAll(/^:(\S+) (\S+)/gm)].map(([, name = "", policy = ""]) => [name, policy]),
  );
  const rules = new Map<string, string[][]>();
  for (const [, chain = "", rest = ""] of filter.matchAll(/^-A (\S+) ?(.*)$/gm))
    rules.set(chain, [...(rules.get(chain) ?? []), rest.match(/"[^"]*"|\S+/g) ?? []]);
  const doubts: { passes: Passes; by: string }[] = [];
  const end = (passes: "yes" | "no", by: string): Verdict => {
    const doubt = doubts.find((one) => one.passes !== passes);
    return doubt ? { passes: "maybe", by: doubt.by } : { passes, by };
  };
  const walk = (chain: string, depth: number): Verdict | undefined => {
    for (const words of rules.get(chain) ?? []) {
      const { fits, target, goes } = read(words, packet);
      if (fits === false) continue;
      const by = `iptables, chain ${chain}: ${words.join(" ")}`;
      const passes =
        target === "ACCEPT" ? "yes" : target === "DROP" || target === "REJECT" ? "no" : undefined;
      if (passes) {
        if (fits === true) return end(passes, by);
        doubts.push({ passes, by });
      } else if (target === "RETURN") {
        if (fits === true) return undefined;
      } else if (rules.has(target) && depth < DEEPEST) {
        if (fits === true) {
          const told = walk(target, depth + 1);
          if (told || goes) return told;
        } else doubts.push({ passes: "yes", by }, { passes: "no", by });
      }
    }
    return undefined;
  };
  const policy = policies.get("INPUT") === "DROP" ? "no" : "yes";
  return walk("INPUT", 0) ?? end(policy, "iptables, the policy of INPUT");
}

/** Modules whose options say nothing that is asked here, or that stand only to bring them in. */
const HARMLESS = new Set(["udp", "tcp", "multiport", "comment", "conntrack", "state"]);

function read(
  words: readonly string[],
  { proto, port, from }: Incoming,
): { fits: Match; target: string; goes: boolean } {
  let fits: Match = true;
  let [target, goes] = ["", false];
  const and = (one: Match) => {
    fits = fits === false || one === false ? false : fits === true ? one : fits;
  };
  for (let i = 0; i < words.length; i++) {
    const not = words[i] === "!";
    if (not) i++;
    const [option = "", value = ""] = [words[i], words[i + 1]];
    const is = (yes: boolean) => and(yes !== not);
    i++;
    if (option === "-j" || option === "-g") [target, goes] = [value, option === "-g"];
    else if (option === "-i") is(value.endsWith("+") ? from.startsWith(value.slice(0, -1)) : value === from);
    else if (option === "-p") is(value === proto || value === "all");
    else if (option === "--dport" || option === "--dports")
      is(
        value.split(",").some((one) => {
          const [low = "", high = low] = one.split(":");
          return Number(low) <= port && port <= Number(high);
        }),
      );
    else if (option === "--state" || option === "--ctstate") is(value.split(",").includes("NEW"));
    else if (option === "-m") {
      if (!HARMLESS.has(value)) and("maybe");
    } else if (option === "--comment" || option === "--reject-with") continue;
    else if (target === "") and("maybe"); // -s, --limit …: what they look at is not known
  }
  return { fits, target, goes };
}
