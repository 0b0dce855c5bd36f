import { type Command, InvalidArgumentError } from "commander";
import pc from "picocolors";
import type { PreviewBoard, PreviewView } from "../../api/profile-contract.ts";
import { parseLabels } from "../../fleet/labels.ts";
import { PLACE_KEYS, type Place } from "../../fleet/places.ts";
import { ago, show, table } from "./print.ts";
import { globals, withCommands } from "./session.ts";

interface PreviewOptions {
  node?: string;
  model?: string;
  name?: string;
  serial?: string;
  group?: string;
  address?: string;
  label?: string[];
  place?: Place;
  value?: Record<string, string | null>;
  number?: string;
  version?: string;
}

const collect = (word: string, before: string[] | undefined): string[] => [...(before ?? []), word];

function addPlace(text: string, before: Place | undefined): Place {
  const [key, value] = text.split("=", 2);
  const known = PLACE_KEYS.find((one) => one === key);
  if (!known || !value) throw new InvalidArgumentError(`KEY=NAME, with a KEY of ${PLACE_KEYS.join(", ")}`);
  return { ...before, [known]: value };
}

function addText(text: string, before: Record<string, string> | undefined): Record<string, string> {
  const at = text.indexOf("=");
  if (at <= 0) throw new InvalidArgumentError("NAME=TEXT");
  return { ...before, [text.slice(0, at)]: text.slice(at + 1) };
}

function numberOf(text: string): number {
  if (!/^\d{1,6}$/.test(text)) throw new InvalidArgumentError(`${text} is no number`);
  return Number(text);
}

/** `profile preview|history|rollback` */
export function versionCommands(profile: Command): void {
  profile
    .command("preview <profile>")
    .description("what its templates become for a node, or for a board that is not there; changes nothing")
    .option("--node <node>", "one of the nodes, whatever its own profile is")
    .option("--model <model>", "a board that is not there: 4B, 5, cm4 …")
    .option("--name <name>", "its host name")
    .option("--serial <serial>", "its serial")
    .option("--group <group>", "a group that it would be in")
    .option("--address <ip>", "its fixed address")
    .option("--label <key=value>", "a label; repeat for more", collect)
    .option("--place <key=name>", "rack=3, slot=1 …; repeat for more", addPlace)
    .option("--value <name=text>", "value.NAME of its own; repeat for more", addText)
    .option("--number <n>", "its number in the profile")
    .option("--version <n>", "a version of the templates that is no longer the newest")
    .action(async (name: string, given: PreviewOptions, command: Command) => {
      const options = globals(command);
      const board = boardOf(given);
      if (given.node !== undefined && Object.keys(board).length > 0)
        throw new InvalidArgumentError("--node, or options of a board that is not there: not both");
      const view = await withCommands(options, (commands) =>
        commands.previewProfile({
          profile: name,
          ...(given.node === undefined ? { board } : { node: given.node }),
          ...(given.version !== undefined && { version: numberOf(given.version) }),
        }),
      );
      show(options.output, view, () => previewLines(view));
      if (!view.ok) process.exitCode = 1;
    });

  profile
    .command("history <profile>")
    .description("the versions of its templates that are kept")
    .action(async (name: string, _, command: Command) => {
      const options = globals(command);
      const all = await withCommands(options, (commands) => commands.templateVersions({ profile: name }));
      show(options.output, all, () =>
        all.length === 0
          ? "It never had any templates."
          : table(
              ["VERSION", "WHEN", "BY", "WHAT"],
              all.map((one) => [
                one.current ? pc.bold(`${one.version} *`) : String(one.version),
                one.atMs === 0 ? "-" : ago(one.atMs),
                one.by,
                one.note,
              ]),
            ),
      );
    });

  profile
    .command("rollback <profile> <version>")
    .description("its templates as they were; nodes get them at their next boot")
    .action(async (name: string, version: string, _, command: Command) => {
      const options = globals(command);
      const to = numberOf(version);
      const one = await withCommands(options, (commands) =>
        commands.rollbackTemplates({ profile: name, version: to }),
      );
      show(
        options.output,
        one,
        () => `${name} has the templates of version ${to} again, as version ${one.templatesVersion}.`,
      );
    });
}

function boardOf(given: PreviewOptions): PreviewBoard {
  const { model, name, serial, group, address, label, place, value, number } = given;
  const labels = label && parseLabels(label);
  return {
    ...(model !== undefined && { model }),
    ...(name !== undefined && { name }),
    ...(serial !== undefined && { serial }),
    ...(group !== undefined && { group }),
    ...(address !== undefined && { address }),
    ...(labels && {
      labels: Object.fromEntries(Object.entries(labels).map(([key, text]) => [key, text ?? ""])),
    }),
    ...(place && { place }),
    ...(value && { values: value as Record<string, string> }),
    ...(number !== undefined && { number: numberOf(number) }),
  };
}

function previewLines({ profile, version, board, parts, ok }: PreviewView): string {
  return [
    `${pc.bold(profile)}, version ${version}, for ${board}`,
    ...parts.flatMap(({ part, text, error }) =>
      error
        ? [
            pc.red(`== ${part}:${error.line}:${error.column}: ${error.message}`),
            ...(error.hint ? [`${pc.dim("hint:")}  ${error.hint}`] : []),
          ]
        : [pc.bold(`== ${part}`), ...(text ? [text.trimEnd()] : [pc.dim("(nothing)")])],
    ),
    ...(parts.length === 0 ? ["It has no templates."] : []),
    ok ? pc.green("A board like this would be booted.") : pc.red("A board like this would not be booted."),
  ].join("\n");
}
