import type { Book } from "../../storage/book.ts";

/** Nodes whose circuit is remembered: a relay's option is up to 255 bytes. */
const MOST = 20_000;

export interface Circuits {
  /** A relay or a snooping switch said through which port a node's DISCOVER came (option 82, RFC 3046), as hex. */
  heard(nodeId: string, circuit: string): void;
  /** Where that is, if somebody bound a node with the same circuit before. */
  portOf(nodeId: string): { switchId: string; port: string } | undefined;
  /** Vendors write it in many ways: it is learned by example, when a node is bound. */
  learn(nodeId: string, switchId: string, port: string): Promise<void>;
  forgetSwitch(switchId: string): void;
}

export async function openCircuits(book: Book): Promise<Circuits> {
  const known = new Map(
    (await book.selectFrom("powerCircuit").selectAll().execute()).map((row) => [row.circuit, row]),
  );
  const of = new Map<string, string>();
  return {
    heard(nodeId, circuit) {
      if (of.size < MOST || of.has(nodeId)) of.set(nodeId, circuit);
    },
    portOf(nodeId) {
      return known.get(of.get(nodeId) ?? "");
    },
    async learn(nodeId, switchId, port) {
      const circuit = of.get(nodeId);
      const before = known.get(circuit ?? "");
      if (circuit === undefined || (before?.switchId === switchId && before.port === port)) return;
      const row = { circuit, switchId, port };
      await book
        .insertInto("powerCircuit")
        .values(row)
        .onConflict((c) => c.column("circuit").doUpdateSet({ switchId, port }))
        .execute();
      known.set(circuit, row);
    },
    forgetSwitch(switchId) {
      for (const [circuit, row] of known) if (row.switchId === switchId) known.delete(circuit);
    },
  };
}
