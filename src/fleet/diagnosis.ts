// Why a boot ended as it did: evidence → cause → what to do. The first rule that fits wins; docs/supervision.md shows them all.
import type { Model } from "../formats/boards.ts";
import { type Boot, type BootStage, type Outcome, REACHED } from "./boots.ts";
import { DHCP_RULES, has } from "./diagnosis-dhcp.ts";
import { FILE_RULES } from "./diagnosis-files.ts";
import { POWER_RULES } from "./diagnosis-power.ts";
import { SYSTEM_RULES } from "./diagnosis-system.ts";

/** All that is known when a boot has ended. What is absent is not known. */
export interface Evidence {
  boot: Boot;
  model?: Model;
  /** The node's port, as it was read last. */
  power?: { state: "on" | "off" | "searching" | "fault" | "unknown"; detail?: string };
  /** Of the node's switch port. */
  link?: "up" | "down";
  /** The node's boots before this one, newest first. */
  before?: readonly { outcome: Outcome; stage: BootStage }[];
  /** Files that the node's image lacks for its model. */
  lacks?: readonly string[];
  /** How addresses are given where the node is. */
  dhcp?: "proxy" | "full" | "off";
}

/** One line of the table. */
export interface Rule<Code extends string = string> {
  cause: Code;
  /** The evidence, for the table in the documentation. */
  when: string;
  fits(evidence: Evidence): boolean;
  /** One sentence for people, about this boot. */
  words(evidence: Evidence): string;
  todo: string;
}

export const RULES = [
  ...SYSTEM_RULES.first,
  ...POWER_RULES,
  ...DHCP_RULES,
  ...FILE_RULES,
  ...SYSTEM_RULES.last,
];
export type Cause = (typeof RULES)[number]["cause"];

export interface Diagnosis {
  words: string;
  cause?: Cause;
  todo?: string;
}

/** A boot that came up has no cause, only words. */
export function diagnose(evidence: Evidence): Diagnosis {
  const { boot } = evidence;
  if (boot.outcome === "booted")
    return {
      words: `The system came up ${seconds(cameUpMs(boot))} after the ${boot.reached.dhcp === undefined ? "start" : "first DHCP request"}${triesWords(boot)}.`,
    };
  if (boot.outcome === "switched-root")
    return {
      words: `${has({ boot }, "kernel-root") ? "The kernel mounted its root and started" : "The agent handed over to"} the image's own system, which reported nothing: this image has no reporter.`,
    };
  if (boot.outcome === "stopped")
    return { words: `It ended as it was asked to, after ${REACHED[boot.stage]}.` };
  const rule = RULES.find(({ fits }) => fits(evidence));
  if (!rule) return { words: `It ended after ${REACHED[boot.stage]}.` };
  return { words: rule.words(evidence), cause: rule.cause, todo: rule.todo };
}

/** From the first request to the end, ms. */
export const cameUpMs = (boot: Pick<Boot, "startedMs" | "endedMs" | "reached">): number =>
  (boot.endedMs ?? boot.startedMs) - (boot.reached.dhcp ?? boot.startedMs);

/** A boot that was not the first try says so. */
const triesWords = ({ tries = 1 }: Boot): string => (tries > 1 ? `, at try ${tries}` : "");

const seconds = (ms: number): string => `${(ms / 1000).toFixed(1)} s`;
