import type { BootView } from "../../../src/api/contract.ts";
import { STAGE_WORDS, STAGES } from "../node-facts.ts";

/** How far a boot has come, as a row of dots; in words for who does not see them. */
export const StageDots = ({ boot }: { boot: BootView }) => {
  const at = STAGES.indexOf(boot.stage);
  const tone = boot.outcome === "failed" ? "bad" : boot.outcome === undefined ? "go" : "ok";
  return (
    <span class="stage">
      <span class={`dots ${tone}`} aria-hidden="true">
        {STAGES.map((stage, i) => (
          <i key={stage} class={i < at ? "done" : i === at ? "at" : ""} />
        ))}
      </span>
      <span>{STAGE_WORDS[boot.stage] ?? boot.stage}</span>
    </span>
  );
};
