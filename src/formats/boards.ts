// Raspberry Pi models: revision codes, dtb names, and what config.txt's filters call them (revision-codes.adoc, conditional.adoc).

/** The models that have a wired network port to boot from. */
export type Model = "1B" | "2B" | "2Bv1.2" | "3B" | "3B+" | "4B" | "400" | "CM4" | "5" | "500" | "CM5";
export type Family = "bcm2835" | "bcm2836" | "bcm2837" | "bcm2711" | "bcm2712";

interface ModelFacts {
  family: Family;
  /** Bits 4–11 of a new-style revision code; config.txt's [board-type=…]. */
  boardType: number;
  /** The device tree that the firmware asks for. */
  dtb: string;
  /** Linux's own name for it, where it differs (config.txt upstream_kernel=1). */
  upstreamDtb?: string;
  /** Model filters that are true on it, besides [all]. */
  filters: readonly string[];
  /** A code that such a board carries: 1 GB or the smallest that was sold. */
  revision: number;
}

// The dtb names of bcm2708/2709 boards and of the 500 are taken from Linux's tree; no boot log shows them.
const FACTS: Record<Model, ModelFacts> = {
  "1B": {
    family: "bcm2835",
    boardType: 1,
    dtb: "bcm2708-rpi-b.dtb",
    upstreamDtb: "bcm2835-rpi-b.dtb",
    filters: ["pi1"],
    revision: 0x00000e,
  },
  "2B": {
    family: "bcm2836",
    boardType: 4,
    dtb: "bcm2709-rpi-2-b.dtb",
    upstreamDtb: "bcm2836-rpi-2-b.dtb",
    filters: ["pi2"],
    revision: 0xa01041,
  },
  "2Bv1.2": {
    family: "bcm2837",
    boardType: 4,
    dtb: "bcm2710-rpi-2-b.dtb",
    upstreamDtb: "bcm2837-rpi-2-b.dtb",
    filters: ["pi2"],
    revision: 0xa02042,
  },
  "3B": {
    family: "bcm2837",
    boardType: 8,
    dtb: "bcm2710-rpi-3-b.dtb",
    upstreamDtb: "bcm2837-rpi-3-b.dtb",
    filters: ["pi3"],
    revision: 0xa02082,
  },
  "3B+": {
    family: "bcm2837",
    boardType: 0xd,
    dtb: "bcm2710-rpi-3-b-plus.dtb",
    upstreamDtb: "bcm2837-rpi-3-b-plus.dtb",
    filters: ["pi3", "pi3+"],
    revision: 0xa020d3,
  },
  "4B": {
    family: "bcm2711",
    boardType: 0x11,
    dtb: "bcm2711-rpi-4-b.dtb",
    filters: ["pi4"],
    revision: 0xc03114,
  },
  "400": {
    family: "bcm2711",
    boardType: 0x13,
    dtb: "bcm2711-rpi-400.dtb",
    filters: ["pi4", "pi400"],
    revision: 0xc03130,
  },
  CM4: {
    family: "bcm2711",
    boardType: 0x14,
    dtb: "bcm2711-rpi-cm4.dtb",
    filters: ["pi4", "cm4"],
    revision: 0xa03140,
  },
  "5": {
    family: "bcm2712",
    boardType: 0x17,
    dtb: "bcm2712-rpi-5-b.dtb",
    filters: ["pi5"],
    revision: 0xc04170,
  },
  "500": {
    family: "bcm2712",
    boardType: 0x19,
    dtb: "bcm2712-rpi-500.dtb",
    filters: ["pi5", "pi500"],
    revision: 0xd04190,
  },
  CM5: {
    family: "bcm2712",
    boardType: 0x18,
    dtb: "bcm2712-rpi-cm5-cm5io.dtb",
    filters: ["pi5", "cm5"],
    revision: 0xb04180,
  },
};

export const MODELS = Object.keys(FACTS) as Model[];

/** "4b", "3b+", "cm4" … → the model; undefined for what has no network port or is unknown. */
export const modelNamed = (name: string): Model | undefined =>
  MODELS.find((model) => model.toLowerCase() === name.trim().toLowerCase());

export const familyOf = (model: Model): Family => FACTS[model].family;
export const filtersOf = (model: Model): readonly string[] => FACTS[model].filters;
export const boardTypeOf = (model: Model): number => FACTS[model].boardType;
/** A plausible revision code, for boards that never told theirs. */
export const revisionOf = (model: Model): number => FACTS[model].revision;

const CM5_LITE = 0x1a;

/** `boardType` tells a CM5 Lite (0x1a) from a CM5. */
export const dtbOf = (model: Model, boardType?: number): string =>
  boardType === CM5_LITE ? "bcm2712-rpi-cm5l-cm5io.dtb" : FACTS[model].dtb;

export const upstreamDtbOf = (model: Model): string | undefined => FACTS[model].upstreamDtb;

/** Boards up to the 3B+ have no EEPROM with a bootloader; MAC and serial go together on them. */
export const isOldBoot = (model: Model): boolean =>
  familyOf(model) !== "bcm2711" && familyOf(model) !== "bcm2712";

const TYPES: Record<number, string> = {
  0: "A",
  1: "B",
  2: "A+",
  3: "B+",
  4: "2B",
  5: "Alpha",
  6: "CM1",
  8: "3B",
  9: "Zero",
  10: "CM3",
  12: "Zero W",
  13: "3B+",
  14: "3A+",
  16: "CM3+",
  17: "4B",
  18: "Zero 2 W",
  19: "400",
  20: "CM4",
  21: "CM4S",
  23: "5",
  24: "CM5",
  25: "500",
  26: "CM5 Lite",
  27: "CM0",
};
/** Codes from before the bit fields: type and memory in MB (revision-codes.adoc, old-style table). */
const OLD: Record<number, readonly [type: string, memoryMb: number]> = {
  ...Object.fromEntries([2, 3, 4, 5, 6].map((code) => [code, ["B", 256]])),
  ...Object.fromEntries([7, 8, 9].map((code) => [code, ["A", 256]])),
  ...Object.fromEntries([0xd, 0xe, 0xf].map((code) => [code, ["B", 512]])),
  16: ["B+", 512],
  17: ["CM1", 512],
  18: ["A+", 256],
  19: ["B+", 512],
  20: ["CM1", 512],
  21: ["A+", 256],
};
const PROCESSORS: readonly Family[] = ["bcm2835", "bcm2836", "bcm2837", "bcm2711", "bcm2712"];
const BY_TYPE: Record<string, Model> = {
  B: "1B",
  "B+": "1B",
  "2B": "2B",
  "3B": "3B",
  "3B+": "3B+",
  "4B": "4B",
  "400": "400",
  CM4: "CM4",
  "5": "5",
  CM5: "CM5",
  "CM5 Lite": "CM5",
  "500": "500",
};

export interface RevisionFacts {
  /** Undefined where the board has no wired port (Zero, A) or the code is unknown. */
  model: Model | undefined;
  /** As Raspberry Pi's table calls it, "unknown" otherwise. */
  type: string;
  /** Number of the type; -1 for old-style codes. */
  boardType: number;
  family: Family | undefined;
  /** Undefined where the code cannot say. */
  memoryMb: number | undefined;
  /** Board revision, "1.4"; "" for old-style codes. */
  revision: string;
}

/** Reads a revision code of either style; the upper flag bits (overvoltage, OTP, warranty) are ignored. Never throws. */
export function boardOfRevision(code: number): RevisionFacts {
  if (!(code & 0x800000)) {
    const [type, memoryMb] = OLD[code & 0xffff] ?? ["unknown", undefined];
    return { model: BY_TYPE[type], type, boardType: -1, family: "bcm2835", memoryMb, revision: "" };
  }
  const boardType = (code >>> 4) & 0xff;
  const family = PROCESSORS[(code >>> 12) & 15];
  const type = TYPES[boardType] ?? "unknown";
  const memory = (code >>> 20) & 7;
  const model = type === "2B" && family === "bcm2837" ? "2Bv1.2" : BY_TYPE[type];
  const memoryMb = memory < 7 ? 256 << memory : undefined;
  return { model, type, boardType, family, memoryMb, revision: `1.${code & 15}` };
}

/** Up to the 3B+: b8:27:eb and the low 24 bits of the serial (8 hex digits). Newer boards: no such relation. */
export const macOfSerial = (serial: string): string =>
  `b8:27:eb:${serial.slice(-6).match(/../g)?.join(":") ?? ""}`.toLowerCase();
