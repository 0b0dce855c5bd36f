import { House } from "./house.ts";
import type { HouseSettings } from "./house-entry.ts";
import { Housekeeping, type KeepingLimits, LIMITS, realTimer, type Timer } from "./housekeeping.ts";
import { openJournal } from "./journal.ts";
import { sweepFolder } from "./tree-folder.ts";
import type { HouseTree } from "./tree-hot.ts";

/** A house, and what keeps it in order until close(). */
export interface OpenHouse<T extends HouseTree> {
  house: House<T>;
  keeping: Housekeeping<T>;
  /** All trees are written down when it ends. */
  close(): Promise<void>;
}

/** All trees in a folder, which is made where there is none. TREE_DAMAGED where the journal is broken in a place that was on the disk. */
export async function openHouse<T extends HouseTree>(
  settings: HouseSettings<T>,
  how: { limits?: Partial<KeepingLimits>; timer?: Timer } = {},
): Promise<OpenHouse<T>> {
  const { host, folder, segmentBytes } = settings;
  host.makeFolder(folder);
  let onDurable = (_sequence: number): void => undefined;
  const { journal, scanned } = await openJournal({
    host,
    folder,
    ...(segmentBytes === undefined ? {} : { segmentBytes }),
    onDurable: (sequence) => onDurable(sequence),
  });
  sweepFolder(host, folder);
  const house = new House(settings, journal, scanned);
  onDurable = (sequence) => house.durable(sequence);
  const keeping = new Housekeeping(house, { ...LIMITS, ...how.limits }, how.timer ?? realTimer);
  return {
    house,
    keeping,
    close: async () => {
      await keeping.close();
      house.ground.files.forgetAll();
      await journal.close();
    },
  };
}
