import { BrambleError } from "../../base/errors.ts";
import type { BootsAtOnce } from "../../fleet/admission.ts";
import type { Book } from "../../storage/book.ts";
import { readSetting, writeSetting } from "../settings.ts";

export interface SupervisionSettings {
  bootsAtOnce: BootsAtOnce;
  /** Power cycles that a node gets before it is given up. */
  powerCycles: number;
  /** Before the first, second, … power cycle. */
  backOffSeconds: number[];
  /** All deadlines times this. */
  deadlineScale: number;
  /** No power cycles at all: only deadlines and diagnosis. */
  paused: boolean;
}

/** Back-off: spec lifecycle.md, rule 4. */
const DEFAULTS: SupervisionSettings = {
  bootsAtOnce: "auto",
  powerCycles: 3,
  backOffSeconds: [10, 30, 60],
  deadlineScale: 1,
  paused: false,
};
const NAME = "supervision";

export async function readSupervision(book: Book): Promise<SupervisionSettings> {
  return { ...DEFAULTS, ...(JSON.parse((await readSetting(book, NAME)) ?? "{}") as object) };
}

/** Puts `patch` over what is set; BAD_INPUT for what cannot be. */
export async function writeSupervision(
  book: Book,
  patch: Partial<SupervisionSettings>,
): Promise<SupervisionSettings> {
  const next = { ...(await readSupervision(book)), ...patch };
  const { bootsAtOnce, powerCycles, backOffSeconds, deadlineScale } = next;
  const wrong = (words: string, hint: string) => new BrambleError("BAD_INPUT", words, { hint });
  if (typeof bootsAtOnce === "number" && !(Number.isInteger(bootsAtOnce) && bootsAtOnce >= 1))
    throw wrong(`${bootsAtOnce} boots at once cannot be`, "auto, off, or a number from 1 on");
  if (!(Number.isInteger(powerCycles) && powerCycles >= 0 && powerCycles <= 100))
    throw wrong(`${powerCycles} power cycles cannot be`, "0 to 100; 0: diagnosis only");
  if (backOffSeconds.length === 0 || !backOffSeconds.every((s) => s >= 0 && s <= 3600))
    throw wrong("that is no back-off", "seconds before each power cycle, 0 to 3600: 10,30,60");
  if (!(deadlineScale >= 0.001 && deadlineScale <= 100))
    throw wrong(`${deadlineScale} is no scale for deadlines`, "0.001 to 100; 1 is right for real boards");
  await writeSetting(book, NAME, JSON.stringify(next));
  return next;
}
