import { pathNames } from "../../api/resource.ts";
import type { DescribedRoute, RouteFacts } from "../../api/route.ts";
import { BrambleError } from "../../base/errors.ts";
import type { Node } from "../../fleet/node.ts";
import type { Registry } from "../registry.ts";

const unknown = (reference: string) =>
  new BrambleError("NODE_UNKNOWN", `there is no node ${reference}`, {
    hint: "`bramble node list` shows yours",
  });

/** What a tenant may name: its own nodes, whole names only. Others' are as unknown to it as those that there are not. */
export function nodeOfTenant(registry: Registry, reference: string, tenant: string): Node {
  const text = reference.toLowerCase();
  const found = registry
    .all()
    .find(
      (node) =>
        node.owner === tenant &&
        [node.id, node.name, node.serial, node.mac, node.mac?.replaceAll(":", "-")].includes(text),
    );
  if (found) return found;
  throw unknown(reference);
}

/**
 * A tenant's arguments with its own node in them. A route that names no node must say that tenants may call it: FORBIDDEN.
 */
export function ownNode(
  registry: Registry,
  route: RouteFacts | DescribedRoute,
  args: Record<string, unknown>,
  tenant: string,
): Record<string, unknown> {
  const { node } = args;
  if (typeof node === "string") return { ...args, node: nodeOfTenant(registry, node, tenant).id };
  if (("tenant" in route && route.tenant) || pathNames(route.path).includes("node")) return args;
  throw new BrambleError("FORBIDDEN", "tenants cannot do this", {
    hint: "what a tenant may call names a node of its own",
  });
}

/** Rows of a tenant's nodes; one thing that is not of them is unknown. */
export function ownOnly(registry: Registry, value: unknown, tenant: string): unknown {
  const own = new Set(registry.all().flatMap((node) => (node.owner === tenant ? [node.id, node.name] : [])));
  if (Array.isArray(value)) return value.filter((row) => own.has(nodeOf(row)));
  if (own.has(nodeOf(value))) return value;
  throw unknown(nodeOf(value) === "" ? "of that name" : nodeOf(value));
}

/** Whose a row is: it names its node, or is one. */
function nodeOf(row: unknown): string {
  const { node, id } = (row ?? {}) as { node?: unknown; id?: unknown };
  const name = node ?? id;
  return typeof name === "string" ? name : "";
}
