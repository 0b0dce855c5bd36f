import type { Command } from "commander";
import pc from "picocolors";
import type { Calls, NodeSettingsPatch, NodeView } from "../../api/contract.ts";
import type { NodeSettingsView } from "../../api/model-contract.ts";
import type { Guard, VolumeSpec } from "../../fleet/disk-settings.ts";
import { externalWords } from "../../fleet/nfs-root.ts";
import { placeWords } from "../../fleet/places.ts";
import { bootWords } from "./boots.ts";
import { labelCommands, labelsShown } from "./groups.ts";
import { orNull, type SettingOptions, settings, settingsPatch } from "./node-settings.ts";
import { ago, bytes, show, table } from "./print.ts";
import { seedCommand } from "./profiles.ts";
import { manyWords, nodesMeant, type SelectOptions, selecting, someOrAll } from "./select.ts";
import { type GlobalOptions, globals, withCommands } from "./session.ts";
import { addValue } from "./template-options.ts";

export function nodeCommands(program: Command): void {
  const node = program.command("node").description("the boards: what they are, what they boot");

  selecting(node.command("list [nodes...]").description("all nodes, or some, with their last boot")).action(
    async (names: string[], given: SelectOptions, command: Command) => {
      const options = globals(command);
      const select = someOrAll(names, given);
      const nodes = await withCommands(options, (commands) => commands.nodes(select));
      show(options.output, nodes, () =>
        nodes.length === 0
          ? select.select !== undefined
            ? "No node fits."
            : "No nodes yet: a board appears here when it first asks for an address."
          : table(
              ["NAME", "MODEL", "SERIAL", "MAC", "ADDRESS", "STATE", "IMAGE", "ROOT", "LAST BOOT"],
              nodes.map((n) => [
                n.name,
                n.model ?? "?",
                n.serial ?? "-",
                n.mac ?? "-",
                n.boot?.address ?? n.address ?? "-",
                n.state,
                n.image ?? "-",
                n.root,
                bootWords(n.boot),
              ]),
            ),
      );
    },
  );

  node
    .command("show <node>")
    .description("one node, and where its settings come from")
    .action(async (name: string, _, command: Command) => {
      const options = globals(command);
      const [one, told] = await withCommands(
        options,
        async (commands) =>
          [await commands.node({ node: name }), await commands.nodeSettings({ node: name })] as const,
      );
      show(options.output, one, () => nodeLines(one, told));
    });

  selecting(
    settings(
      node
        .command("set [nodes...]")
        .description(
          "settings of nodes: one, pi[01-30], or -l; `-` takes one back to the group's or profile's",
        ),
    ),
  )
    .option("--name <name>", "host name")
    .option("--profile <profile>", "profile that gives what is not set here")
    .option("--address <ip>", "fixed address in full DHCP mode")
    .option("--group <group>", "group that gives what is not set here, before the profile")
    .option("--management <ip>", "address of its management interface, such as a BMC")
    .option("--management-mac <mac>", "by which DHCP knows that interface")
    .option("--value <name=text>", "what templates call value.NAME; repeat for more", addValue)
    .action(async (names: string[], given: NodeOptions, command: Command) => {
      const options = globals(command);
      const patch: NodeSettingsPatch = settingsPatch(given);
      if (given.group !== undefined) patch.group = orNull(given.group);
      if (given.management !== undefined) patch.management = orNull(given.management);
      if (given.managementMac !== undefined) patch.managementMac = orNull(given.managementMac);
      if (given.value !== undefined) patch.values = given.value;
      if (given.name !== undefined) patch.name = given.name;
      if (given.profile !== undefined) patch.profile = given.profile;
      if (given.address !== undefined) patch.address = orNull(given.address);
      await withCommands(options, async (commands) => {
        const nodes = await nodesMeant(commands, names, given);
        const set: NodeView[] = [];
        for (const name of nodes) set.push(await commands.setNode({ node: name, patch }));
        const [one] = set;
        const told = set.length === 1 && one ? await commands.nodeSettings({ node: one.name }) : undefined;
        show(options.output, told ? one : set, () =>
          one && told ? nodeLines(one, told) : manyWords(nodes, "are set, from their next boot on"),
        );
      });
    });

  selecting(
    node.command("enrol [nodes...]").alias("enroll").description("let boards that were heard boot from us"),
  ).action(async (names: string[], given: SelectOptions, command: Command) => {
    const options = globals(command);
    const all = await eachNode(options, names, given, (commands, name) => commands.enrolNode({ node: name }));
    show(options.output, oneOrAll(all), () =>
      wordsOf(all, (one) =>
        one.state === "deployed"
          ? `${one.name} is enrolled: it gets its clone at its next boot.`
          : `${one.name} is ${one.state}.`,
      ),
    );
  });

  selecting(
    node
      .command("forget [nodes...]")
      .description("remove nodes, their clones and their history; their volumes stay"),
  ).action(async (names: string[], given: SelectOptions, command: Command) => {
    const options = globals(command);
    const all = await eachNode(options, names, given, (commands, name) =>
      commands.forgetNode({ node: name }),
    );
    show(options.output, oneOrAll(all), () =>
      wordsOf(all, (gone) =>
        gone.volumes.length === 0
          ? `${gone.name} is forgotten.`
          : `${gone.name} is forgotten. Its volumes stay, attached to none: ${gone.volumes.join(", ")}`,
      ),
    );
  });

  labelCommands(node);

  node
    .command("tree <node>")
    .description("what this board would get, file by file, and why")
    .option("--model <model>", "as if it were another model: 3b, 3b+, 4b, 5, cm4, …")
    .option("--file <path>", "print one file of it instead")
    .action(async (name: string, given: { model?: string; file?: string }, command: Command) => {
      const options = globals(command);
      if (given.file !== undefined) {
        const path = given.file;
        const file = await withCommands(options, (commands) => commands.nodeFile({ node: name, path }));
        process.stdout.write(Buffer.from(file.base64, "base64"));
        return;
      }
      const tree = await withCommands(options, (commands) =>
        commands.nodeTree({ node: name, ...(given.model && { model: given.model }) }),
      );
      show(options.output, tree, () => {
        const rows = tree.files.map((file) => [
          file.origin ? file.path : pc.red(file.path),
          file.size === undefined ? "-" : bytes(file.size),
          file.origin
            ? file.origin.from === "clone"
              ? "its own disk"
              : file.origin.from === "firmware"
                ? `firmware ${file.origin.name}`
                : "generated"
            : file.needed
              ? pc.red("missing")
              : "absent",
          file.origin?.from === "generated" ? file.origin.why : file.why,
        ]);
        return [
          `${pc.bold(tree.node)} as a Pi ${tree.model}, over ${tree.image}`,
          table(["FILE", "SIZE", "FROM", "WHY"], rows),
          ...tree.changes.map((words) => pc.dim(`· ${words}`)),
          ...tree.notes.map((n) => pc.dim(`· config.txt line ${n.line}: ${n.text}: ${n.why}`)),
          tree.missing.length > 0
            ? pc.red(
                `It will not boot: ${tree.missing.join(", ")} ${tree.missing.length > 1 ? "are" : "is"} missing.`,
              )
            : pc.green(`Everything it needs is there; the kernel is ${tree.kernel}.`),
        ].join("\n");
      });
    });

  seedCommand(node);

  program
    .command("enrol <rule...>")
    .description("who may boot unasked: auto, ask, or patterns such as model=4B,serial=10*")
    .action(async (rule: string[], _, command: Command) => {
      const options = globals(command);
      const set = await withCommands(options, (commands) => commands.setEnrol({ rule: rule.join(" ") }));
      show(options.output, set, () => `enrolment: ${set.rule}`);
    });
}

interface NodeOptions extends SettingOptions, SelectOptions {
  group?: string;
  management?: string;
  managementMac?: string;
  value?: Record<string, string | null>;
}

/** The same for each node, one after the other; the first that is refused ends it. */
const eachNode = <T>(
  options: GlobalOptions,
  names: readonly string[],
  given: SelectOptions,
  work: (commands: Calls, name: string) => Promise<T>,
): Promise<T[]> =>
  withCommands(options, async (commands) => {
    const done: T[] = [];
    for (const name of await nodesMeant(commands, names, given)) done.push(await work(commands, name));
    return done;
  });

const oneOrAll = <T>(all: readonly T[]): T | readonly T[] => (all.length === 1 && all[0] ? all[0] : all);
const wordsOf = <T>(all: readonly T[], words: (one: T) => string): string =>
  all.length === 0 ? "No node fits." : all.map(words).join("\n");

function nodeLines(node: NodeView, { settings: told }: NodeSettingsView): string {
  const own = (name: string, key: string) => {
    const from = told.find((one) => one.name === key)?.from ?? `profile ${node.profile}`;
    return from === "node" ? name : `${name} ${pc.dim(`(${from})`)}`;
  };
  const rows: [string, string | undefined][] = [
    ["state", node.state],
    [
      "model",
      node.model && `Pi ${node.model}${node.revision ? `, revision ${node.revision.toString(16)}` : ""}`,
    ],
    ["serial", node.serial],
    ["mac", node.mac],
    ["image", own(node.image ?? "none", "image")],
    ["root", own(node.root, "root")],
    ["external", node.external && own(externalWords(node.external), "external")],
    ["nfs boot", node.nfsBoot && own(node.nfsBoot, "nfsBoot")],
    ["nfs durability", node.nfsDurability && own(node.nfsDurability, "nfsDurability")],
    ["firmware", node.firmware && own(node.firmware, "firmware")],
    ["address", node.boot?.address ?? node.address],
    ["planned address", node.address && fromWords(node.address, node.addressFrom)],
    ["management", node.management],
    ["group", node.group],
    ["place", placeWords(node.place) || undefined],
    ["labels", labelsShown(node.labels) || undefined],
    ["user", node.user && own(`${node.user}${node.hasPassword ? ", with a password" : ""}`, "user")],
    ["ssh keys", String(node.sshKeys)],
    ["clone", node.ephemeral ? own("a fresh one at every boot", "ephemeral") : undefined],
    ["quota", node.quota === undefined ? undefined : own(bytes(node.quota), "quota")],
    ["guard", node.guard && own(guardWords(node.guard), "guard")],
    ...node.volumes.map((one): [string, string] => ["volume", volumeWords(one)]),
    ["heard", ago(node.lastSeenMs)],
    ["last boot", bootWords(node.boot)],
    ["verdict", node.boot?.verdict],
  ];
  const shown = rows.flatMap(([key, value]) => (value ? [[pc.dim(key), value]] : []));
  return `${pc.bold(node.name)}\n${shown.map(([key, value]) => `  ${key}  ${value}`).join("\n")}`;
}

const fromWords = (address: string, from: string | undefined): string =>
  from === undefined || from === "node" ? address : `${address} ${pc.dim(`(${from})`)}`;

const guardWords = ({ shutdown, down }: Guard): string =>
  `reset after ${shutdown === 0 ? "no time" : `${shutdown} s`} without its disk while it shuts down, ${down === 0 ? "never" : `after ${down} s`} else`;

const volumeWords = ({ name, size, fstype, mountpoint }: VolumeSpec): string =>
  `${name}, ${bytes(size)}, ${fstype}${mountpoint ? ` at ${mountpoint}` : ""}`;
