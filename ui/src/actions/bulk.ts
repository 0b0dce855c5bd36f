// One verb for many nodes: a task that goes through them, and says what became of each.
import type { NodeView } from "../../../src/api/contract.ts";
import type { Verb } from "../api.ts";
import { count } from "../format.ts";
import { action, entry, type Field, type Values } from "./action.ts";
import { joinMany, labelMany } from "./model.ts";

/** A selector has at most this many characters. */
const MOST_CHARACTERS = 4_096;

/** The nodes as a selector by their ids, which never change. */
export const selectOf = (nodes: readonly NodeView[]): string =>
  `id in (${nodes.map(({ id }) => id).join(",")})`;

interface Many {
  verb: Verb;
  title: string;
  words: string;
  danger?: boolean;
  fields?: readonly Field[];
  args?(values: Values): Values;
}

const many = (nodes: readonly NodeView[], { verb, title, words, danger, fields = [], args }: Many) => {
  const select = selectOf(nodes);
  return entry(
    action({
      verb: "nodesAction",
      title,
      words: `${words} For ${count(nodes.length, "node")}.`,
      long: true,
      ...(danger && { danger }),
      fields,
      why:
        select.length > MOST_CHARACTERS
          ? "too many at once: choose fewer, or use a selector in a terminal"
          : undefined,
      args: (values) => ({ select, action: verb, args: args ? args(values) : values }),
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
  entry(labelMany(selectOf(nodes), nodes.length)),
  entry(joinMany(selectOf(nodes), nodes.length)),
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
