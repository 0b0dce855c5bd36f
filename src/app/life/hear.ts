// What boards and the supervisor tell the life cycle.
import type { Actor } from "../../fleet/actor.ts";
import { SYSTEM } from "../../fleet/actor.ts";
import type { BootTreeName } from "../../fleet/lifecycle-table.ts";
import { STATES } from "../../fleet/lifecycle-table.ts";
import type { Book } from "../../storage/book.ts";
import type { Registry } from "../registry.ts";
import { isComplete, parseInventory } from "./inventory.ts";
import type { Life } from "./life.ts";

export type LifeFact =
  /** A boot was begun. */
  | { fact: "began" }
  /** Its system is up, or it has handed over to one that cannot report. `tree`: what that boot was given. */
  | { fact: "booted"; bootId: string; tree: BootTreeName; words: string }
  /** What the agent says of the board, JSON. */
  | { fact: "inventory"; bootId: string; tree: BootTreeName; text: string }
  /** Two boards claim to be this node. */
  | { fact: "conflict"; words: string }
  /** The supervisor tries no more. */
  | { fact: "gave-up"; words: string };

/** Resolves when it stands in the book: whoever told it may be answered then. */
export function lifeHearing({
  book,
  registry,
  life,
  now,
}: {
  book: Book;
  registry: Registry;
  life: Life;
  now(): number;
}) {
  async function inventory(
    nodeId: string,
    by: Actor,
    { text, tree }: Extract<LifeFact, { fact: "inventory" }>,
  ) {
    const told = parseInventory(text);
    if (!told) return;
    const row = { nodeId, atMs: now(), text };
    await book
      .insertInto("inventory")
      .values(row)
      .onConflict((c) => c.column("nodeId").doUpdateSet(row))
      .execute();
    const node = registry.byId(nodeId);
    if (node?.state !== "inspecting" || tree !== "agent-inventory") return;
    if (isComplete(told))
      await life.apply(nodeId, "done", SYSTEM, {
        words: `its inventory is in, told by ${by.name}`,
        args: { inventoryComplete: true },
      });
    else await life.apply(nodeId, "fail", SYSTEM, { words: "its inventory is not complete" });
  }

  /** What no longer fits is no longer worth anything: somebody has changed the node meanwhile. */
  return async function hear(nodeId: string, told: LifeFact): Promise<void> {
    try {
      await heard(nodeId, told);
    } catch (error) {
      if ((error as { code?: string }).code !== "NODE_STATE") throw error;
    }
  };

  async function heard(nodeId: string, told: LifeFact): Promise<void> {
    const node = registry.byId(nodeId);
    if (!node) return;
    if (told.fact === "conflict") {
      if (life.policy().quarantineOnMove && node.state !== "discovered" && node.state !== "quarantined")
        await life.apply(nodeId, "identity_conflict", SYSTEM, { words: told.words });
      return;
    }
    if (told.fact === "began") return life.heard(node);
    if (told.fact === "gave-up") {
      if (STATES[node.state].waitsForBoard) await life.apply(nodeId, "fail", SYSTEM, { words: told.words });
      return;
    }
    const by: Actor = { kind: "node", name: `boot ${told.bootId}` };
    if (told.fact === "inventory") return inventory(nodeId, by, told);
    // a boot of before, or of an override, proves nothing about this state
    if (told.tree !== STATES[node.state].boot) return;
    if (node.state === "first_boot") await life.apply(nodeId, "phone_home", by, { words: told.words });
    else if (node.state === "rescuing") await life.apply(nodeId, "done", by, { words: told.words });
  }
}
export type Hear = ReturnType<typeof lifeHearing>;
