// One verb for many nodes: a task that goes through them, and says what became of each.
import type { NodeView } from "../../../src/api/contract.ts";
import type { Verb } from "../api.ts";
import { count } from "../format.ts";
import { action, entry, type Field, type Values } from "./action.ts";
import { joinMany, labelMany } from "./model.ts";

/** So many the server takes at once. */
const MOST = 10_000;

/** The nodes by their ids, which never change. */
const idsOf = (nodes: readonly NodeView[]): string[] => nodes.map(({ id }) => id);

interface Many {
  verb: Verb;
  title: string;
  words: string;
  danger?: boolean;
  fields?: readonly Field[];
  args?(values: Values): Values;
}

const many = (nodes: readonly NodeView[], { verb, title, words, danger, fields = [], args }: Many) => {
  const ids = idsOf(nodes);
  return entry(
    action({
      verb: "nodesAction",
      title,
      words: `${words} For ${count(nodes.length, "node")}.`,
      long: true,
      ...(danger && { danger }),
      fields,
      why: ids.length > MOST ? "too many at once: choose fewer, or use a selector in a terminal" : undefined,
      args: (values) => ({ nodes: ids, action: verb, args: args ? args(values) : values }),
      done: ({ done, failed, nodes: rows }) => {
        const first = rows.find((row) => !row.ok);
        return `${title}: ${done} done${failed > 0 ? `, ${failed} refused; ${first?.node}: ${first?.error?.title}` : ""}`;
      },
    }),
  );
};

/** What can be done with many at once. */
export const bulkEntries = (nodes: readonly NodeView[]) => [
  many(nodes, { verb: "enrolNode", title: "Enrol", words: "They may then boot." }),
  ...(["on", "off", "cycle"] as const).map((want) =>
    many(nodes, {
      verb: "setPower",
      title: `Power ${want}`,
      words: want === "on" ? "Staggered by their switches." : "What runs on them ends at once.",
      danger: want !== "on",
      ...(want !== "on" && {
        fields: [{ name: "soft", label: "Ask their systems to shut down first", kind: "tick", value: true }],
      }),
      args: (values) => ({ want, ...values }),
    }),
  ),
  entry(labelMany(idsOf(nodes))),
  entry(joinMany(idsOf(nodes))),
  many(nodes, {
    verb: "retryNode",
    title: "Try again",
    words: "Forgets the tries that failed, cuts their power and begins anew.",
  }),
  many(nodes, {
    verb: "resetClone",
    title: "Reset the disks",
    words: "Their next boot begins with the image as it is; all that they wrote is lost.",
    danger: true,
    fields: [{ name: "dropSnapshots", label: "Drop their snapshots, too", kind: "tick" }],
  }),
  many(nodes, {
    verb: "forgetNode",
    title: "Forget",
    words: "The nodes and their disks are removed.",
    danger: true,
    fields: [{ name: "sure", label: `Type ${nodes.length} to be sure`, required: true }],
    args: ({ sure }) => {
      if (sure !== String(nodes.length)) throw new Error(`"${sure}" is not ${nodes.length}`);
      return {};
    },
  }),
];
