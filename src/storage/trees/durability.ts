// How lasting the answers of one tree are: each has its own mode, over one journal for all.
import type { House } from "./house.ts";
import type { Durability } from "./journal.ts";
import type { HouseTree } from "./tree-hot.ts";

/**
 * From now on, until the house is closed; undefined: as the house has it. Nothing where there is no such tree. What a tree in memory was told before is on the disk when this ends. A tree that becomes
 * fast stands still for it: a COMMIT of a fast tree says of its data that the journal need not have it, which must be true of what was promised for good.
 */
export async function setDurability<T extends HouseTree>(
  house: House<T>,
  id: string,
  durability: Durability = house.settings.durability,
): Promise<void> {
  const entry = house.entries.get(id);
  if (!entry || entry.durability === durability) return;
  await house.verb(entry, async () => {
    if (durability === "durable") entry.durability = durability;
    await house.still(entry, { isLeaving: false }, async () => {
      await entry.hot?.keep.lasting();
      entry.durability = durability;
    });
  });
}

/** All that was answered for the tree so far is on the disk when it ends, whatever its mode, also what a server that was killed has left in the page cache. */
export async function makeLasting<T extends HouseTree>(house: House<T>, id: string): Promise<void> {
  const entry = house.entry(id);
  await house.verb(entry, async () => {
    if (entry.hot || entry.runs.length > 0) await (await house.load(entry)).keep.lasting();
  });
}
