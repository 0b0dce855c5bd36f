import type { Node } from "../fleet/node.ts";
import type { AgentHooks } from "./agent-api.ts";
import { sha256 } from "./boot-files.ts";

/** Whose reports we believe from now on: this boot's, from this address. The secret goes to the node, and nowhere else. */
export async function openSession(
  { core, sessions, now }: Pick<AgentHooks, "core" | "sessions" | "now">,
  { node, bootId, address }: { node: Node; bootId: string; address: string },
): Promise<string> {
  for (const [key, other] of sessions) if (other.node.id === node.id) sessions.delete(key);
  const secret = core.newSecret();
  const row = { nodeId: node.id, bootId, address, secretHash: sha256(secret), atMs: now() };
  await core.book
    .insertInto("agentSession")
    .values(row)
    .onConflict((conflict) => conflict.column("nodeId").doUpdateSet(row))
    .execute();
  sessions.set(row.secretHash, { node, bootId, address, reports: 0 });
  return secret;
}
