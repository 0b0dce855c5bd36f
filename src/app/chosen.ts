import { BrambleError } from "../base/errors.ts";
import type { Actor } from "../fleet/actor.ts";
import type { Node } from "../fleet/node.ts";
import type { Registry } from "./registry.ts";

/**
 * The nodes that somebody means, of those that it may see: by a selector or hostlist, or one by one by id or name, each once. Throws
 * BAD_INPUT where not exactly one of both is said, NODE_UNKNOWN, SELECTOR_BAD, HOSTLIST_BAD.
 */
export function chosen(
  registry: Pick<Registry, "seenBy" | "select">,
  { select, nodes }: { select?: string; nodes?: readonly string[] },
  by: Actor,
): Node[] {
  const among = registry.seenBy(by);
  if (select !== undefined && nodes === undefined) return registry.select(select, among);
  if (nodes === undefined || select !== undefined)
    throw new BrambleError("BAD_INPUT", "which nodes? `select` or `nodes` says it, one of the two", {
      hint: 'select: "rack=3" or nodes: ["pi-01", "pi-02"]',
    });
  const known = new Map(among.flatMap((node) => [[node.name, node] as const, [node.id, node] as const]));
  const found = nodes.map((reference) => {
    const node = known.get(reference);
    if (node) return node;
    throw new BrambleError("NODE_UNKNOWN", `there is no node ${reference}`, {
      hint: "`bramble node list` shows all",
    });
  });
  return [...new Set(found)];
}
