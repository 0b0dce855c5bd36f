import { isOldBoot } from "../formats/boards.ts";
import type { Evidence, Rule } from "./diagnosis.ts";

/** A port that forwards at once shows a board's first request well before this (spanning tree holds it 30 s; spec pi-boot.md 7, row 1). */
const LATE_MS = 28_000;
const silent = ({ boot }: Evidence): boolean => boot.stage === "power";
/** From power to the first DISCOVER, where both were seen. */
const lateMs = ({ boot }: Evidence): number =>
  boot.reached.power === undefined || boot.reached.dhcp === undefined
    ? 0
    : boot.reached.dhcp - boot.reached.power;

/** The power is on, and nothing was heard (spec observability.md 7.1; pi-boot.md 7, rows 1 and 8). */
export const POWER_RULES = [
  {
    cause: "port-fault",
    when: "power was asked for, the port reports a fault",
    fits: (e) => silent(e) && e.power?.state === "fault",
    words: ({ power }) =>
      `The switch cut the power of its port: a fault${power?.detail ? ` (${power.detail})` : ""}.`,
    todo: "Look for a short circuit or an overload: HAT, USB devices, the switch's power budget (`bramble power status`).",
  },
  {
    cause: "no-powered-device",
    when: "power was asked for, the port searches for a powered device",
    fits: (e) => silent(e) && e.power?.state === "searching",
    words: () => "The switch offers power, but finds no powered device on the port.",
    todo: "Look at the cable and the PoE HAT; a passive splitter is not detected. Try another port.",
  },
  {
    cause: "power-off",
    when: "nothing was heard, the port is off",
    fits: (e) => silent(e) && e.power?.state === "off",
    words: () => "Its port gives no power, though it was to be on.",
    todo: "Has somebody switched it off at the switch? `bramble power on NODE`",
  },
  {
    cause: "no-link",
    when: "the port gives power, its link is down",
    fits: (e) => silent(e) && e.link === "down",
    words: () => "It has power, but its network link never came up.",
    todo: "Look at the cable, try another port and another board. A board without light on its LEDs is dead.",
  },
  {
    cause: "stp",
    when: "the first request came 28 s or more after the power, or a Pi 3, which gives up after 25 s, says nothing that has been heard before",
    fits: (e) =>
      (e.boot.stage === "dhcp" && lateMs(e) >= LATE_MS) ||
      (silent(e) &&
        e.model !== undefined &&
        isOldBoot(e.model) &&
        (e.before ?? []).some(({ stage }) => stage !== "power")),
    words: (e) =>
      silent(e)
        ? "It has power and said nothing. A Pi 3 gives up 25 s after it was switched on; a switch port with spanning tree stays closed for 30 s."
        : `Its first request came ${Math.round(lateMs(e) / 1000)} s after its power: the switch port was likely closed by spanning tree until then.`,
    todo: "Set the switch port to edge (portfast, rstp-edge). Where that cannot be: bootcode.bin on a card for a Pi 3 (`bramble card bootcode`), NET_BOOT_MAX_RETRIES=-1 for later ones.",
  },
  {
    cause: "no-dhcp",
    when: "the power is on, nothing was ever heard",
    fits: silent,
    words: () => "It has power, but no DHCP request of it was heard.",
    todo: "Is the network in its BOOT_ORDER (`bramble card pi4-boot-order`; a Pi 3 needs its OTP bit)? Does the switch's DHCP snooping or another VLAN hold its requests back? A board that shows no sign of life on a screen is dead, or its EEPROM is damaged.",
  },
] as const satisfies readonly Rule[];
