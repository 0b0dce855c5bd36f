import { CUT_NEEDS, powerCuts } from "../bed/power-cut-run.ts";
import { QEMU, type Scenario } from "../scenario.ts";

/** power-cut with less of everything, for every run. */
export const scenario: Scenario = {
  name: "power-cut-short",
  tier: "ci",
  budgetSeconds: 180,
  needs: [QEMU, ...CUT_NEEDS],
  assets: ["mini-image"],
  run: (t) => powerCuts(t, { turns: 10, cuts: 40 }),
};
