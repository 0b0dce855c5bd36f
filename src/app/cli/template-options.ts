import { readFileSync, statSync } from "node:fs";
import { type Command, InvalidArgumentError, Option } from "commander";
import type { TemplatesPatch } from "../../api/profile-contract.ts";
import { orNull } from "./node-settings.ts";

/** Of a file; null for "-", which commander makes "" of where it stands alone. */
interface Text {
  text: string | null;
}
/** The same of files on the node. */
interface Files {
  files: NonNullable<TemplatesPatch["files"]> | null;
}

export interface TemplateOptions {
  userData?: Text;
  metaData?: Text;
  networkConfig?: Text;
  ipxe?: Text;
  file?: Files;
  package?: string[];
  command?: string[];
  cmdline?: string[];
  config?: string[];
  value?: Record<string, string | null>;
  cluster?: "on" | "off";
}

/** Adds what profiles have beyond settings: texts for the node, templates all of them. */
export function templateOptions(command: Command): Command {
  return command
    .option("--user-data <file>", "cloud-init's user-data, a template", textOf)
    .option("--meta-data <file>", "more lines for its meta-data", textOf)
    .option("--network-config <file>", "in place of leaving the network as it is", textOf)
    .option("--ipxe <file>", "what iPXE loads: a script that begins with #!ipxe, a template", textOf)
    .option(
      "--file <path=file>",
      "a file on the node, a template; repeat for more; PATH=- takes it away",
      addFile,
    )
    .option("--package <name>", "package to install once; repeat for more", collect)
    .option("--command <line>", "shell line to run once, as root; repeat for more", collect)
    .option("--cmdline <word>", "word for the kernel's command line; repeat for more", collect)
    .option("--config <line>", "line for config.txt; repeat for more", collect)
    .option(
      "--value <name=text>",
      "what templates call value.NAME; repeat for more; NAME=- takes it away",
      addValue,
    )
    .addOption(new Option("--cluster <on|off>", "its nodes form one cluster").choices(["on", "off"]));
}

export function templatesPatch(given: TemplateOptions): TemplatesPatch {
  const { userData, metaData, networkConfig, ipxe, file, value, cluster } = given;
  const lists = {
    ...(given.package && { packages: given.package }),
    ...(given.command && { commands: given.command }),
    ...(given.cmdline && { cmdline: given.cmdline }),
    ...(given.config && { config: given.config }),
  };
  return {
    ...(userData && { userData: userData.text }),
    ...(metaData && { metaData: metaData.text }),
    ...(networkConfig && { networkConfig: networkConfig.text }),
    ...(ipxe && { ipxe: ipxe.text }),
    ...(file && { files: file.files }),
    ...(value !== undefined && { values: value }),
    ...(cluster !== undefined && { cluster: cluster === "on" }),
    ...lists,
  };
}

const textOf = (path: string): Text => ({ text: orNull(path) === null ? null : readText(path) });

function readText(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    throw new InvalidArgumentError(`${path}: ${(error as Error).message}`);
  }
}

/** "-" alone empties the list. */
const collect = (value: string, before: string[] | undefined): string[] =>
  value === "-" ? [] : [...(before ?? []), value];

function addFile(value: string, before: Files | undefined): Files {
  if (value === "-") return { files: null };
  const at = value.indexOf("=");
  if (at <= 0) throw new InvalidArgumentError("PATH=FILE: the path on the node, and a file here");
  const [path, from] = [value.slice(0, at), value.slice(at + 1)];
  const text = from === "-" ? null : readText(from);
  const mode = text === null ? 0 : statSync(from).mode & 0o777;
  return { files: [...(before?.files ?? []), { path, mode, text }] };
}

/** "NAME=TEXT", more than once; "NAME=-" takes one away. */
export function addValue(value: string, before: Record<string, string | null> | undefined) {
  const at = value.indexOf("=");
  if (at <= 0) throw new InvalidArgumentError("NAME=TEXT");
  return { ...before, [value.slice(0, at)]: orNull(value.slice(at + 1)) };
}
