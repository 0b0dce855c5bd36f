import type { Command } from "commander";
import pc from "picocolors";
import type { PowerView } from "../../api/power-contract.ts";
import { complain } from "./complain.ts";
import { ago, show, table } from "./print.ts";
import { nodesMeant, type SelectOptions, selecting, someOrAll } from "./select.ts";
import { globals, withCommands } from "./session.ts";
import { list } from "./switch-options.ts";

type Want = "on" | "off" | "cycle";
const WORDS: Record<Want, string> = {
  on: "switch nodes on",
  off: "switch nodes off",
  cycle: "switch nodes off and on",
};

/** power: what nodes' power is, and what switches it. */
export function powerCommands(program: Command): void {
  const power = program
    .command("power")
    .description("switch nodes on and off, by what their ports are seen to do");
  for (const want of ["on", "off", "cycle"] as const) {
    const verb = selecting(power.command(`${want} [nodes...]`).description(WORDS[want]));
    if (want !== "on") verb.option("--soft", "ask its system to shut down first");
    verb.action(async (names: string[], given: SelectOptions & { soft?: true }, command: Command) => {
      const options = globals(command);
      const soft = given.soft ? { soft: true } : {};
      const { done, failed } = await withCommands(options, async (commands) => {
        const nodes = await nodesMeant(commands, names, given);
        const ends = await Promise.allSettled(
          nodes.map((node) => commands.setPower({ node, want, ...soft })),
        );
        return {
          done: ends.flatMap((end) => (end.status === "fulfilled" ? [end.value] : [])),
          failed: ends.flatMap((end, i) =>
            end.status === "rejected" ? [{ node: nodes[i], error: end.reason as unknown }] : [],
          ),
        };
      });
      if (done.length > 0 || failed.length === 0) show(options.output, done, () => powerTable(done));
      for (const { node, error } of failed) {
        if (options.output === "table") console.error(pc.bold(String(node)));
        complain(error, options.output, options.verbose ?? false);
      }
      if (failed.length > 0) process.exitCode = 1;
    });
  }
  selecting(
    power.command("status [nodes...]").description("what the ports of nodes were last seen to be"),
  ).action(async (names: string[], given: SelectOptions, command: Command) => {
    const options = globals(command);
    const views = await withCommands(options, async (commands) => {
      const only = names.length === 1 && given.select === undefined ? names[0] : undefined;
      if (only !== undefined && !/[[\]*?,\s]/.test(only)) return [await commands.power({ node: only })];
      return commands.powers(someOrAll(names, given));
    });
    show(options.output, views, () =>
      views.length === 0
        ? "Nothing that we know switches a node's power: bramble switch add, then bramble power bind"
        : powerTable(views),
    );
  });
  shutdownCommand(power);
  power
    .command("bind <node> <switch> <port>")
    .description("say which port gives a node its power; `bramble switch prove` finds out by itself")
    .action(async (node: string, name: string, port: string, _, command: Command) => {
      const options = globals(command);
      const view = await withCommands(options, (commands) =>
        commands.bindPower({ node, switch: name, port }),
      );
      show(options.output, view, () => powerTable([view]));
    });
  power
    .command("unbind <node>")
    .description("forget which port gives a node its power; the port stays as it is")
    .action(async (node: string, _, command: Command) => {
      const options = globals(command);
      const gone = await withCommands(options, (commands) => commands.unbindPower({ node }));
      show(options.output, gone, () => `Nothing switches ${gone.name} any more.`);
    });
}

function shutdownCommand(power: Command): void {
  power
    .command("shutdown [argv]")
    .description(
      "the program that asks a node's system to end (JSON, with {address}, {name}, {serial}); or show it",
    )
    .option("--standard", "ssh, as it is by itself")
    .action(async (argv: string | undefined, given: { standard?: true }, command: Command) => {
      const options = globals(command);
      const wish = given.standard ? null : argv === undefined ? undefined : list(argv);
      const view = await withCommands(options, (commands) =>
        wish === undefined ? commands.shutdown({}) : commands.setShutdown({ argv: wish }),
      );
      show(options.output, view, () => JSON.stringify(view.argv));
    });
}

const COLOURS: Record<PowerView["actual"], (text: string) => string> = {
  on: pc.green,
  off: pc.dim,
  searching: pc.yellow,
  fault: pc.red,
  unknown: pc.yellow,
};

function powerTable(views: readonly PowerView[]): string {
  const rows = views.map((one) => [
    one.node,
    COLOURS[one.actual](one.actual),
    one.desired ?? "-",
    `${one.switch} ${one.port}`,
    one.watts === undefined ? "-" : `${one.watts.toFixed(1)} W`,
    one.proof,
    one.atMs === 0 ? "never" : ago(one.atMs),
    [one.alarm, one.error, one.busy ? "busy" : undefined].filter(Boolean).join("; "),
  ]);
  return table(["NODE", "POWER", "WANTED", "PORT", "TAKES", "KNOWN BY", "SEEN", ""], rows);
}
