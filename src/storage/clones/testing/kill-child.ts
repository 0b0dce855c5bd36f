import { openClone } from "../clone.ts";
import { fillSectors } from "./sectors.ts";

/** The process that is killed: writes what it is told and acknowledges as the NBD server does, after endBatch(). */
export interface Order {
  writes: { sector: number; count: number; offset: number; value: number }[];
  flush: boolean;
  number: number;
}

const [path = "", journal = "yes"] = process.argv.slice(2);
const clone = await openClone(path, { journal: journal === "yes", timer: () => () => undefined });
/** One order after the other: else an older write may come last. Flushes run beside them. */
let turn: Promise<unknown> = Promise.resolve();
process.on("message", (order: Order) => {
  turn = turn.then(() => obey(order));
});

async function obey(order: Order): Promise<void> {
  for (const { sector, count, offset, value } of order.writes)
    await clone.write(fillSectors(sector, count, value), offset);
  clone.endBatch();
  process.send?.({ done: order.number });
  if (order.flush)
    Promise.resolve(clone.flush()).then(
      () => process.send?.({ flushed: order.number }),
      () => process.exit(1),
    );
}
process.on("disconnect", () => process.exit(1));
process.send?.({ ready: true });
