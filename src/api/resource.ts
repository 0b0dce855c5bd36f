// Which thing a route is about: the route that shows it, for before and after, and for its ETag.
import type { Commands } from "./contract.ts";
import type { RouteFacts } from "./route.ts";

type Name = keyof Commands;

/** Names of path arguments, `/clones/:node/snapshots/:snapshot` → node, snapshot. */
export const pathNames = (path: string): string[] =>
  [...path.matchAll(/:(\w+)/g)].map(([, name]) => name ?? "");

/**
 * The GET route of the thing that a route is about: that of its own path, else of the longest beginning of it that ends in a `:name`.
 * None where no such thing is there yet.
 */
export function resourceOf(routes: Record<string, RouteFacts>, path: string): Name | undefined {
  const parts = path.split("/");
  for (let length = parts.length; length > 1; length--) {
    const beginning = parts.slice(0, length);
    if (!beginning.at(-1)?.startsWith(":")) continue;
    const found = Object.entries(routes).find(
      ([, route]) => route.method === "GET" && route.path === beginning.join("/"),
    );
    if (found) return found[0] as Name;
  }
  return undefined;
}
