import type { Command } from "commander";
import pc from "picocolors";
import type { NodeSettingsPatch, NodeView } from "../../api/contract.ts";
import type { Guard, VolumeSpec } from "../../fleet/disk-settings.ts";
import { bootWords } from "./boots.ts";
import { orNull, type SettingOptions, settings, settingsPatch } from "./node-settings.ts";
import { ago, bytes, show, table } from "./print.ts";
import { seedCommand } from "./profiles.ts";
import { globals, withCommands } from "./session.ts";

export function nodeCommands(program: Command): void {
  const node = program.command("node").description("the boards: what they are, what they boot");

  node
    .command("list")
    .description("all nodes, with their last boot")
    .action(async (_, command: Command) => {
      const options = globals(command);
      const nodes = await withCommands(options, (commands) => commands.nodes({}));
      show(options.output, nodes, () =>
        nodes.length === 0
          ? "No nodes yet: a board appears here when it first asks for an address."
          : table(
              ["NAME", "MODEL", "SERIAL", "MAC", "STATE", "IMAGE", "ROOT", "LAST BOOT"],
              nodes.map((n) => [
                n.name,
                n.model ?? "?",
                n.serial ?? "-",
                n.mac ?? "-",
                n.state,
                n.image ?? "-",
                n.root,
                bootWords(n.boot),
              ]),
            ),
      );
    });

  node
    .command("show <node>")
    .description("one node, and where its settings come from")
    .action(async (name: string, _, command: Command) => {
      const options = globals(command);
      const one = await withCommands(options, (commands) => commands.node({ node: name }));
      show(options.output, one, () => nodeLines(one));
    });

  settings(
    node.command("set <node>").description("settings of one node; `-` takes one back to its profile's"),
  )
    .option("--name <name>", "host name")
    .option("--profile <profile>", "profile that gives what is not set here")
    .option("--address <ip>", "fixed address in full DHCP mode")
    .action(async (name: string, given: SettingOptions, command: Command) => {
      const options = globals(command);
      const patch: NodeSettingsPatch = settingsPatch(given);
      if (given.name !== undefined) patch.name = given.name;
      if (given.profile !== undefined) patch.profile = given.profile;
      if (given.address !== undefined) patch.address = orNull(given.address);
      const one = await withCommands(options, (commands) => commands.setNode({ node: name, patch }));
      show(options.output, one, () => nodeLines(one));
    });

  node
    .command("enrol <node>")
    .alias("enroll")
    .description("let a board that was heard boot from us")
    .action(async (name: string, _, command: Command) => {
      const options = globals(command);
      const one = await withCommands(options, (commands) => commands.enrolNode({ node: name }));
      show(options.output, one, () =>
        one.state === "deployed"
          ? `${one.name} is enrolled: it gets its clone at its next boot.`
          : `${one.name} is ${one.state}.`,
      );
    });

  node
    .command("forget <node>")
    .description("remove a node, its clone and its history; its volumes stay")
    .action(async (name: string, _, command: Command) => {
      const options = globals(command);
      const gone = await withCommands(options, (commands) => commands.forgetNode({ node: name }));
      show(options.output, gone, () =>
        gone.volumes.length === 0
          ? `${gone.name} is forgotten.`
          : `${gone.name} is forgotten. Its volumes stay, attached to none: ${gone.volumes.join(", ")}`,
      );
    });

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

function nodeLines(node: NodeView): string {
  const own = (name: string, key: string) =>
    node.own.includes(key) ? name : `${name} ${pc.dim(`(profile ${node.profile})`)}`;
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
    ["firmware", node.firmware && own(node.firmware, "firmware")],
    ["address", node.address],
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

const guardWords = ({ shutdown, down }: Guard): string =>
  `reset after ${shutdown === 0 ? "no time" : `${shutdown} s`} without its disk while it shuts down, ${down === 0 ? "never" : `after ${down} s`} else`;

const volumeWords = ({ name, size, fstype, mountpoint }: VolumeSpec): string =>
  `${name}, ${bytes(size)}, ${fstype}${mountpoint ? ` at ${mountpoint}` : ""}`;
