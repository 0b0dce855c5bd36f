import type { NodeView } from "../../../src/api/contract.ts";
import type { PowerView } from "../../../src/api/power-contract.ts";
import { link } from "../place.ts";
import { powers } from "../powers.ts";
import { Ago } from "./basics.tsx";

type State = PowerView["actual"];
const WORDS: Record<State, string> = {
  on: "on",
  off: "off",
  searching: "no device on the port",
  fault: "fault",
  unknown: "unknown",
};

/** Power as it was last observed, as a mark; nothing where nobody knows. */
export const PowerMark = ({ node }: { node: NodeView }) => {
  const power = powers.value.get(node.name);
  if (!power) return null;
  const bad = power.alarm !== undefined || power.actual === "fault";
  const words = `power ${WORDS[power.actual]}${power.busy ? ", being switched" : ""}${bad ? `: ${power.alarm ?? "fault"}` : ""}`;
  return (
    <svg
      class={`power-mark ${bad ? "error" : power.actual}`}
      viewBox="0 0 24 24"
      role="img"
      aria-label={words}
    >
      <title>{words}</title>
      <path d={power.actual === "on" ? "M12 3v9M6 7a8 8 0 1012 0" : "M12 5a7 7 0 100 14 7 7 0 000-14z"} />
    </svg>
  );
};

export const PowerWord = ({ state, watts }: { state: State; watts?: number | undefined }) => (
  <span class={state === "on" ? "ok-text" : state === "fault" ? "bad-text" : "dim"}>
    {WORDS[state]}
    {watts !== undefined && watts > 0 && `, ${watts.toFixed(1)} W`}
  </span>
);

/** What is known of a node's power, and by whom. */
export const PowerFacts = ({ node }: { node: NodeView }) => {
  const power = powers.value.get(node.name);
  if (!power) return <a href={link("/switches")}>no switch is known</a>;
  return (
    <span>
      <PowerWord state={power.actual} watts={power.watts} />
      {power.desired !== undefined && power.desired !== power.actual && (
        <span class="wait-text">, is to be {power.desired}</span>
      )}
      {power.busy && <span class="wait-text">, being switched</span>}{" "}
      <a href={link(`/switches/${power.switch}`)}>
        {power.switch} {power.port}
      </a>
      {power.atMs > 0 && (
        <span class="dim">
          , read <Ago ms={power.atMs} />
        </span>
      )}
      {(power.alarm ?? power.error) !== undefined && (
        <span class="bad-text"> {power.alarm ?? power.error}</span>
      )}
    </span>
  );
};
