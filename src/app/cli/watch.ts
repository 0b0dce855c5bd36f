import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { type Command, Option } from "commander";
import pc from "picocolors";
import type { ConsoleLine } from "../../api/observe-contract.ts";
import { BrambleError } from "../../base/errors.ts";
import { ansibleList, ansibleVars } from "../observe/inventory.ts";
import { days as dayCount, rows } from "./numbers.ts";
import { bytes, clock, show, table } from "./print.ts";
import { globals, withCommands } from "./session.ts";

const FOLLOW_MS = 1_000;

/** `node console`: what a node prints, as it comes. */
export function consoleCommand(program: Command): void {
  const node = program.commands.find((command) => command.name() === "node");
  node
    ?.command("console <node>")
    .description("what it printed in a boot: netconsole and syslog")
    .option("-f, --follow", "go on as it prints")
    .option("--boot <id>", "of another boot than the last one that printed")
    .option("-n, --lines <count>", "at most so many, the newest", rows, "200")
    .action(
      async (name: string, given: { follow?: boolean; boot?: string; lines: string }, command: Command) => {
        const options = globals(command);
        await withCommands(options, async (commands, running) => {
          const wish = { node: name, limit: Number(given.lines), ...(given.boot && { boot: given.boot }) };
          let view = await commands.nodeConsole(wish);
          show(options.output, view, () =>
            view.lines.length > 0
              ? view.lines.map(line).join("\n")
              : "It has printed nothing that reached us.",
          );
          while (given.follow && running) {
            await new Promise((go) => setTimeout(go, FOLLOW_MS));
            const { boot } = view;
            const fresh = await commands.nodeConsole({ node: name, limit: 1000 });
            view =
              given.boot === undefined && fresh.boot !== boot
                ? fresh // it has started anew
                : await commands.nodeConsole({ node: name, boot, after: view.last });
            for (const one of view.lines)
              console.log(options.output === "json" ? JSON.stringify(one) : line(one));
          }
        });
      },
    );
}

function line({ atMs, source, app, severity, text }: ConsoleLine): string {
  const from = source === "syslog" ? `${app ?? "syslog"}: ` : "";
  const words = `${from}${text}`;
  return `${pc.dim(clock(atMs))} ${severity !== undefined && severity <= 3 ? pc.red(words) : words}`;
}

/** inventory, support, retention: what other tools and helpers want. */
export function watchCommands(program: Command): void {
  program
    .command("inventory")
    .description("the nodes for other tools")
    .addOption(new Option("--ansible", "as a dynamic inventory of Ansible"))
    .option("--list", "all of them (Ansible says so)")
    .option("--host <name>", "the variables of one")
    .action(async (given: { ansible?: boolean; host?: string }, command: Command) => {
      const options = globals(command);
      const hosts = await withCommands(options, (commands) => commands.inventory({}));
      if (!given.ansible) {
        show(options.output, hosts, () =>
          table(
            ["NODE", "ADDRESS", "USER", "GROUPS"],
            hosts.map(({ name, address, user, groups }) => [
              name,
              address ?? "-",
              user ?? "-",
              groups.join(" "),
            ]),
          ),
        );
        return;
      }
      const host = hosts.find(({ name }) => name === given.host);
      if (given.host !== undefined && !host)
        throw new BrambleError("NODE_UNKNOWN", `there is no node ${given.host}`);
      console.log(JSON.stringify(host ? ansibleVars(host) : ansibleList(hosts), undefined, 2));
    });

  program
    .command("support")
    .description("pack what helps others to find out what is wrong, without any secret")
    .option("--to <file>", "where to; default: in this folder, named by the time")
    .action(async (given: { to?: string }, command: Command) => {
      const options = globals(command);
      const { name, base64, files, removed } = await withCommands(options, (commands) =>
        commands.support({}),
      );
      const path = resolve(given.to ?? name);
      const packed = Buffer.from(base64, "base64");
      mkdirSync(dirname(path), { recursive: true });
      writeFileSync(path, packed, { mode: 0o600 });
      show(
        options.output,
        { path, bytes: packed.length, files, removed },
        () =>
          `${path}, ${bytes(packed.length)}, ${files.length} files; ${removed} places where a secret stood were blanked. Look into it before you send it: tar tzf ${path}`,
      );
    });

  const retention = program.command("retention").description("how long events, boots and consoles are kept");
  const days = (name: string) =>
    new Option(`--${name} <days>`, `keep ${name} so many days`).argParser(dayCount);
  retention.command("show", { isDefault: true }).action(async (_, command: Command) => {
    const options = globals(command);
    const keep = await withCommands(options, (commands) => commands.retention({}));
    show(
      options.output,
      keep,
      () => `events ${keep.eventDays} days, boots ${keep.bootDays} days, consoles ${keep.consoleDays} days`,
    );
  });
  retention
    .command("set")
    .addOption(days("events"))
    .addOption(days("boots"))
    .addOption(days("consoles"))
    .action(async (given: { events?: string; boots?: string; consoles?: string }, command: Command) => {
      const options = globals(command);
      const keep = await withCommands(options, (commands) =>
        commands.setRetention({
          ...(given.events !== undefined && { eventDays: Number(given.events) }),
          ...(given.boots !== undefined && { bootDays: Number(given.boots) }),
          ...(given.consoles !== undefined && { consoleDays: Number(given.consoles) }),
        }),
      );
      show(
        options.output,
        keep,
        () => `events ${keep.eventDays} days, boots ${keep.bootDays} days, consoles ${keep.consoleDays} days`,
      );
    });
  retention
    .command("apply")
    .description("forget now what is too old")
    .action(async (_, command: Command) => {
      const options = globals(command);
      const gone = await withCommands(options, (commands) => commands.prune({}));
      show(
        options.output,
        gone,
        () =>
          `${gone.events} events, ${gone.boots} boots and ${gone.consoles} pieces of consoles are gone; ${bytes(gone.bytes)} were given back`,
      );
    });
}
