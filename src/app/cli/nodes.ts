import { readFileSync } from "node:fs";
import { type Command, InvalidArgumentError, Option } from "commander";
import pc from "picocolors";
import type { BootDetail, BootView, NodeSettingsPatch, NodeView } from "../../api/contract.ts";
import { ROOT_MODES } from "../../fleet/node.ts";
import { ago, bytes, clock, show, table } from "./print.ts";
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
      show(options.output, one, () => `${one.name} is enrolled: it gets its clone at its next boot.`);
    });

  node
    .command("forget <node>")
    .description("remove a node, its clone and its history")
    .action(async (name: string, _, command: Command) => {
      const options = globals(command);
      const gone = await withCommands(options, (commands) => commands.forgetNode({ node: name }));
      show(options.output, gone, () => `${gone.name} is forgotten.`);
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

  settings(
    program
      .command("profile")
      .description("profiles: what nodes get that have no setting of their own")
      .command("set [profile]")
      .description("settings of a profile (default: the one called default)"),
  ).action(async (name: string | undefined, given: SettingOptions, command: Command) => {
    const options = globals(command);
    const patch = settingsPatch(given);
    const one = await withCommands(options, (commands) =>
      commands.setProfile({ profile: name ?? "default", patch }),
    );
    show(
      options.output,
      one,
      () => `profile ${one.name}: image ${one.image ?? "none"}, root ${one.root}, user ${one.user ?? "none"}`,
    );
  });

  program
    .command("enrol <rule...>")
    .description("who may boot unasked: auto, ask, or patterns such as model=4B,serial=10*")
    .action(async (rule: string[], _, command: Command) => {
      const options = globals(command);
      const set = await withCommands(options, (commands) => commands.setEnrol({ rule: rule.join(" ") }));
      show(options.output, set, () => `enrolment: ${set.rule}`);
    });

  const boot = program.command("boot").description("boots, newest first");
  boot
    .command("list [node]")
    .option("-n, --limit <count>", "how many", "20")
    .action(async (name: string | undefined, given: { limit: string }, command: Command) => {
      const options = globals(command);
      const boots = await withCommands(options, (commands) =>
        commands.boots({ limit: Number(given.limit), ...(name && { node: name }) }),
      );
      show(options.output, boots, () =>
        table(
          ["BOOT", "NODE", "WHEN", "TOOK", "REACHED", "OUTCOME", "IMAGE"],
          boots.map((b) => [b.id, b.node, clock(b.startedMs), took(b), b.stage, outcome(b), b.image ?? "-"]),
        ),
      );
    });
  boot.command("show <boot>").action(async (id: string, _, command: Command) => {
    const options = globals(command);
    const one = await withCommands(options, (commands) => commands.boot({ boot: id }));
    show(options.output, one, () => timeline(one));
  });

  program
    .command("explain <node>")
    .description("the last boot of a node as a timeline, with a verdict")
    .action(async (name: string, _, command: Command) => {
      const options = globals(command);
      const told = await withCommands(options, (commands) => commands.explain({ node: name }));
      show(options.output, told, () => {
        const since = told.boot?.startedMs ?? 0;
        const events = told.events.filter((event) => event.atMs >= since).slice(-12);
        return [
          told.boot ? timeline(told.boot) : `${told.node.name} has not tried to boot yet.`,
          ...(events.length > 0 ? [pc.dim("events:")] : []),
          ...events.map((event) => pc.dim(`  ${clock(event.atMs)}  ${event.words}`)),
        ].join("\n");
      });
    });

  program
    .command("event")
    .description("what was decided, and why")
    .command("list [node]")
    .option("-n, --limit <count>", "how many", "50")
    .action(async (name: string | undefined, given: { limit: string }, command: Command) => {
      const options = globals(command);
      const events = await withCommands(options, (commands) =>
        commands.events({ limit: Number(given.limit), ...(name && { node: name }) }),
      );
      show(options.output, events, () =>
        table(
          ["WHEN", "NODE", "KIND", "WHAT"],
          events.map((e) => [clock(e.atMs), e.node ?? "-", e.kind, e.words]),
        ),
      );
    });
}

interface SettingOptions {
  image?: string;
  root?: string;
  firmware?: string;
  user?: string;
  passwordHash?: string;
  sshKey?: string[];
  name?: string;
  profile?: string;
  address?: string;
}

function settings(command: Command): Command {
  return command
    .option("--image <name:version>", "image to clone")
    .addOption(new Option("--root <mode>", "where the root lives").choices([...ROOT_MODES, "-"]))
    .option("--firmware <name:version>", "boot files laid under the image's own")
    .option("--user <name>", "user to make on the node")
    .option("--password-hash <hash>", "its password as crypt(3) hash: openssl passwd -6")
    .option("--ssh-key <key or file>", "public key that may log in; repeat for more", collectKey);
}

function collectKey(value: string, before: string[] | undefined): string[] {
  if (value === "-") return [];
  if (value.includes(" ")) return [...(before ?? []), value.trim()];
  let text: string;
  try {
    text = readFileSync(value, "utf8");
  } catch (error) {
    throw new InvalidArgumentError(`${value}: ${(error as Error).message}`);
  }
  return [
    ...(before ?? []),
    ...text
      .split("\n")
      .map((line) => line.trim())
      .filter((line) => line !== ""),
  ];
}

const orNull = (value: string): string | null => (value === "-" ? null : value);

function settingsPatch(given: SettingOptions): NodeSettingsPatch {
  return {
    ...(given.image !== undefined && { image: orNull(given.image) }),
    ...(given.root !== undefined && {
      root: orNull(given.root) as NonNullable<NodeSettingsPatch["root"]> | null,
    }),
    ...(given.firmware !== undefined && { firmware: orNull(given.firmware) }),
    ...(given.user !== undefined && { user: orNull(given.user) }),
    ...(given.passwordHash !== undefined && { passwordHash: orNull(given.passwordHash) }),
    ...(given.sshKey !== undefined && { sshKeys: given.sshKey.length > 0 ? given.sshKey : null }),
  };
}

const outcome = (boot: BootView): string =>
  boot.outcome === undefined
    ? pc.cyan("on its way")
    : boot.outcome === "failed"
      ? pc.red("failed")
      : boot.outcome === "superseded" || boot.outcome === "stopped"
        ? pc.yellow(boot.outcome)
        : pc.green(boot.outcome);

const bootWords = (boot: BootView | undefined): string =>
  boot ? `${outcome(boot)} ${ago(boot.startedMs)}` : "-";

const took = (boot: BootView): string =>
  boot.endedMs === undefined ? "-" : `${((boot.endedMs - boot.startedMs) / 1000).toFixed(1)} s`;

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
    ["heard", ago(node.lastSeenMs)],
    ["last boot", bootWords(node.boot)],
    ["verdict", node.boot?.verdict],
  ];
  const shown = rows.flatMap(([key, value]) => (value ? [[pc.dim(key), value]] : []));
  return `${pc.bold(node.name)}\n${shown.map(([key, value]) => `  ${key}  ${value}`).join("\n")}`;
}

/** A boot for people: when, how long after the start, what, and where a file came from. */
export function timeline(boot: BootDetail): string {
  const rows = boot.steps.map((step) => {
    const since = `+${((step.atMs - boot.startedMs) / 1000).toFixed(2)}`;
    const file =
      step.path === undefined
        ? step.words
        : `${step.path}  ${step.result === "sent" ? bytes(step.bytes ?? 0) : (step.result ?? "")}${step.tookMs === undefined ? "" : ` in ${Math.round(step.tookMs)} ms`}`;
    const colour =
      step.result === "missing" ? pc.dim : step.result === "broken" ? pc.red : (text: string) => text;
    return [pc.dim(since), step.kind, colour(file), pc.dim(step.origin ?? "")];
  });
  return [
    `${pc.bold(boot.node)}  boot ${boot.id}  ${clock(boot.startedMs)}  ${outcome(boot)}  (${boot.image ?? "no image"}, root ${boot.root ?? "?"})`,
    table(["s", "FROM", "WHAT", ""], rows),
    boot.verdict ? `${pc.bold("Verdict:")} ${boot.verdict}` : pc.cyan(`It has reached: ${boot.stage}.`),
  ].join("\n");
}
