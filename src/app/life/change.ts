// One change of a node's life: the row, the event and the effects in one transaction, or nothing.
import type { Insertable, Selectable } from "kysely";
import { BrambleError } from "../../base/errors.ts";
import type { Actor } from "../../fleet/actor.ts";
import type { Effect } from "../../fleet/lifecycle-table.ts";
import type { NodeLife } from "../../fleet/node.ts";
import type { Book, Tables } from "../../storage/book.ts";
import { lifeOf, lifeRow } from "../registry-rows.ts";

/** One line of a node's history: `from` and `to` are the same where only something beside the state changed. */
export interface Happening {
  event: string;
  to: NodeLife["state"];
  words: string;
  args?: object;
}

export interface Draft {
  happened: readonly Happening[];
  /** How the node stands afterwards; its version is counted here. */
  life: Omit<NodeLife, "version">;
  /** In place of all that was still to be done; absent: that stays. */
  effects?: readonly Effect[];
  /** Behind what is still to be done. */
  adds?: readonly Effect[];
}

export interface ChangeOptions {
  by: Actor;
  now: number;
  /** The caller has seen this version: another one is NODE_CHANGED. */
  version?: number;
  /** An effect that ends in this change: gone with it. Where it is gone already, the change does not happen. */
  consumes?: number;
}

export interface Changed {
  before: NodeLife;
  life: NodeLife;
  events: Selectable<Tables["event"]>[];
  /** What is to be done now, where that was decided anew. */
  effects?: readonly Effect[];
}

/** Undefined: the effect that it ends was called off. Throws NODE_UNKNOWN, NODE_CHANGED and what `draft` throws. */
export function changeNode(
  book: Book,
  nodeId: string,
  { by, now, version, consumes }: ChangeOptions,
  draft: (life: NodeLife) => Draft,
): Promise<Changed | undefined> {
  return book.transaction().execute(async (trx) => {
    const row = await trx.selectFrom("node").selectAll().where("id", "=", nodeId).executeTakeFirst();
    if (!row) throw new BrambleError("NODE_UNKNOWN", `there is no node ${nodeId}`);
    const before = lifeOf(row);
    if (version !== undefined && version !== before.version)
      throw new BrambleError(
        "NODE_CHANGED",
        `${row.name} has changed: it is at version ${before.version}, not ${version}`,
        {
          hint: `it is ${before.state} now`,
        },
      );
    if (consumes !== undefined) {
      const { numDeletedRows } = await trx
        .deleteFrom("effect")
        .where("id", "=", consumes)
        .executeTakeFirstOrThrow();
      if (numDeletedRows === 0n) return undefined;
    }
    const { happened, life: next, effects, adds = [] } = draft(before);
    const life: NodeLife = { ...next, version: before.version + happened.length };
    const changed = await trx
      .updateTable("node")
      .set(lifeRow(life))
      .where("id", "=", nodeId)
      .where("version", "=", before.version)
      .executeTakeFirstOrThrow();
    if (changed.numUpdatedRows !== 1n)
      throw new BrambleError("NODE_CHANGED", `${row.name} has changed meanwhile`);
    const events = await history(trx, { nodeId, by, now, before, happened });
    if (effects) await trx.deleteFrom("effect").where("nodeId", "=", nodeId).execute();
    const rows = [...(effects ?? []), ...adds].map((effect) => ({
      ...{ nodeId, version: life.version, effect: JSON.stringify(effect), atMs: now, tries: 0 },
    }));
    if (rows.length > 0)
      await trx
        .insertInto("effect")
        .values(rows as never)
        .execute();
    return { before, life, events, ...(effects && { effects }) };
  });
}

interface Past {
  nodeId: string;
  by: Actor;
  now: number;
  before: NodeLife;
  happened: readonly Happening[];
}

/** Both records: the node's history, which is only ever added to, and the line on its page. */
async function history(trx: Book, { nodeId, by, now, before, happened }: Past) {
  const events: Selectable<Tables["event"]>[] = [];
  let from = before.state;
  for (const [i, { event, to, words, args }] of happened.entries()) {
    const row = {
      ...{ nodeId, version: before.version + i + 1, atMs: now, event, from, to, words },
      by: `${by.kind} ${by.name}`,
      args: args ? JSON.stringify(args) : null,
    };
    await trx
      .insertInto("lifeEvent")
      .values(row as never)
      .execute();
    events.push(await addEvent(trx, { nodeId, atMs: now, kind: "life", words }));
    from = to;
  }
  return events;
}

/** A line on the node's page, in this transaction. */
export async function addEvent(
  trx: Book,
  row: Omit<Insertable<Tables["event"]>, "id"> & { nodeId: string },
): Promise<Selectable<Tables["event"]>> {
  const { insertId } = await trx
    .insertInto("event")
    .values(row as never)
    .executeTakeFirstOrThrow();
  return { ...row, id: Number(insertId) };
}
