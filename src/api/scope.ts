import { BrambleError } from "../base/errors.ts";
import type { Actor } from "../fleet/actor.ts";

/** Throws FORBIDDEN where a token's scopes leave this part of the API out. */
export function mustBeInScope(by: Actor, area: string, method = "GET"): void {
  const scopes = by.scopes ?? [];
  if (scopes.length === 0 || scopes.includes(area) || (method === "GET" && scopes.includes(`${area}:read`)))
    return;
  throw new BrambleError("FORBIDDEN", `this token is for ${scopes.join(", ")} only`, {
    hint: `this needs the scope ${area}${method === "GET" ? ":read" : ""}`,
  });
}
