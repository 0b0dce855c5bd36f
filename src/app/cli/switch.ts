import { type Command, Option } from "commander";
import pc from "picocolors";
import type { SwitchPortView, SwitchView } from "../../api/power-contract.ts";
import { POWER_DRIVERS, type PowerKind } from "../../base/power.ts";
import { ago, show, table } from "./print.ts";
import { long } from "./progress.ts";
import { globals, withCommands } from "./session.ts";
import { type SwitchGiven, switchOptions, switchSettings } from "./switch-options.ts";

/** switch: what switches power, which board hangs where, which ports are left alone. */
export function switchCommands(program: Command): void {
  const group = program
    .command("switch")
    .description("PoE switches, PDUs and plugs: what hangs on their ports, and what may be switched");
  group
    .command("list")
    .description("all of them")
    .action(async (_, command: Command) => {
      const options = globals(command);
      const all = await withCommands(options, (commands) => commands.switches({}));
      show(options.output, all, () =>
        all.length === 0
          ? "No switches yet: bramble switch add NAME --driver snmp --address IP --community-file FILE"
          : table(
              ["SWITCH", "DRIVER", "ADDRESS", "PORTS", "NODES", "SCANNED", ""],
              all.map((one) => [
                one.name,
                one.driver,
                one.address ?? "-",
                String(one.ports),
                String(one.nodes.length),
                one.scannedMs === undefined ? "never" : ago(one.scannedMs),
                one.error ? pc.red(one.error) : "",
              ]),
            ),
      );
    });
  group
    .command("show <switch>")
    .description("one of them; secrets by name only")
    .action(async (name: string, _, command: Command) => {
      const options = globals(command);
      const one = await withCommands(options, (commands) => commands.switch({ switch: name }));
      show(options.output, one, () => switchLines(one));
    });
  switchOptions(
    group
      .command("add <name>")
      .description("add one; it must answer, and its ports are looked at")
      .addOption(
        new Option("--driver <driver>", "how it is spoken to").choices([...POWER_DRIVERS]).default("snmp"),
      )
      .option("--unseen", "also where it does not answer now"),
  ).action(
    async (name: string, given: SwitchGiven & { driver: PowerKind; unseen?: true }, command: Command) => {
      const options = globals(command);
      const wish = {
        name,
        driver: given.driver,
        ...(await switchSettings(given)),
        ...(given.unseen && { unseen: true }),
      };
      const one = await withCommands(options, (commands) => commands.addSwitch(wish));
      show(options.output, one, () => `${switchLines(one)}\nNow: bramble switch scan ${one.name}`);
    },
  );
  switchOptions(
    group
      .command("set <switch>")
      .description("change its address, options or secrets")
      .option("--drop <options...>", "options that go back to what they are by themselves"),
  ).action(async (name: string, given: SwitchGiven & { drop?: string[] }, command: Command) => {
    const options = globals(command);
    const patch = { switch: name, ...(await switchSettings(given)), ...(given.drop && { drop: given.drop }) };
    const one = await withCommands(options, (commands) => commands.setSwitch(patch));
    show(options.output, one, () => switchLines(one));
  });
  group
    .command("scan [switch]")
    .description("look at what hangs on its ports, or on those of all")
    .option("--bind", "bind nodes that are alone on a port to it")
    .action(async (name: string | undefined, given: { bind?: true }, command: Command) => {
      const options = globals(command);
      const found = await withCommands(options, async (commands) => {
        const names = name === undefined ? (await commands.switches({})).map((one) => one.name) : [name];
        const all = await Promise.all(names.map((one) => commands.scanSwitch({ switch: one, ...given })));
        return all.flat();
      });
      show(options.output, found, () =>
        found.length === 0
          ? "Every node that was found is bound to its port already. `bramble switch ports` shows them."
          : `${table(
              ["NODE", "SWITCH", "PORT", "NAME", ""],
              found.map((one) => [
                one.node,
                one.switch,
                one.port,
                one.name,
                one.bound ? pc.green("bound") : "found",
              ]),
            )}\nSure? bramble switch prove SWITCH PORT; or bramble switch scan --bind`,
      );
    });
  group
    .command("ports <switch>")
    .description("its ports: power, nodes, MACs, and why some are left alone")
    .action(async (name: string, _, command: Command) => {
      const options = globals(command);
      const ports = await withCommands(options, (commands) => commands.switchPorts({ switch: name }));
      show(options.output, ports, () => portTable(ports));
    });
  group
    .command("guard <switch> <port>")
    .description("say whether a port may be switched")
    .option("--allow", "also where the rules are against it")
    .option("--refuse", "never")
    .option("--auto", "as the rules say")
    .action(
      async (
        name: string,
        port: string,
        given: { allow?: true; refuse?: true; auto?: true },
        command: Command,
      ) => {
        const options = globals(command);
        const guard = given.allow ? "allow" : given.auto ? null : "refuse";
        const one = await withCommands(options, (commands) =>
          commands.guardPort({ switch: name, port, guard }),
        );
        show(options.output, one, () => portTable([one]));
      },
    );
  group
    .command("prove <switch> <port>")
    .description("take the port's power and give it back, and bind the node that then asks for an address")
    .action(async (name: string, port: string, _, command: Command) => {
      const options = globals(command);
      const view = await withCommands(options, (commands) =>
        long((progress, signal) => commands.provePort({ switch: name, port }, { progress, signal })),
      );
      show(options.output, view, () => `${view.node} hangs on port ${view.port} of ${view.switch}: bound.`);
    });
  group
    .command("remove <switch>")
    .description("remove one; no node may be bound to it")
    .action(async (name: string, _, command: Command) => {
      const options = globals(command);
      const gone = await withCommands(options, (commands) => commands.removeSwitch({ switch: name }));
      show(options.output, gone, () => `${gone.name} is removed.`);
    });
}

function switchLines(one: SwitchView): string {
  const set = Object.entries(one.options).map(([key, value]) => `${key} ${JSON.stringify(value)}`);
  return [
    `${pc.bold(one.name)}  ${one.driver}${one.address ? ` at ${one.address}` : ""}`,
    ...(set.length > 0 ? [`  ${set.join(", ")}`] : []),
    ...(one.secrets.length > 0 ? [`  secrets: ${one.secrets.join(", ")}`] : []),
    `  ${one.ports} ports, ${one.nodes.length} nodes${one.nodes.length > 0 ? `: ${one.nodes.join(", ")}` : ""}`,
    ...(one.error ? [pc.red(`  ${one.error}`)] : []),
  ].join("\n");
}

function portTable(ports: readonly SwitchPortView[]): string {
  if (ports.length === 0) return "Nothing is known of its ports: bramble switch scan";
  return table(
    ["PORT", "POWER BY", "POWER", "NODE", "MACS", ""],
    ports.map((one) => [
      one.alias ? `${one.name} (${one.alias})` : one.name,
      one.port ?? "-",
      one.power?.actual ?? "-",
      one.node ?? (one.seen.length > 0 ? pc.yellow(`${one.seen.join(", ")}?`) : "-"),
      one.macs.length > 3
        ? `${one.macs.slice(0, 3).join(" ")} and ${one.macs.length - 3} more`
        : one.macs.join(" "),
      one.guard ? pc.yellow(`left alone: ${one.guard}`) : one.allowed ? "allowed by hand" : "",
    ]),
  );
}
