// config.txt's conditional filters (conditional.adoc): which sections a stage of a board obeys.
import { boardTypeOf, filtersOf, type Model } from "../boards.ts";

export interface Board {
  model: Model;
  /** 8 hex digits, lower case. */
  serial?: string;
  revision?: number;
  stepping?: "B0" | "C1" | "D0";
  boardType?: number;
  /** Levels of GPIOs as far as they are known: [gpioN=…]. */
  gpio?: ReadonlyMap<number, 0 | 1>;
  /** Names of the monitors, "DEL-DELL_U2422H": [EDID=…]. */
  edid?: readonly string[];
}

/** Who interprets: each stage reads the file again by itself and knows its own filters. */
export type Stage = "bootcode" | "start" | "eeprom2711" | "eeprom2712";

export interface FilterContext {
  board: Board;
  stage: Stage;
  tryboot: boolean;
  /** Build date of the stage, ISO; absent = new enough for every filter. */
  firmwareDate?: string | undefined;
}

export interface Verdict {
  /** Filters of one type replace each other, types are ANDed; "all" clears them. */
  type: "all" | "none" | "model" | "serial" | "gpio" | "edid" | "hdmi" | "tryboot" | "expression" | "unknown";
  pass: boolean;
  /** Said where the verdict is an assumption. */
  why?: string;
}

const MODEL = /^(pi[0-9][0-9a-z+]*|cm[0-9][0-9a-z+]*)$/;
/** Filters that came late: stage family → first build that knows them (release notes 2020-12-11, 2022-10-18; the model's launch). */
const SINCE: Record<string, string> = {
  pi400: "2020-12-11",
  cm4: "2020-12-11",
  tryboot: "2022-10-18",
  pi5: "2023-09-13",
  pi500: "2024-11-01",
  cm5: "2024-11-01",
};
/** In neither EEPROM image (firmware strings); [cm3] only in the 2712's. */
const NOT_IN_EEPROM: Record<string, readonly Stage[]> = {
  cm1: ["eeprom2711", "eeprom2712"],
  "cm3+": ["eeprom2711", "eeprom2712"],
  cm3: ["eeprom2711"],
};
/** Not among bootcode.bin's strings. */
const NOT_IN_BOOTCODE = new Set<Verdict["type"]>(["edid", "hdmi", "expression"]);
const EXPRESSION = /^(partition|bootvar0|boot_arg1|boot_count|cust_otp|board_attributes)/;

/** Judges the text between the brackets. Never throws: what it cannot know is "no", with a reason. */
export function judge(text: string, context: FilterContext): Verdict {
  const verdict = known(text.trim().toLowerCase(), text.trim(), context);
  const unknownHere = unknownTo(text.trim().toLowerCase(), verdict.type, context);
  return unknownHere ? { type: verdict.type, pass: false, why: unknownHere } : verdict;
}

function unknownTo(name: string, type: Verdict["type"], { stage, firmwareDate }: FilterContext) {
  if (stage === "bootcode" && NOT_IN_BOOTCODE.has(type)) return `bootcode.bin does not know [${name}]`;
  if (NOT_IN_EEPROM[name]?.includes(stage)) return `the EEPROM does not know [${name}]`;
  const since = SINCE[name];
  if (since && firmwareDate && firmwareDate < since)
    return `firmware of ${firmwareDate} does not know [${name}]`;
  return undefined;
}

function known(name: string, written: string, { board, tryboot }: FilterContext): Verdict {
  if (name === "all") return { type: "all", pass: true };
  if (name === "none") return { type: "none", pass: false };
  if (name === "tryboot") return { type: "tryboot", pass: tryboot };
  if (MODEL.test(name)) return { type: "model", pass: filtersOf(board.model).includes(name) };
  if (name.startsWith("board-type=")) {
    const type = board.boardType ?? boardTypeOf(board.model);
    return { type: "model", pass: Number(name.slice(11)) === type };
  }
  if (/^0x[0-9a-f]+$/.test(name)) {
    if (!board.serial) return { type: "serial", pass: false, why: "the board's serial is not known" };
    return { type: "serial", pass: BigInt(name) === BigInt(`0x${board.serial}`) };
  }
  const gpio = /^gpio(\d+)=([01])$/.exec(name);
  if (gpio) {
    const level = board.gpio?.get(Number(gpio[1]));
    if (level === undefined) return { type: "gpio", pass: false, why: "the level of the GPIO is not known" };
    return { type: "gpio", pass: level === Number(gpio[2]) };
  }
  if (name.startsWith("edid=")) {
    const wanted = written.slice(5);
    if (!board.edid) return { type: "edid", pass: false, why: "the monitor is not known" };
    return { type: "edid", pass: board.edid.includes(wanted) };
  }
  // [HDMI:0] only says which port HDMI settings are for; nothing else is hidden by it.
  if (/^hdmi:[01]$/.test(name)) return { type: "hdmi", pass: true };
  if (EXPRESSION.test(name))
    return { type: "expression", pass: false, why: "only the board can tell this value" };
  return { type: "unknown", pass: false, why: "no filter of this name is known" };
}

/** The filters in force while a file is read. */
export class Filters {
  readonly #context: FilterContext;
  readonly #inForce = new Map<Verdict["type"], boolean>();

  constructor(context: FilterContext) {
    this.#context = context;
  }

  /** A line `[text]`. Returns the reason if the verdict is an assumption. */
  enter(text: string): string | undefined {
    const { type, pass, why } = judge(text, this.#context);
    if (type === "all") this.#inForce.clear();
    else this.#inForce.set(type, pass);
    return why;
  }

  get open(): boolean {
    return [...this.#inForce.values()].every(Boolean);
  }
}
