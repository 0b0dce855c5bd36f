import { CUT_NEEDS, powerCuts } from "../bed/power-cut-run.ts";
import { QEMU, type Scenario } from "../scenario.ts";

/** A real guest's writes and flushes, cut at 1,000 moments: nothing flushed is lost, no foreign byte shows, ext4 and fsync keep their promises. */
export const scenario: Scenario = {
  name: "power-cut",
  tier: "full",
  budgetSeconds: 3600,
  needs: [QEMU, ...CUT_NEEDS],
  assets: ["mini-image"],
  run: (t) => powerCuts(t, { turns: 24, cuts: 1000 }),
};
