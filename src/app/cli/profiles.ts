import { text as readAll } from "node:stream/consumers";
import { isCancel, password } from "@clack/prompts";
import type { Command } from "commander";
import pc from "picocolors";
import type { ProfileDetail } from "../../api/profile-contract.ts";
import { BrambleError } from "../../base/errors.ts";
import { parseHostlist } from "../../fleet/select-hostlist.ts";
import { type SettingOptions, settings, settingsPatch } from "./node-settings.ts";
import { ago, show, table } from "./print.ts";
import { versionCommands } from "./profile-versions.ts";
import { nodesMeant, type SelectOptions } from "./select.ts";
import { globals, withCommands } from "./session.ts";
import { type TemplateOptions, templateOptions, templatesPatch } from "./template-options.ts";

export function profileCommands(program: Command): void {
  const profile = program
    .command("profile")
    .description("profiles: what nodes get that have no setting of their own");

  profile
    .command("list")
    .description("all profiles, and those that Bramble ships")
    .action(async (_, command: Command) => {
      const options = globals(command);
      const all = await withCommands(options, async (commands) => ({
        profiles: await commands.profiles({}),
        shipped: await commands.readyProfiles({}),
      }));
      show(options.output, all, () => {
        const rows = all.profiles.map((p) => [p.name, p.image ?? "-", p.root, p.user ?? "-"]);
        const names = all.profiles.map(({ name }) => name);
        const ready = all.shipped.filter(({ name }) => !names.includes(name));
        return [
          table(["NAME", "IMAGE", "ROOT", "USER"], rows),
          ...ready.map(({ name, about }) => pc.dim(`shipped, not in use: ${name}: ${about}`)),
        ].join("\n");
      });
    });

  profile
    .command("show <profile>")
    .description("one profile: settings, templates, names of its secrets, its nodes")
    .action(async (name: string, _, command: Command) => {
      const options = globals(command);
      const one = await withCommands(options, (commands) => commands.profile({ profile: name }));
      show(options.output, one, () => profileLines(one));
    });

  profile
    .command("add <profile>")
    .description("a new profile: as shipped where Bramble ships one of that name, else empty")
    .option("--from <profile>", "like another one, or like a shipped one")
    .action(async (name: string, given: { from?: string }, command: Command) => {
      await add(command, name, given.from);
    });

  profile
    .command("copy <from> <profile>")
    .description("a new profile like another one; secrets and cluster are not copied")
    .action(async (from: string, name: string, _, command: Command) => {
      await add(command, name, from);
    });

  templateOptions(
    settings(
      profile
        .command("set [profile]")
        .description("settings and templates of a profile (default: the one called default)"),
    ),
  ).action(async (name: string | undefined, given: SettingOptions & TemplateOptions, command: Command) => {
    const options = globals(command);
    const target = { profile: name ?? "default" };
    const patches = { settings: settingsPatch(given), templates: templatesPatch(given) };
    const one = await withCommands(options, async (commands) => {
      // templates first: they are what can be refused
      if (Object.keys(patches.templates).length > 0)
        await commands.setTemplates({ ...target, patch: patches.templates });
      if (Object.keys(patches.settings).length > 0)
        await commands.setProfile({ ...target, patch: patches.settings });
      return commands.profile(target);
    });
    show(options.output, one, () => profileLines(one));
  });

  profile
    .command("rm <profile>")
    .description("remove a profile that no node has, with its secrets")
    .action(async (name: string, _, command: Command) => {
      const options = globals(command);
      const gone = await withCommands(options, (commands) => commands.removeProfile({ profile: name }));
      show(options.output, gone, () => `profile ${gone.name} is removed.`);
    });

  profile
    .command("apply <profile> [nodes...]")
    .description(
      "set nodes to a profile, made as shipped if there is none; the first named is the first of its cluster",
    )
    .option("-l, --select <selector>", "the nodes that fit, in the order of their places")
    .action(async (name: string, names: string[], given: SelectOptions, command: Command) => {
      const options = globals(command);
      const done = await withCommands(options, async (commands) => {
        const nodes =
          given.select === undefined
            ? names.flatMap((one) => (one.includes("[") ? parseHostlist(one) : [one]))
            : await nodesMeant(commands, names, given);
        return commands.applyProfile({ profile: name, nodes });
      });
      show(options.output, done, () =>
        [
          ...(done.made ? [`profile ${name} was made as Bramble ships it`] : []),
          ...done.nodes.map(({ node, number, does }) => `${node} is number ${number}: ${does}`),
        ].join("\n"),
      );
    });

  profile
    .command("forget-cluster <profile>")
    .description(
      "the next boot of its first node makes a new cluster; nodes of the old one stay in it until they are reset",
    )
    .action(async (name: string, _, command: Command) => {
      const options = globals(command);
      const done = await withCommands(options, (commands) => commands.forgetCluster({ profile: name }));
      show(options.output, done, () => `the cluster of ${done.name} is forgotten.`);
    });

  versionCommands(profile);
  secretCommands(profile.command("secret").description("write-only values for templates: secret.NAME"));
}

function secretCommands(secret: Command): void {
  secret
    .command("set <profile> <name>")
    .description("from standard input, or asked for where that is a terminal")
    .action(async (name: string, what: string, _, command: Command) => {
      const options = globals(command);
      const value = await secretText(what);
      const set = await withCommands(options, (commands) =>
        commands.setSecret({ profile: name, name: what, value }),
      );
      show(options.output, set, () => `secret.${set.name} of profile ${name} is set.`);
    });
  secret
    .command("list <profile>")
    .description("names, and when each was set")
    .action(async (name: string, _, command: Command) => {
      const options = globals(command);
      const { secrets } = await withCommands(options, (commands) => commands.profile({ profile: name }));
      show(options.output, secrets, () =>
        secrets.length === 0
          ? "no secrets"
          : table(
              ["NAME", "SET"],
              secrets.map((one) => [one.name, ago(one.setMs)]),
            ),
      );
    });
  secret
    .command("rm <profile> <name>")
    .description("templates that print it fail from then on")
    .action(async (name: string, what: string, _, command: Command) => {
      const options = globals(command);
      const gone = await withCommands(options, (commands) =>
        commands.removeSecret({ profile: name, name: what }),
      );
      show(options.output, gone, () => `secret.${gone.name} is removed.`);
    });
}

/** `node seed NODE` */
export function seedCommand(node: Command): void {
  node
    .command("seed <node>")
    .description("the files that its profile would write into its root now; words stand where secrets are")
    .option("--cloud-init", "as for an image with cloud-init")
    .action(async (name: string, given: { cloudInit?: boolean }, command: Command) => {
      const options = globals(command);
      const seed = await withCommands(options, (commands) =>
        commands.nodeSeed({ node: name, ...(given.cloudInit && { cloudInit: true }) }),
      );
      show(options.output, seed, () =>
        [
          ...seed.files.flatMap(({ path, mode, text }) => [
            pc.bold(`== ${path} (${mode.toString(8)})`),
            text.trimEnd(),
          ]),
          ...(seed.cmdline.length > 0 ? [pc.bold("== cmdline.txt"), seed.cmdline.join(" ")] : []),
          ...(seed.config.length > 0 ? [pc.bold("== config.txt"), ...seed.config] : []),
        ].join("\n"),
      );
    });
}

async function add(command: Command, name: string, from: string | undefined): Promise<void> {
  const options = globals(command);
  const one = await withCommands(options, (commands) =>
    commands.addProfile({ profile: name, ...(from !== undefined && { from }) }),
  );
  show(options.output, one, () => profileLines(one));
}

/** Never an argument: those stand in every list of processes. */
async function secretText(name: string): Promise<string> {
  if (!process.stdin.isTTY) return (await readAll(process.stdin)).replace(/\r?\n$/, "");
  const answer = await password({ message: name });
  if (isCancel(answer)) throw new BrambleError("CANCELLED", "nothing was set");
  return answer;
}

function profileLines(one: ProfileDetail): string {
  const { templates: t, cluster } = one;
  const values = Object.entries(t.values).map(
    ([name, value]) => `${name}=${value ?? pc.red("(to be given)")}`,
  );
  const texts = [
    t.userData !== undefined && "user-data",
    t.metaData !== undefined && "meta-data",
    t.networkConfig !== undefined && "network-config",
    t.ipxe !== undefined && "ipxe",
  ].filter((name) => name !== false);
  const rows: [string, string | undefined][] = [
    ["image", one.image ?? "none"],
    ["root", one.root],
    ["nfs durability", one.nfsDurability],
    ["firmware", one.firmware],
    ["user", one.user && `${one.user}${one.hasPassword ? ", with a password" : ""}`],
    ["ssh keys", one.sshKeys > 0 ? String(one.sshKeys) : undefined],
    ["templates", one.templatesVersion > 0 ? `version ${one.templatesVersion}` : undefined],
    ["texts", texts.join(", ") || undefined],
    ["files", t.files.map(({ path }) => path).join(" ") || undefined],
    ["packages", t.packages.join(" ") || undefined],
    ...t.commands.map((line): [string, string] => ["command", line]),
    ["cmdline", t.cmdline.join(" ") || undefined],
    ...t.config.map((line): [string, string] => ["config.txt", line]),
    ["values", values.join(" ") || undefined],
    ["secrets", one.secrets.map(({ name }) => name).join(" ") || undefined],
    ["nodes", one.nodes.join(" ") || undefined],
    [
      "cluster",
      cluster
        ? `made by ${cluster.first}, joined at ${cluster.address}`
        : t.cluster
          ? "not made yet"
          : undefined,
    ],
  ];
  const shown = rows.flatMap(([key, value]) => (value ? [`  ${pc.dim(key)}  ${value}`] : []));
  return `${pc.bold(one.name)}\n${shown.join("\n")}`;
}
