import type { Sender } from "../fleet/identify.ts";
import { boardOfRevision, type Model } from "../formats/boards.ts";

/** Which model says this: the revision code, else what the stage gives away, where nothing better is known. */
export function modelOf(sender: Sender, known: Model | undefined): { model?: Model; revision?: number } {
  const { revision } = sender;
  const model = revision === undefined ? undefined : boardOfRevision(revision).model;
  if (revision !== undefined && model) return { model, revision };
  const byStage: Partial<Record<Sender["stage"], Model>> = { rom3: "3B", eeprom2711: "4B", eeprom2712: "5" };
  const guess = byStage[sender.stage];
  return guess && !known ? { model: guess } : {};
}
