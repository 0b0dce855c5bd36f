// Labels, groups, places.
import type { NodeView } from "../../../src/api/contract.ts";
import type { GroupView } from "../../../src/api/model-contract.ts";
import { tagOf } from "../api.ts";
import { groupOptions } from "../choices.ts";
import { count } from "../format.ts";
import { go } from "../place.ts";
import { action, entry, type Field, type Values } from "./action.ts";
import { settingFields } from "./node.ts";

const LABELS: Field = {
  name: "labels",
  label: "Labels",
  kind: "list",
  hint: "one key=value a line; a key with a - behind it takes the label away",
  example: "role=web\nold-label-",
};

/** "role=web" and "old-" as a patch. */
function labelsPatch(lines: unknown): Record<string, string | null> {
  const patch: Record<string, string | null> = {};
  for (const line of (lines ?? []) as string[]) {
    const [, key, value] = /^\s*([^=\s]+?)\s*=\s*(.*?)\s*$/.exec(line) ?? [];
    const gone = /^\s*(\S+)-\s*$/.exec(line)?.[1];
    if (key !== undefined && value !== undefined) patch[key] = value;
    else if (gone !== undefined) patch[gone] = null;
    else throw new Error(`"${line}" is no label; write role=web, or role- to take it away`);
  }
  return patch;
}

const PLACE_KEYS = ["site", "rack", "unit", "slot", "switch", "port"] as const;

export const place = (node: NodeView) =>
  action({
    verb: "setNode",
    title: "Change its place",
    words:
      "Where it stands, and the switch port that it hangs on. Many at once: import a CSV on the page Racks.",
    fields: PLACE_KEYS.map((key) => ({
      name: key,
      label: key.replace(/^./, (first) => first.toUpperCase()),
      emptyIsNull: true,
      ...(node.place?.[key] !== undefined && { value: node.place[key] }),
    })),
    args: (values) => ({ node: node.name, patch: { place: values as Record<string, string | null> } }),
    done: (next) => `${next.name}: its place is changed`,
  });

export const nodeLabels = (node: NodeView) =>
  action({
    verb: "setNode",
    title: "Change labels",
    fields: [
      {
        ...LABELS,
        value: Object.entries(node.labels ?? {})
          .map(([key, value]) => `${key}=${value}`)
          .join("\n"),
        hint: "one key=value a line; what is no longer here is taken away",
      },
    ],
    args: ({ labels }) => {
      const gone = Object.fromEntries(
        Object.keys(node.labels ?? {}).map((key): [string, null] => [key, null]),
      );
      return { node: node.name, patch: { labels: { ...gone, ...labelsPatch(labels) } } };
    },
    done: (next) => `${next.name}: its labels are changed`,
  });

const nodeGroup = (node: NodeView) =>
  action({
    verb: "setNode",
    title: "Change its group",
    fields: [
      {
        name: "group",
        label: "Group",
        kind: "select",
        emptyIsNull: true,
        options: groupOptions,
        hint: "none: only its profile is inherited",
        ...(node.group !== undefined && { value: node.group }),
      },
    ],
    args: ({ group }) => ({ node: node.name, patch: { group: group as string | null } }),
    done: (next) =>
      next.group === undefined ? `${next.name} is in no group` : `${next.name} is in ${next.group}`,
  });

const management = (node: NodeView) =>
  action({
    verb: "setNode",
    title: "Change its management address",
    words: "Its second way in, such as a BMC.",
    fields: [
      {
        name: "management",
        label: "Address",
        emptyIsNull: true,
        ...(node.management !== undefined && { value: node.management }),
      },
      {
        name: "managementMac",
        label: "MAC",
        emptyIsNull: true,
        ...(node.managementMac !== undefined && { value: node.managementMac }),
      },
    ],
    args: (values) => ({ node: node.name, patch: values as Record<string, string | null> }),
    done: (next) => `${next.name}: changed`,
  });

/** Where a node belongs. */
export const model = (node: NodeView) => [
  entry(place(node)),
  entry(nodeLabels(node)),
  entry(nodeGroup(node)),
  entry(management(node)),
];

export const labelMany = (nodes: string[]) =>
  action({
    verb: "labelNodes",
    title: "Label",
    words: `Of ${count(nodes.length, "node")}.`,
    fields: [{ ...LABELS, required: true }],
    args: ({ labels }) => ({ nodes, labels: labelsPatch(labels) }),
    done: ({ nodes }) => `${count(nodes.length, "node")} labelled`,
  });

export const joinMany = (nodes: string[]) =>
  action({
    verb: "joinGroup",
    title: "Put into a group",
    words: `${count(nodes.length, "node")}; they leave the groups that they are in.`,
    fields: [{ name: "group", label: "Group", kind: "select", required: true, options: groupOptions }],
    fixed: { nodes },
    done: (done) => `${count(done.nodes.length, "node")} put into it`,
  });

const ABOUT: Field = { name: "about", label: "What it is for", emptyIsNull: true };

export const addGroup = () =>
  action({
    verb: "addGroup",
    title: "Make a group",
    words: "Nodes of a group share settings that stand before their profile's.",
    fields: [
      { name: "group", label: "Name", required: true, example: "web" },
      { ...ABOUT, emptyIsNull: false },
    ],
    args: ({ group, about }) => ({
      group: String(group),
      ...(about !== undefined && { patch: { about: String(about) } }),
    }),
    done: ({ name }) => `Group ${name} is there`,
  });

/** An empty field is null: only where there was something does that say anything. */
const changed = (values: Values, before: object): Values =>
  Object.fromEntries(
    Object.entries(values).filter(([key, value]) => value !== null || Object.hasOwn(before, key)),
  );

export const setGroup = (group: GroupView) =>
  action({
    verb: "setGroup",
    title: "Change settings",
    words: "What is left empty comes from each node's profile. Changes hold from the next boot on.",
    fields: [
      { ...ABOUT, ...(group.about !== undefined && { value: group.about }) },
      ...settingFields({
        image: group.settings.image ?? undefined,
        root: group.settings.root ?? undefined,
        firmware: group.settings.firmware ?? undefined,
        user: group.settings.user ?? undefined,
        nfsBoot: group.settings.nfsBoot ?? undefined,
        nfsDurability: group.settings.nfsDurability ?? undefined,
        external: group.settings.external ?? undefined,
      }),
    ],
    args: (values) => ({
      group: group.name,
      patch: changed(values, { ...group.settings, about: group.about }),
    }),
    ifMatch: tagOf(group),
    done: ({ name }) => `${name}: changed`,
  });

const SELECT: Field = {
  name: "select",
  label: "Nodes",
  required: true,
  example: "rack=3,model in (4B,5) or pi[01-30]",
};

export const joinGroup = (group: GroupView) =>
  action({
    verb: "joinGroup",
    title: "Add nodes",
    fields: [SELECT],
    fixed: { group: group.name },
    done: ({ nodes }) => `${count(nodes.length, "node")} put into ${group.name}`,
  });

export const leaveGroup = (group: GroupView) =>
  action({
    verb: "leaveGroup",
    title: "Take nodes out",
    why: group.nodes.length === 0 ? "no node is in it" : undefined,
    fields: [SELECT],
    fixed: { group: group.name },
    done: ({ nodes }) => `${count(nodes.length, "node")} taken out of ${group.name}`,
  });

export const removeGroup = (group: GroupView) =>
  action({
    verb: "removeGroup",
    title: "Remove",
    danger: true,
    why:
      group.nodes.length > 0 ? `${count(group.nodes.length, "node")} in it: take them out first` : undefined,
    fields: [],
    fixed: { group: group.name },
    done: ({ name }) => `Group ${name} is removed`,
    after: () => go("/groups"),
  });

export const importPlaces = () =>
  action({
    verb: "importPlaces",
    title: "Import places",
    words:
      "CSV with a first line of names: node,site,rack,unit,slot,switch,port,group,labels. A row that is refused is left out, with the reason.",
    fields: [
      {
        name: "csv",
        label: "CSV",
        kind: "long",
        required: true,
        example: "node,rack,unit,slot\npi-01,3,7,1",
      },
      { name: "dryRun", label: "Only say what would change", kind: "tick" },
      { name: "strict", label: "Refuse all if one row is refused", kind: "tick" },
    ],
    done: ({ changed: n, same, refused, refusedRows, dryRun }) =>
      [
        `${count(n, "node")} ${dryRun ? "would be" : "are"} changed, ${same} as before`,
        refusedRows > 0
          ? `${count(refusedRows, "row")} refused: ${refused.map((one) => `line ${one.line} ${one.field}: ${one.why}`).join("; ")}`
          : "",
      ]
        .filter(Boolean)
        .join("; "),
  });
