// What a node's view means to a person: one word, one colour, one sentence.
import type { BootView, NodeView } from "../../src/api/contract.ts";
import type { Tone } from "./parts/basics.tsx";

export const STAGES: readonly string[] = [
  "dhcp",
  "firmware",
  "kernel",
  "agent",
  "root",
  "switched-root",
  "booted",
];
export const STAGE_WORDS: Record<string, string> = {
  dhcp: "address",
  firmware: "firmware",
  kernel: "kernel",
  agent: "agent",
  root: "root disk",
  "switched-root": "system starts",
  booted: "booted",
};

const BUSY = /^(inspecting|cleaning|installing|first_boot|rescuing|releasing|restoring_firmware)$/;
const FAILED_STATE = /(_failed|^quarantined|^broken)$/;

export interface Standing {
  word: string;
  tone: Tone;
  kind: "booting" | "failed" | "waiting" | "up" | "idle";
}

type Outcome = NonNullable<BootView["outcome"]>;
export const OUTCOME_WORDS: Record<Outcome, string> = {
  booted: "booted",
  "switched-root": "system started",
  stopped: "stopped",
  failed: "failed",
  superseded: "started anew",
};
export const OUTCOME_TONES: Record<Outcome, Tone> = {
  booted: "ok",
  "switched-root": "ok",
  stopped: "idle",
  failed: "bad",
  superseded: "wait",
};

export const isFailedState = (state: string): boolean => FAILED_STATE.test(state);

/** How a node stands, the most pressing first. */
export function standing(node: NodeView): Standing {
  const { boot, state } = node;
  if (isFailedState(state)) return { word: state.replace("_", " "), tone: "bad", kind: "failed" };
  if (node.maintenance !== undefined) return { word: "maintenance", tone: "idle", kind: "idle" };
  if (state === "discovered") return { word: "discovered", tone: "wait", kind: "waiting" };
  if (node.line !== undefined) return { word: `${node.line}. in line`, tone: "wait", kind: "waiting" };
  if (boot && boot.outcome === undefined)
    return { word: `booting: ${STAGE_WORDS[boot.stage] ?? boot.stage}`, tone: "go", kind: "booting" };
  if (BUSY.test(state)) return { word: state.replace("_", " "), tone: "go", kind: "booting" };
  if (!boot) return { word: state, tone: "idle", kind: "idle" };
  const outcome = boot.outcome ?? "stopped";
  const [word, tone] = [OUTCOME_WORDS[outcome], OUTCOME_TONES[outcome]];
  return { word, tone, kind: tone === "bad" ? "failed" : tone === "ok" ? "up" : "idle" };
}

/** "site a / rack 3 / unit 7 / slot 2"; "" where no place is known. */
export function placeWords(node: NodeView): string {
  const { place = {} } = node;
  return (["site", "rack", "unit", "slot"] as const)
    .flatMap((key) => (place[key] === undefined ? [] : [`${key} ${place[key]}`]))
    .join(" / ");
}

/** Where it was heard in its last boot; before one, the address that it is to get. */
export const addressNow = (node: NodeView): string | undefined => node.boot?.address ?? node.address;

const squeezed = new WeakMap<NodeView, string>();
/** Everything that a plain word in the filter may be found in. */
export function searchText(node: NodeView): string {
  let text = squeezed.get(node);
  if (text === undefined) {
    const labels = Object.entries(node.labels ?? {}).map(([key, value]) => `${key}=${value}`);
    const { name, serial, mac, model, state, image, profile, group } = node;
    const addresses = [addressNow(node), node.address];
    const own = [name, serial, mac, ...addresses, model && `Pi ${model}`, state, image, profile, group];
    text = [...own, ...labels, placeWords(node), standing(node).word, node.boot?.verdict]
      .filter((part) => part)
      .join(" ")
      .toLowerCase();
    squeezed.set(node, text);
  }
  return text;
}
