import type { Fact } from "./boots.ts";
import type { Evidence, Rule } from "./diagnosis.ts";

export const has = ({ boot }: Evidence, fact: Fact): boolean => boot.steps.some((step) => step.fact === fact);
export const wordsOf = ({ boot }: Evidence, fact: Fact): string =>
  boot.steps.findLast((step) => step.fact === fact)?.words ?? "";
const asked = ({ boot }: Evidence): boolean => boot.stage === "dhcp";

/** It was heard, and asked for no file (spec observability.md 7.1; pi-boot.md 7, rows 2 to 6, 9, 10, 18). */
export const DHCP_RULES = [
  {
    cause: "duplicate",
    when: "two boards claim the same serial or MAC",
    fits: (e) => has(e, "duplicate"),
    words: (e) => `Two boards claim to be this node: ${wordsOf(e, "duplicate")}.`,
    todo: "Was a board or its EEPROM exchanged? `bramble node forget NODE`, then let it be heard anew.",
  },
  {
    cause: "address-conflict",
    when: "another host has the address that the node was given",
    fits: (e) => has(e, "address-conflict") && ["dhcp", "firmware", "kernel", "agent"].includes(e.boot.stage),
    words: (e) => `Another host uses this node's address: ${wordsOf(e, "address-conflict")}.`,
    todo: "Take the address out of the pool or the other host off it: `arping` shows its MAC. A static address inside the pool is the usual reason.",
  },
  {
    cause: "other-server",
    when: "a DISCOVER was answered, the node took the offer of another DHCP server",
    fits: (e) => asked(e) && has(e, "other-server"),
    words: (e) => `Another DHCP server answered this node: ${wordsOf(e, "other-server")}.`,
    todo: "Two servers disturb each other: switch that one off for these boards, or run Bramble beside it (`bramble up --mode proxy`). `bramble doctor` lists the servers that answer.",
  },
  {
    cause: "rom-relay",
    when: "a Pi 3's boot ROM asked through a relay, and asked for no file",
    fits: (e) => asked(e) && has(e, "rom3") && has(e, "relayed"),
    words: () => "This is a Pi 3's boot ROM behind a DHCP relay: it takes no server of another network.",
    todo: "Put bootcode.bin on a card (`bramble card bootcode`), or a boot server into its network.",
  },
  {
    cause: "rom-deaf",
    when: "a Pi 3's boot ROM was answered, and asked for no file",
    fits: (e) => asked(e) && has(e, "rom3"),
    words: () =>
      "A Pi 3's boot ROM asked and was answered, but never took the answer: its first versions lose some.",
    todo: "Another power cycle often helps. For good: bootcode.bin on a card (`bramble card bootcode`).",
  },
  {
    cause: "no-address",
    when: "proxy mode: the node was told where its files are, and no address was seen to be given to it",
    fits: (e) => asked(e) && e.dhcp === "proxy" && e.boot.address === undefined,
    words: () =>
      "It was told where its files are, but the router's DHCP server was not seen to give it an address.",
    todo: "Does the router give addresses on this network, and is its pool not empty? Else: `bramble up --mode full --pool FROM-TO`",
  },
] as const satisfies readonly Rule[];
