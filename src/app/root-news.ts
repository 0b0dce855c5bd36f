import { type Node, resolveNode } from "../fleet/node.ts";
import type { Core } from "./core.ts";

/** What to say when root mode `auto` comes to mean something else for a node than at its last boot; undefined when it does not. */
export async function rootNews(
  { book, registry }: Pick<Core, "book" | "registry">,
  node: Node,
  bootId: string,
): Promise<string | undefined> {
  const profile = registry.base(node);
  if ((node.root ?? profile.root) !== "auto") return undefined;
  const { root } = resolveNode(node, profile);
  const last = await book
    .selectFrom("boot")
    .select("root")
    .where("nodeId", "=", node.id)
    .where("id", "!=", bootId)
    .where("root", "is not", null)
    .orderBy("startedMs", "desc")
    .limit(1)
    .executeTakeFirst();
  if (!last || last.root === root) return undefined;
  return `root auto means ${root} now, at its last boot it was ${last.root}: the disk is the same; "node set ${node.name} --root ${last.root}" keeps it as it was`;
}
