// Boots that were under way when we stopped, or were killed: they go on where they were.
import type { Selectable } from "kysely";
import type { Boot, Boots, Step } from "../fleet/boots.ts";
import type { Node } from "../fleet/node.ts";
import type { Tables } from "../storage/book.ts";
import type { AgentHooks } from "./agent-api.ts";
import type { Core } from "./core.ts";
import { bootDetail, bootView } from "./views.ts";

/** What the desk keeps in memory of boots that may still ask for files, or greet with a token. */
export interface BootMemory {
  boots: Boots;
  tokens: AgentHooks["tokens"];
  sessions: AgentHooks["sessions"];
  /** By boot: our address that it came from. Its files are made anew when it asks for one. */
  unprepared: Map<string, string | undefined>;
  atHome(node: Node, address: string): void;
  now(): number;
}

/** Takes the open boots of the book up again; of several of one node the newest. Gives back how many go on. */
export async function restoreBoots(core: Core, memory: BootMemory): Promise<number> {
  const { book, registry, journal } = core;
  const now = memory.now();
  for (const row of await book.selectFrom("agentSession").selectAll().execute()) {
    const node = registry.byId(row.nodeId);
    const { bootId, address } = row;
    if (node) memory.sessions.set(row.secretHash, { node, bootId, address, reports: 0 });
  }
  const open = await book
    .selectFrom("boot")
    .selectAll()
    .where("outcome", "is", null)
    .orderBy("startedMs", "desc")
    .execute();
  let restored = 0;
  for (const row of open) {
    const node = registry.byId(row.nodeId);
    if (!node || memory.boots.current(row.nodeId)) {
      const verdict = "The board started anew while Bramble was away.";
      journal.bootUpdate(row.id, { outcome: "superseded", endedMs: now, verdict });
      continue;
    }
    memory.boots.restore(await bootOf(core, row), now);
    restored += 1;
    if (row.address) memory.atHome(node, row.address);
    memory.unprepared.set(row.id, row.server ?? undefined);
    if (row.tokenHash) {
      // It was used, but whether the answer arrived is not known: the same address may ask again.
      const greeted = [...memory.sessions.values()].find(({ bootId }) => bootId === row.id);
      memory.tokens.set(row.id, {
        nodeId: row.nodeId,
        hashes: row.tokenHash.split(" "),
        ...(greeted && { onlyFrom: greeted.address }),
      });
    }
  }
  return restored;
}

async function bootOf(core: Core, row: Selectable<Tables["boot"]>): Promise<Boot> {
  const { steps } = await bootDetail(core.book, bootView(row, core.registry));
  return {
    id: row.id,
    nodeId: row.nodeId,
    startedMs: row.startedMs,
    stage: row.stage as Boot["stage"],
    steps: steps as Step[],
    reached: JSON.parse(row.reached ?? "{}") as Boot["reached"],
    silences: {},
    ...(row.address !== null && { address: row.address }),
    ...(row.tries !== null && { tries: row.tries }),
  };
}

/** Our address that a node's newest boot came from. */
export async function serverOf({ book, journal }: Pick<Core, "book" | "journal">, nodeId: string) {
  await journal.flush();
  const row = await book
    .selectFrom("boot")
    .select("server")
    .where("nodeId", "=", nodeId)
    .orderBy("startedMs", "desc")
    .limit(1)
    .executeTakeFirst();
  return row?.server ?? undefined;
}
