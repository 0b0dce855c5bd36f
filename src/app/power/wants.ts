import type { Actor } from "../../fleet/actor.ts";
import type { Book } from "../../storage/book.ts";
import type { PowerTables } from "../../storage/power-tables.ts";
import type { Doing } from "./operation.ts";

export type WantRow = PowerTables["powerWant"];

/** What each node's power is to be, in memory and in the book: the book first. */
export type Wants = Awaited<ReturnType<typeof openWants>>;

const taken = (before: string | null, want: "on" | "off"): string | null =>
  before !== null && want === "off" ? ("set" satisfies Doing) : before;

export async function openWants(book: Book, now: () => number) {
  const rows = new Map(
    (await book.selectFrom("powerWant").selectAll().execute()).map((row) => [row.nodeId, row]),
  );

  async function write(row: WantRow): Promise<void> {
    const { nodeId: _, ...set } = row;
    await book
      .insertInto("powerWant")
      .values(row)
      .onConflict((c) => c.column("nodeId").doUpdateSet(set))
      .execute();
    rows.set(row.nodeId, row);
  }
  async function change(nodeId: string, set: Partial<WantRow>): Promise<void> {
    const row = rows.get(nodeId);
    if (row) await write({ ...row, ...set });
  }

  return {
    of: (nodeId: string): WantRow | undefined => rows.get(nodeId),
    all: (): WantRow[] => [...rows.values()],
    /** What the request before was at is still to be ended, should we be killed before this one is at something. */
    want: (nodeId: string, want: "on" | "off", { by, why }: { by: Actor; why: string }) =>
      write({
        nodeId,
        want,
        why,
        by: by.name,
        doing: taken(rows.get(nodeId)?.doing ?? null, want),
        atMs: now(),
        alarm: rows.get(nodeId)?.alarm ?? null,
        halted: rows.get(nodeId)?.halted ?? 0,
      }),
    doing: (nodeId: string, doing: Doing | null) => change(nodeId, { doing }),
    alarm: (nodeId: string, alarm: string) => change(nodeId, { alarm }),
    /** Nothing is under way any more. In one write: an alarm that nobody works on would keep the node from all that happens by itself. */
    over: (nodeId: string) => change(nodeId, { doing: null, alarm: null }),
    halted: async (nodeId: string, halted: boolean): Promise<void> => {
      if (Boolean(rows.get(nodeId)?.halted) !== halted) await change(nodeId, { halted: Number(halted) });
    },
    async forget(nodeId: string): Promise<void> {
      rows.delete(nodeId);
      await book.deleteFrom("powerWant").where("nodeId", "=", nodeId).execute();
    },
  };
}
