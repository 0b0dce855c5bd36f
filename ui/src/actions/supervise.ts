// What is done about boots that fail.
import type { NodeView } from "../../../src/api/contract.ts";
import type { SupervisionView } from "../../../src/api/supervise-contract.ts";
import { action } from "./action.ts";

export const retry = (node: NodeView) =>
  action({
    verb: "retryNode",
    title: "Try again",
    words: "Forgets the tries that failed, cuts the node's power and begins anew.",
    fields: [],
    fixed: { node: node.name },
    done: () => `${node.name}: it begins anew`,
  });

export const setSupervision = (now: SupervisionView) =>
  action({
    verb: "setSupervision",
    title: "Change",
    fields: [
      {
        name: "bootsAtOnce",
        label: "Boots at once",
        required: true,
        value: String(now.bootsAtOnce),
        hint: "auto (no limit below 30 nodes), off, or a number",
      },
      {
        name: "powerCycles",
        label: "Power cycles before it is given up",
        kind: "number",
        required: true,
        value: now.powerCycles,
      },
      {
        name: "backOffSeconds",
        label: "Seconds between them",
        required: true,
        value: now.backOffSeconds.join(", "),
        hint: "the last one holds for all further",
      },
      {
        name: "deadlineScale",
        label: "Deadlines times",
        kind: "number",
        required: true,
        value: now.deadlineScale,
      },
      { name: "paused", label: "Pause: leave power alone", kind: "tick", value: now.paused },
    ],
    args: ({ bootsAtOnce, powerCycles, backOffSeconds, deadlineScale, paused }) => ({
      bootsAtOnce: bootsAtOnce === "auto" || bootsAtOnce === "off" ? bootsAtOnce : Number(bootsAtOnce),
      powerCycles: Number(powerCycles),
      backOffSeconds: String(backOffSeconds)
        .split(/[\s,]+/)
        .filter(Boolean)
        .map(Number),
      deadlineScale: Number(deadlineScale),
      paused: paused === true,
    }),
    done: () => "Changed",
  });
