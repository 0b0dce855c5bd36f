import type { Command } from "commander";
import { Option } from "commander";
import pc from "picocolors";
import type { Calls } from "../../api/contract.ts";
import type { LifeView, PolicyView } from "../../api/life-contract.ts";
import type { BrambleError } from "../../base/errors.ts";
import type { NodeAction } from "../../fleet/life-actions.ts";
import { ROOT_MODES, type RootMode } from "../../fleet/node.ts";
import { ago, clock, show, table } from "./print.ts";
import { nodesMeant, type SelectOptions, selecting } from "./select.ts";
import { fromHere, globals, withCommands } from "./session.ts";

interface ActOptions extends SelectOptions {
  image?: string;
  profile?: string;
  root?: RootMode;
  owner?: string;
  reason?: string;
  wait?: boolean;
}

/** Verbs of the life cycle: name, what it does, and what it takes beside a reason. */
const VERBS: [action: NodeAction, about: string, takes?: "what" | "owner"][] = [
  ["deploy", "give a node a fresh clone of its image, and boot it", "what"],
  ["reinstall", "drop a node's clone, with its snapshots, for a fresh one, and boot it", "what"],
  ["rescue", "boot a node into memory; none of its disks is opened to it"],
  ["unrescue", "boot a node that is in rescue from its own disk again"],
  ["release", "take a node from its owner: everything of it is revoked, dropped and looked at"],
  ["inspect", "let a node's agent tell what the board is, then clean it"],
  ["clean", "clean a node again"],
  ["abort", "end what is being done with a node: it fails"],
  ["mark-broken", "set a node aside"],
  ["repair", "take a node that is marked broken back, by inspection"],
  ["quarantine", "lock away a node that could not be cleaned"],
  ["accept", "take a node out of quarantine"],
  ["retire", "a node is not used any more; `node forget` removes it"],
  ["adopt", "keep what a node has, as deployed", "owner"],
  ["reserve", "keep a node that is ready for an owner", "owner"],
  ["unreserve", "give a reserved node back"],
];
const POLL_MS = 300;

/** Adds the verbs to `bramble node`, and `bramble policy`. */
export function lifeCommands(program: Command): void {
  const node = program.commands.find((one) => one.name() === "node") ?? program.command("node");
  for (const [action, about, takes] of VERBS) {
    const verb = selecting(node.command(`${action} [nodes...]`).description(about));
    verb.option("--reason <words>", "for the node's history");
    if (takes === "what") {
      verb.option("--image <name:version>", "image; from now on the node's");
      verb.option("--profile <profile>", "profile; from now on the node's");
      verb.addOption(new Option("--root <mode>", "root; from now on the node's").choices([...ROOT_MODES]));
      verb.option("--owner <name>", "for whom, in policy hosting");
    }
    if (takes === "owner") verb.option("--owner <name>", "for whom, in policy hosting");
    verb.option("--wait", "until the work is done; exit code 1 where it failed");
    verb.action(async (names: string[], { wait, select, ...given }: ActOptions, command: Command) => {
      await actEach(command, { names, ...(select !== undefined && { select }) }, async (commands, name) => {
        const first = await commands.actNode({ node: name, action, ...given }, fromHere());
        return { first, end: (running: boolean) => (wait && running ? waited(commands, first) : first) };
      });
    });
  }

  node
    .command("life <node>")
    .description("a node's state, what may be asked of it, what it boots next, and what is still to be done")
    .option("--history", "everything that ever happened to its state")
    .action(async (name: string, given: { history?: boolean }, command: Command) => {
      if (!given.history) return act(command, (commands) => commands.life({ node: name }, fromHere()));
      const options = globals(command);
      const rows = await withCommands(options, (commands) =>
        commands.lifeHistory({ node: name, limit: 1000 }, fromHere()),
      );
      show(options.output, rows, () =>
        table(
          ["VERSION", "WHEN", "WHAT"],
          rows.map(({ version, atMs, words }) => [String(version), clock(atMs), words]),
        ),
      );
    });

  node
    .command("maintenance <node>")
    .description("nothing is done to a node by itself until --off; what people ask for is done")
    .option("--reason <words>", "why", "no reason was given")
    .option("--off", "it is over")
    .action(async (name: string, given: { reason: string; off?: boolean }, command: Command) => {
      const reason = given.off ? null : given.reason;
      await act(command, (commands) => commands.setMaintenance({ node: name, reason }, fromHere()));
    });

  node
    .command("next-boot <node> <what>")
    .description(
      "what a node boots next instead of its own system: rescue, ram or custom; none takes it back",
    )
    .option("--image <name:version>", "custom: this image, in memory")
    .option("--profile <profile>", "custom: as this profile says, in memory")
    .option("--disks", "rescue: open the node's disks to it, unmounted")
    .option("--always", "at every boot until it is taken back")
    .action(async (name: string, what: string, given: NextBootOptions, command: Command) => {
      const boot = what === "none" ? null : (what as "rescue" | "ram" | "custom");
      await act(command, (commands) => commands.setNextBoot({ node: name, boot, ...given }, fromHere()));
    });

  node
    .command("allocate")
    .description("reserve any node that is ready")
    .option("-l, --select <selector>", "among these, e.g. rack=3")
    .option("--owner <name>", "for whom")
    .option("--reason <words>", "for the node's history")
    .action(async (given: { select?: string; owner?: string; reason?: string }, command: Command) => {
      await act(command, (commands) => commands.allocateNode(given, fromHere()));
    });

  policyCommand(program);
}

interface NextBootOptions {
  image?: string;
  profile?: string;
  disks?: boolean;
  always?: boolean;
}

async function act(
  command: Command,
  call: (commands: Calls, running: boolean) => Promise<LifeView>,
): Promise<void> {
  const options = globals(command);
  const life = await withCommands(options, call);
  show(options.output, life, () => lifeLines(life));
  if (command.opts()["wait"] === true && life.kind === "fail") process.exitCode = 1;
}

interface Started {
  first: LifeView;
  /** As it is in the end, where that is waited for. */
  end(running: boolean): LifeView | Promise<LifeView>;
}

/** One verb for several nodes: asked of each, then waited for; what one is refused is told, and the others go on. */
async function actEach(
  command: Command,
  { names, ...given }: SelectOptions & { names: string[] },
  work: (commands: Calls, name: string) => Promise<Started>,
): Promise<void> {
  const options = globals(command);
  await withCommands(options, async (commands, running) => {
    const nodes = await nodesMeant(commands, names, given);
    const [only] = nodes;
    if (only !== undefined && nodes.length === 1) {
      const life = await (await work(commands, only)).end(running);
      show(options.output, life, () => lifeLines(life));
      if (command.opts()["wait"] === true && life.kind === "fail") process.exitCode = 1;
      return;
    }
    const started: (Started | { name: string; error: BrambleError })[] = [];
    for (const name of nodes)
      started.push(await work(commands, name).catch((error: BrambleError) => ({ name, error })));
    const rows: string[][] = [];
    const ends: object[] = [];
    for (const one of started) {
      if ("error" in one) {
        const { code, message, hint } = one.error;
        rows.push([one.name, pc.red(message), hint ?? ""]);
        ends.push({ node: one.name, error: { code, title: message, hint } });
        process.exitCode = 1;
        continue;
      }
      const life = await one.end(running);
      rows.push([life.node, life.state, life.boots.why]);
      ends.push(life);
      if (command.opts()["wait"] === true && life.kind === "fail") process.exitCode = 1;
    }
    show(options.output, ends, () =>
      rows.length === 0 ? "No node fits." : table(["NODE", "STATE", "BOOTS"], rows),
    );
  });
}

async function waited(commands: Calls, first: LifeView): Promise<LifeView> {
  let now = first;
  while (now.kind === "busy" || now.todo.some(({ error }) => error === undefined)) {
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
    now = await commands.life({ node: first.id }, fromHere());
  }
  return now;
}

function lifeLines(life: LifeView): string {
  const rows: [string, string | undefined][] = [
    [
      "state",
      `${life.state}, ${ago(life.stateSinceMs)}${life.kind === "busy" ? `, try ${life.attempt} of ${life.tries}` : ""}`,
    ],
    ["owner", life.owner],
    ["maintenance", life.maintenance && pc.yellow(life.maintenance)],
    ["until", life.deadlineMs === undefined ? undefined : clock(life.deadlineMs)],
    ["boots", `${life.boots.tree === "none" ? "nothing" : life.boots.tree}: ${life.boots.why}`],
    [
      "next boot",
      life.override &&
        `${life.override.boot}, ${life.override.once ? "once" : "always"}, by ${life.override.by}`,
    ],
    ...life.todo.map(({ work, error }): [string, string] => [
      "to do",
      error ? `${work}: ${pc.red(error)}` : work,
    ]),
  ];
  const verbs = life.actions.map(({ action, allowed, to, why }) =>
    allowed ? `  ${action}${to ? pc.dim(` → ${to}`) : ""}` : pc.dim(`  ${action}: ${why}`),
  );
  return [
    pc.bold(life.node),
    ...rows.flatMap(([key, value]) => (value ? [`  ${pc.dim(key)}  ${value}`] : [])),
    pc.dim("verbs"),
    ...verbs,
  ].join("\n");
}

interface PolicyOptions {
  firmware?: PolicyView["firmware"];
  localDisks?: PolicyView["localDisks"];
  quarantineOnMove?: "on" | "off";
}

function policyCommand(program: Command): void {
  const policy = program.command("policy").description("how strict the life cycle is");
  policy
    .command("show", { isDefault: true })
    .description("the policy as it is")
    .action(async (_, command: Command) => {
      const options = globals(command);
      const now = await withCommands(options, (commands) => commands.policy({}, fromHere()));
      show(options.output, now, () => policyLines(now));
    });
  policy
    .command("set [name]")
    .description(
      "home: who is enrolled is deployed at once; hosting: nodes have owners, and are inspected and cleaned",
    )
    .addOption(
      new Option("--firmware <what>", "boot firmware of released nodes").choices(["unchecked", "required"]),
    )
    .addOption(
      new Option("--local-disks <what>", "a board's own disks at cleaning").choices(["leave", "refuse"]),
    )
    .addOption(
      new Option("--quarantine-on-move <what>", "two boards that claim to be one").choices(["on", "off"]),
    )
    .action(async (name: "home" | "hosting" | undefined, given: PolicyOptions, command: Command) => {
      const options = globals(command);
      const { firmware, localDisks, quarantineOnMove: move } = given;
      const patch = {
        ...(name && { name }),
        ...(firmware && { firmware }),
        ...(localDisks && { localDisks }),
        ...(move && { quarantineOnMove: move === "on" }),
      };
      const now = await withCommands(options, (commands) => commands.setPolicy(patch, fromHere()));
      show(options.output, now, () => policyLines(now));
    });
}

const policyLines = ({ name, firmware, localDisks, quarantineOnMove }: PolicyView): string =>
  [
    pc.bold(name),
    `  ${pc.dim("firmware of released nodes")}  ${firmware}`,
    `  ${pc.dim("their own disks at cleaning")}  ${localDisks}`,
    `  ${pc.dim("two boards that claim to be one")}  ${quarantineOnMove ? "quarantine" : "an event on the node's page"}`,
  ].join("\n");
