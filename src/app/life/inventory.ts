// What a board's agent told of it: kept as it came, read with care.
import type { Node } from "../../fleet/node.ts";
import type { Book } from "../../storage/book.ts";

export interface Inventory {
  serial?: string;
  model?: string;
  mac?: string;
  kernel?: string;
  cpus?: number;
  memoryKiB?: number;
  disks?: { name: string; bytes: number; readOnly: boolean; model: string }[];
}

/** Undefined: it is no JSON object. */
export function parseInventory(text: string): Inventory | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null && !Array.isArray(value)
      ? (value as Inventory)
      : undefined;
  } catch {
    return undefined;
  }
}

/** All is there that anybody decides by. */
export const isComplete = ({ serial, model, cpus, memoryKiB, disks }: Inventory): boolean =>
  typeof serial === "string" &&
  typeof model === "string" &&
  typeof cpus === "number" &&
  typeof memoryKiB === "number" &&
  Array.isArray(disks) &&
  disks.every((disk) => typeof disk?.name === "string" && typeof disk.bytes === "number");

/** The last that was told; undefined: nothing yet. */
export async function inventoryOf(book: Book, node: Pick<Node, "id">) {
  const row = await book.selectFrom("inventory").selectAll().where("nodeId", "=", node.id).executeTakeFirst();
  const inventory = row && parseInventory(row.text);
  return row && inventory && { atMs: row.atMs, inventory };
}

/** Disks that are the board's own, not ours: what we attach over iSCSI comes after its inventory. Undefined: not known. */
export async function ownDisks(book: Book, node: Pick<Node, "id">) {
  const told = await inventoryOf(book, node);
  if (!told || !isComplete(told.inventory)) return undefined;
  return (told.inventory.disks ?? []).filter(({ bytes, readOnly }) => bytes > 0 && !readOnly);
}
