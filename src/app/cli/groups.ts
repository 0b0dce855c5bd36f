import { type Command, InvalidArgumentError } from "commander";
import pc from "picocolors";
import type { GroupView, NodeSettingsView } from "../../api/model-contract.ts";
import { labelWords, parseLabels } from "../../fleet/labels.ts";
import { foldHostlist } from "../../fleet/select-hostlist.ts";
import { orNull, type SettingOptions, settings, settingsPatch } from "./node-settings.ts";
import { show, table } from "./print.ts";
import { manyWords, type SelectOptions, selecting, selection } from "./select.ts";
import { globals, withCommands } from "./session.ts";
import { addValue } from "./template-options.ts";

interface GroupOptions extends SettingOptions {
  about?: string;
  value?: Record<string, string | null>;
}

const groupPatch = ({ about, value, ...given }: GroupOptions) => ({
  ...settingsPatch(given),
  ...(about !== undefined && { about: orNull(about) }),
  ...(value !== undefined && { values: value }),
});

const groupSettings = (command: Command): Command =>
  settings(command)
    .option("--about <words>", "what it is for")
    .option("--value <name=text>", "what templates call value.NAME; repeat for more", addValue);

export function groupCommands(program: Command): void {
  const group = program
    .command("group")
    .description("groups: settings that stand between a profile and its nodes");

  group
    .command("list")
    .description("all groups")
    .action(async (_, command: Command) => {
      const options = globals(command);
      const all = await withCommands(options, (commands) => commands.groups({}));
      show(options.output, all, () =>
        all.length === 0
          ? "No groups yet: bramble group add NAME"
          : table(
              ["NAME", "NODES", "IMAGE", "ROOT", "ABOUT"],
              all.map((one) => [
                one.name,
                String(one.nodes.length),
                one.settings.image ?? "-",
                one.settings.root ?? "-",
                one.about ?? "",
              ]),
            ),
      );
    });

  group
    .command("show <group>")
    .description("one group: what it says, and its nodes")
    .action(async (name: string, _, command: Command) => {
      const options = globals(command);
      const one = await withCommands(options, (commands) => commands.group({ group: name }));
      show(options.output, one, () => groupLines(one));
    });

  groupSettings(group.command("add <group>").description("a new group")).action(
    async (name: string, given: GroupOptions, command: Command) => {
      const options = globals(command);
      const patch = groupPatch(given);
      const one = await withCommands(options, (commands) => commands.addGroup({ group: name, patch }));
      show(options.output, one, () => groupLines(one));
    },
  );

  groupSettings(
    group
      .command("set <group>")
      .description(
        "what it gives its nodes from their next boot on; `-` takes a setting back to the profile's",
      ),
  ).action(async (name: string, given: GroupOptions, command: Command) => {
    const options = globals(command);
    const patch = groupPatch(given);
    const one = await withCommands(options, (commands) => commands.setGroup({ group: name, patch }));
    show(options.output, one, () => groupLines(one));
  });

  group
    .command("remove <group>")
    .alias("rm")
    .description("where no node is in it")
    .action(async (name: string, _, command: Command) => {
      const options = globals(command);
      const gone = await withCommands(options, (commands) => commands.removeGroup({ group: name }));
      show(options.output, gone, () => `group ${gone.name} is removed.`);
    });

  selecting(group.command("join <group> [nodes...]").description("put nodes into it")).action(
    async (name: string, names: string[], given: SelectOptions, command: Command) => {
      const options = globals(command);
      const select = selection(names, given);
      const done = await withCommands(options, (commands) => commands.joinGroup({ group: name, select }));
      show(options.output, done, () => manyWords(done.nodes, `are in ${name} from their next boot on`));
    },
  );

  selecting(group.command("leave <group> [nodes...]").description("take nodes out of it")).action(
    async (name: string, names: string[], given: SelectOptions, command: Command) => {
      const options = globals(command);
      const select = selection(names, given);
      const done = await withCommands(options, (commands) => commands.leaveGroup({ group: name, select }));
      show(options.output, done, () => manyWords(done.nodes, `have left ${name}`));
    },
  );
}

/** `node label`, `node settings` */
export function labelCommands(node: Command): void {
  selecting(
    node
      .command("label [words...]")
      .description("NODES KEY=VALUE KEY KEY-: set and take away labels; with -l only the labels"),
  ).action(async (words: string[], given: SelectOptions, command: Command) => {
    const options = globals(command);
    const [names, labels] = given.select === undefined ? split(words) : [[], words];
    if (labels.length === 0)
      throw new InvalidArgumentError("which labels? KEY=VALUE, KEY, or KEY- to take one away");
    const patch = parseLabels(labels);
    const select = selection(names, given);
    const done = await withCommands(options, (commands) => commands.labelNodes({ select, labels: patch }));
    show(options.output, done, () => manyWords(done.nodes, "are labelled"));
  });

  node
    .command("settings <node>")
    .description("what it is set to, and whether its profile, its group or itself says so")
    .action(async (name: string, _, command: Command) => {
      const options = globals(command);
      const one = await withCommands(options, (commands) => commands.nodeSettings({ node: name }));
      show(options.output, one, () => settingLines(one));
    });
}

/** Nodes come first, as one or more hostlists; the first word with a = or a - at its end is a label. */
function split(words: readonly string[]): [string[], string[]] {
  const from = words.findIndex((word, i) => i > 0 && (word.includes("=") || word.endsWith("-")));
  const at = from < 0 ? 1 : from;
  return [words.slice(0, at), words.slice(at)];
}

const valueWords = (value: unknown): string =>
  typeof value === "string" ? value : value === null ? pc.red("(to be given)") : JSON.stringify(value);

function settingLines({ node, settings: all }: NodeSettingsView): string {
  const rows = all.map(({ name, value, from, over }) => [
    name,
    valueWords(value),
    from,
    pc.dim(over.map((one) => `${valueWords(one.value)} (${one.from})`).join(", ")),
  ]);
  return `${pc.bold(node)}\n${table(["SETTING", "VALUE", "FROM", "IN PLACE OF"], rows)}`;
}

function groupLines({ name, about, nodes, settings: own, hasPassword, values }: GroupView): string {
  const rows: [string, string][] = [
    ...Object.entries(own).map(([key, value]): [string, string] => [key, valueWords(value)]),
    ...(hasPassword ? ([["password", "set"]] as [string, string][]) : []),
    ...Object.entries(values).map(([key, value]): [string, string] => [`value.${key}`, value]),
    ["nodes", nodes.length === 0 ? `none: bramble group join ${name} NODE…` : foldHostlist(nodes)],
  ];
  const title = about === undefined ? pc.bold(name) : `${pc.bold(name)}  ${pc.dim(about)}`;
  return [title, ...rows.map(([key, value]) => `  ${pc.dim(key)}  ${value}`)].join("\n");
}

export const labelsShown = (labels: Readonly<Record<string, string>>): string => labelWords({ ...labels });
