// What a profile gives its nodes beside an image: templates, and what they are made from. Rendering is passed in.
import { BrambleError } from "../base/errors.ts";
import { foreignWord } from "./cmdline.ts";
import type { Render, TemplateKind, TemplateValues } from "./template-values.ts";

export interface ProfileFile {
  /** Absolute, on the node. */
  path: string;
  mode: number;
  text: string;
}

/** Every text in here is a template. */
export interface ProfileTemplates {
  /** cloud-init's: `#cloud-config`, or any other form that it knows. */
  userData?: string;
  /** More lines of YAML for meta-data. */
  metaData?: string;
  /** In place of "leave the network as the agent made it". */
  networkConfig?: string;
  /** What iPXE of a node is given: a script that begins with `#!ipxe`. */
  ipxe?: string;
  files: ProfileFile[];
  packages: string[];
  /** Lines for `sh -c`, as root. */
  commands: string[];
  /** Words of the kernel's command line. */
  cmdline: string[];
  /** Lines of config.txt. */
  config: string[];
  /** What templates call `value.NAME`; null: to be given before a node can boot. */
  values: Record<string, string | null>;
  /** Its nodes form one cluster: the first makes it, the others are given its join token. */
  cluster: boolean;
}

export const NO_TEMPLATES: ProfileTemplates = {
  files: [],
  packages: [],
  commands: [],
  cmdline: [],
  config: [],
  values: {},
  cluster: false,
};

/** What a node's seed is made of. */
export interface RenderedSeed {
  userData?: string;
  metaData?: string;
  networkConfig?: string;
  files: ProfileFile[];
  packages: string[];
  commands: string[];
}

const MOST_ENTRIES = 200;
const MOST_CHARACTERS = 1 << 20;
/** Firmware reads no more of a line (config.txt documentation). */
const CONFIG_LINE = 98;
const PACKAGE = /^[A-Za-z0-9][A-Za-z0-9+._:=~-]*$/;
const NAME = /^[a-z][a-z0-9_]{0,62}$/;
/** Lines of config.txt that would load another system than the one that we serve. */
const STEERING =
  /^\s*(initramfs\b|ramfsfile|ramfsaddr|os_prefix|cmdline\s*=|include\b|kernel_address|boot_partition)/;

const bad = (what: string, hint?: string) =>
  new BrambleError("BAD_INPUT", what, hint === undefined ? {} : { hint });

/** Names of values and secrets; throws BAD_INPUT. */
export function checkName(what: string, name: string): void {
  if (!NAME.test(name))
    throw bad(`a ${what} cannot be called ${name}`, "lower-case letters, digits and _, first a letter");
}

/** What can be said without a node; throws BAD_INPUT. */
export function checkTemplates(templates: ProfileTemplates): void {
  const { files, packages, commands, cmdline, config, values } = templates;
  for (const { path, mode } of files) {
    const parts = path.split("/").slice(1);
    if (
      !path.startsWith("/") ||
      parts.some((part) => part === "" || part === "." || part === "..") ||
      /[\0\n]/.test(path)
    )
      throw bad(
        `${JSON.stringify(path)} is no path of a file`,
        "a whole path on the node, such as /etc/motd",
      );
    if (["proc", "sys", "dev", "run", "tmp", "boot"].includes(parts[0] ?? ""))
      throw bad(
        `${path}: what is below /${parts[0]} is made anew at each boot, or is not the root's`,
        "another folder, such as /etc or /usr/local",
      );
    if (!Number.isInteger(mode) || mode < 0 || mode > 0o7777) throw bad(`${path}: ${mode} is no file mode`);
  }
  if (templates.ipxe !== undefined && !/^#!ipxe\s/.test(templates.ipxe))
    throw bad("an iPXE script begins with a line #!ipxe: without it iPXE does not take it for one");
  for (const name of Object.keys(values)) checkName("value", name);
  const entries = [files, packages, commands, cmdline, config, Object.keys(values)];
  if (entries.some((list) => list.length > MOST_ENTRIES))
    throw bad(
      `a profile has at most ${MOST_ENTRIES} files, packages, commands, words, lines and values each`,
    );
  if (new Set(files.map(({ path }) => path)).size < files.length) throw bad("a profile has each file once");
  if (JSON.stringify(templates).length > MOST_CHARACTERS)
    throw bad("the profile's templates are larger than 1 MiB", "have the node fetch what is large");
}

/** Scripts take a shell's quotes, YAML takes JSON's, other files either. */
export function kindOf(text: string, path = ""): TemplateKind {
  if (text.startsWith("#!")) return "shell";
  return /\.(ya?ml|json)$/.test(path) || text.startsWith("#cloud-config") ? "yaml" : "text";
}

/** Throws TEMPLATE_BAD. Secrets are in `values` here: what comes out goes to the node's own session only. */
export function renderSeed(
  templates: ProfileTemplates,
  values: TemplateValues,
  render: Render,
): RenderedSeed {
  const { userData, metaData, networkConfig } = templates;
  const yaml = (name: string, text: string | undefined) =>
    text === undefined ? undefined : render({ name, text, kind: "yaml" }, values);
  const user =
    userData === undefined
      ? undefined
      : render(
          { name: "user-data", text: userData, kind: userData.startsWith("#!") ? "shell" : "yaml" },
          values,
        );
  const meta = yaml("meta-data", metaData);
  if (meta !== undefined && /^["']?(instance-id|local-hostname)["']?\s*:/m.test(meta))
    throw new BrambleError(
      "TEMPLATE_BAD",
      "meta-data:1:1: instance-id and local-hostname are the server's to set",
    );
  const network = yaml("network-config", networkConfig);
  return {
    files: templates.files.map((file) => {
      const template = { name: `file ${file.path}`, text: file.text, kind: kindOf(file.text, file.path) };
      return { ...file, text: render(template, values) };
    }),
    packages: rendered("package", templates.packages, "words", values, render).map((name, i) => {
      if (PACKAGE.test(name)) return name;
      throw new BrambleError("TEMPLATE_BAD", `package ${i + 1}:1:1: that is no name of a package`);
    }),
    commands: rendered("command", templates.commands, "shell", values, render),
    ...(user !== undefined && { userData: user }),
    ...(meta !== undefined && { metaData: meta }),
    ...(network !== undefined && { networkConfig: network }),
  };
}

/** What a profile adds to a node's boot files. */
export interface BootLines {
  cmdline: string[];
  config: string[];
  ipxe?: string;
}

/** What goes into boot files, which anybody on the network can read: `values` must hold no secret. Throws TEMPLATE_BAD. */
export function renderBootLines(
  templates: ProfileTemplates,
  values: TemplateValues,
  render: Render,
): BootLines {
  const cmdline = rendered("cmdline", templates.cmdline, "words", values, render).flatMap((text) =>
    text.split(/\s+/).filter((word) => word !== ""),
  );
  for (const word of cmdline) {
    const why = foreignWord(word);
    if (why) throw new BrambleError("TEMPLATE_BAD", `cmdline:1:1: ${word} cannot be set here: ${why}`);
  }
  const config = rendered("config.txt line", templates.config, "words", values, render);
  config.forEach((line, i) => {
    const at = `config.txt line ${i + 1}:1`;
    if (/[\r\n]/.test(line)) throw new BrambleError("TEMPLATE_BAD", `${at}:1: it is more than one line`);
    if (line.length > CONFIG_LINE)
      throw new BrambleError(
        "TEMPLATE_BAD",
        `${at}:${CONFIG_LINE + 1}: firmware reads no further than ${CONFIG_LINE} characters`,
      );
    if (STEERING.test(line))
      throw new BrambleError(
        "TEMPLATE_BAD",
        `${at}:1: it would have the firmware load something else than this node's system`,
      );
  });
  const ipxe =
    templates.ipxe === undefined
      ? undefined
      : render({ name: "ipxe", text: templates.ipxe, kind: "words" }, values);
  return { cmdline, config, ...(ipxe !== undefined && { ipxe }) };
}

/** Each entry by itself; one that becomes nothing is left out. */
const rendered = (
  what: string,
  texts: readonly string[],
  kind: TemplateKind,
  values: TemplateValues,
  render: Render,
): string[] =>
  texts
    .map((text, i) => render({ name: `${what} ${i + 1}`, text, kind }, values).trim())
    .filter((text) => text !== "");
