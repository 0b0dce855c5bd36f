// Oddities of Raspberry Pi boot firmware that a DHCP server can do something about, as data. Each is switched by stage.
import type { BootStage } from "./identify.ts";

export type QuirkName =
  | "answer-every-discover"
  | "delayed-offer"
  | "frame-before-offer"
  | "pinned-neighbour"
  | "lease-at-offer"
  | "no-probe-delay";

export interface Quirk {
  name: QuirkName;
  /** Line of the reliability table in the boot specification. */
  row: number;
  /** Issues are raspberrypi/firmware's, documents raspberrypi/documentation's. */
  source: string;
  what: string;
  /** Stages that it is on for unless the operator says otherwise. */
  stages: readonly BootStage[];
}

/** Answers sooner than this after its DISCOVER can be lost on the Pi 3 boot ROM. It asks again after 5 s. */
export const OFFER_DELAY_MS = 2000;
/** How long a neighbour entry stays pinned: a ROM's and bootcode.bin's TFTP is over by then. */
export const PIN_MS = 120_000;

export const QUIRKS: readonly Quirk[] = [
  {
    name: "answer-every-discover",
    row: 1,
    source: "firmware #934, #991, #825",
    what: "spanning tree may swallow the first answers and the ROM gives up after 25 s: each DISCOVER is answered anew, none is taken for a duplicate",
    stages: ["rom3", "bootcode", "eeprom2711", "eeprom2712"],
  },
  {
    name: "delayed-offer",
    row: 2,
    source: "firmware #934, #859",
    what: "answers within 2 s after the DISCOVER can be lost or loop the ROM: the OFFER waits",
    stages: ["rom3"],
  },
  {
    name: "frame-before-offer",
    row: 3,
    source: "firmware #894, #862, #1124",
    what: "the OFFER is dropped unless another broadcast came before: an ARP request goes out right before it, and the OFFER is a broadcast itself",
    stages: ["rom3", "bootcode"],
  },
  {
    name: "pinned-neighbour",
    row: 4,
    source: "bootflow-legacy.adoc; firmware #745, #859",
    what: "ARP requests during TFTP stay unanswered: the neighbour entry is pinned from the OFFER on",
    stages: ["rom3"],
  },
  {
    name: "lease-at-offer",
    row: 7,
    source: "firmware #1699; boot-net.adoc",
    what: "a REQUEST never comes: the lease is committed before the OFFER",
    stages: ["rom3", "bootcode"],
  },
  {
    name: "no-probe-delay",
    row: 7,
    source: "firmware #1699",
    what: "a known node's OFFER does not wait for the conflict probe: the probe runs beside it",
    stages: ["rom3", "bootcode", "eeprom2711", "eeprom2712"],
  },
];

/** The operator's changes: a quirk for other stages, or for none (`[]`). What is not named keeps its default. */
export type QuirkSwitches = { readonly [name in QuirkName]?: readonly BootStage[] };

export const quirkOn = (name: QuirkName, stage: BootStage, switches: QuirkSwitches = {}): boolean =>
  (switches[name] ?? QUIRKS.find((quirk) => quirk.name === name)?.stages ?? []).includes(stage);
