// How a virtual board behaves each time its power comes: well, or failing as boards do.
import { dice } from "./dice.ts";

/**
 * The last thing that a board does before it stands still: `power`: nothing at all. `dhcp`: it takes an address and asks for no file.
 * `file`: it stops in the middle of a file. `firmware`: it has some files, and asks for no more. `kernel`: it has its kernel. `agent`:
 * the agent has said hello. `root`: the root is attached. `os`: the agent has handed over.
 */
export const HANG_STAGES = ["power", "dhcp", "file", "firmware", "kernel", "agent", "root", "os"] as const;
export type HangStage = (typeof HANG_STAGES)[number];

/** What becomes of one power-on. `loop`: it starts anew each time it has come to its kernel, until the power is cut. */
export type Fate =
  | { end: "up" }
  | { end: "hang"; at: HangStage }
  | { end: "loop" }
  | { end: "agent-fails"; words: string };

/** The fate of a board's n-th power-on, counted from 1. The same n has the same fate. */
export type Behaviour = (powerOn: number) => Fate;

export const good: Behaviour = () => ({ end: "up" });

/** It never says a word. */
export const dead: Behaviour = () => ({ end: "hang", at: "power" });

/** Stands still there at its first power-ons, `times` of them; then it is good. */
export const hangsAt =
  (at: HangStage, times = 1): Behaviour =>
  (powerOn) =>
    powerOn <= times ? { end: "hang", at } : { end: "up" };

/** Fails with this chance at each power-on, at a stage by the dice. */
export const failsOften =
  (chance: number, seed: number, stages: readonly HangStage[] = HANG_STAGES): Behaviour =>
  (powerOn) => {
    const random = dice(seed * 7919 + powerOn * 104_729);
    random(); // seeds that are near to each other begin alike
    const at = random() < chance ? stages[Math.floor(random() * stages.length)] : undefined;
    return at === undefined ? { end: "up" } : { end: "hang", at };
  };
