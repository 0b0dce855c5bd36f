// Whatever a node's boots may still open or ask for is taken from them.
import type { Boots, Do } from "../../fleet/boots.ts";
import type { Node } from "../../fleet/node.ts";
import type { LeaseStore } from "../../storage/leases.ts";
import type { AgentHooks } from "../agent-api.ts";
import type { Core } from "../core.ts";
import { forgetRights } from "./doers.ts";

export interface RevokeOptions {
  core: Pick<Core, "book" | "journal" | "life">;
  boots: Boots;
  tokens: AgentHooks["tokens"];
  sessions: AgentHooks["sessions"];
  dropDisk(node: Node, why: string): Promise<void>;
  /** A released board's address may go to another. */
  endLease: ((node: Node) => Promise<void>) | undefined;
  obey(orders: Do[]): void;
  now(): number;
}

const ENDS_LEASE: ReadonlySet<Node["state"]> = new Set(["releasing", "cleaning", "retired"]);

/** Takes the place of what works on the book alone. */
export function revokeWhileRunning({
  core,
  boots,
  tokens,
  sessions,
  dropDisk,
  endLease,
  obey,
  now,
}: RevokeOptions): void {
  core.life.does("revoke", async ({ node }) => {
    const why = `it is ${node.state} now`;
    obey(boots.end(node.id, "stopped", now(), `The boot was ended: ${why}.`));
    for (const [bootId, token] of tokens) if (token.nodeId === node.id) tokens.delete(bootId);
    for (const [secret, session] of sessions) if (session.node.id === node.id) sessions.delete(secret);
    await dropDisk(node, why);
    await core.journal.flush(); // what its boots have told until now is written before their rights go
    await forgetRights(core, node);
    if (ENDS_LEASE.has(node.state)) await endLease?.(node);
    return undefined;
  });
}

/** A released board's address may go to another at once. */
export async function endLease(leases: LeaseStore, node: Pick<Node, "mac">, now: number): Promise<void> {
  const lease = node.mac ? leases.get(node.mac) : undefined;
  if (lease && lease.expiresMs > now) await leases.put({ ...lease, expiresMs: now });
}
