import { openClone } from "../clone.ts";
import { fillSectors } from "./sectors.ts";

/** The process that is killed: writes what it is told and acknowledges as the NBD server does, after endBatch(). */
export interface Order {
  writes: { sector: number; count: number; offset: number; value: number }[];
  flush: boolean;
  number: number;
  /** Done beside the writes that follow, told when it has ended. */
  verb?: { do: "snapshot" | "drop" | "merge"; name: string } | { do: "resize"; size: number };
}

const [path = "", journal = "yes"] = process.argv.slice(2);
const clone = await openClone(path, { journal: journal === "yes", timer: () => () => undefined });
/** One order after the other: else an older write may come last. Flushes and verbs run beside them. */
let turn: Promise<unknown> = Promise.resolve();
process.on("message", (order: Order) => {
  turn = turn.then(() => obey(order));
});

async function obey(order: Order): Promise<void> {
  const { verb, number } = order;
  if (verb) beside(doVerb(verb), { verbDone: number });
  for (const { sector, count, offset, value } of order.writes)
    await clone.write(fillSectors(sector, count, value), offset);
  clone.endBatch();
  process.send?.({ done: number });
  if (order.flush) beside(Promise.resolve(clone.flush()), { flushed: number });
}

function beside(work: Promise<unknown>, answer: object): void {
  work.then(
    () => process.send?.(answer),
    (error) => {
      console.error(error);
      process.exit(1);
    },
  );
}

async function doVerb(verb: NonNullable<Order["verb"]>): Promise<void> {
  const { chain } = clone;
  if (!chain) throw new Error("no clone of ours");
  if (verb.do === "snapshot") await chain.snapshot(verb.name);
  else if (verb.do === "drop") await chain.drop(verb.name);
  else if (verb.do === "resize") await chain.resize(verb.size);
  else await chain.merge();
}

process.on("disconnect", () => process.exit(1));
process.send?.({ ready: true });
