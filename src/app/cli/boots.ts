import type { Command } from "commander";
import pc from "picocolors";
import type { BootDetail, BootView } from "../../api/contract.ts";
import { line as findingLine } from "./doctor.ts";
import { rows } from "./numbers.ts";
import { ago, bytes, clock, show, table } from "./print.ts";
import { globals, withCommands } from "./session.ts";
import { supervisionOf } from "./supervise.ts";

/** boot, explain and event: what happened, and why. */
export function bootCommands(program: Command): void {
  const boot = program.command("boot").description("boots, newest first");
  boot
    .command("list [node]")
    .option("-n, --limit <count>", "how many", rows, "20")
    .action(async (name: string | undefined, given: { limit: string }, command: Command) => {
      const options = globals(command);
      const boots = await withCommands(options, (commands) =>
        commands.boots({ limit: Number(given.limit), ...(name && { node: name }) }),
      );
      show(options.output, boots, () =>
        boots.length === 0
          ? "No boots yet: a node that is enrolled boots when it is switched on."
          : table(
              ["BOOT", "NODE", "WHEN", "TOOK", "REACHED", "TRY", "OUTCOME", "WHY", "IMAGE"],
              boots.map((b) => [
                b.id,
                b.node,
                clock(b.startedMs),
                took(b),
                b.stage,
                String(b.tries ?? 1),
                outcome(b),
                b.cause ?? "-",
                b.image ?? "-",
              ]),
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
      const told = await withCommands(options, async (commands) => {
        const { boot, ...rest } = await commands.explain({ node: name });
        const findings = (await commands.doctor({ node: rest.node.name })).filter(
          ({ state }) => state !== "ok",
        );
        return { ...rest, ...(boot && { boot }), findings };
      });
      show(options.output, told, () => {
        const since = told.boot?.startedMs ?? 0;
        const events = told.events.filter((event) => event.atMs >= since).slice(-12);
        return [
          told.boot ? timeline(told.boot) : `${told.node.name} has not tried to boot yet.`,
          ...supervisionOf(told.node),
          ...(told.findings.length > 0 ? [pc.dim("doctor:"), ...told.findings.map(findingLine)] : []),
          ...(events.length > 0 ? [pc.dim("events:")] : []),
          ...events.map((event) => pc.dim(`  ${clock(event.atMs)}  ${event.words}`)),
        ].join("\n");
      });
    });

  program
    .command("event")
    .description("what was decided, and why")
    .command("list [node]")
    .option("-n, --limit <count>", "how many", rows, "50")
    .action(async (name: string | undefined, given: { limit: string }, command: Command) => {
      const options = globals(command);
      const events = await withCommands(options, (commands) =>
        commands.events({ limit: Number(given.limit), ...(name && { node: name }) }),
      );
      show(options.output, events, () =>
        events.length === 0
          ? "Nothing was decided yet: no board was heard."
          : table(
              ["WHEN", "NODE", "KIND", "WHAT"],
              events.map((e) => [clock(e.atMs), e.node ?? "-", e.kind, e.words]),
            ),
      );
    });
}

const outcome = (boot: BootView): string =>
  boot.outcome === undefined
    ? pc.cyan("on its way")
    : boot.outcome === "failed"
      ? pc.red("failed")
      : boot.outcome === "superseded" || boot.outcome === "stopped"
        ? pc.yellow(boot.outcome)
        : pc.green(boot.outcome);

/** A boot in a cell of a table. */
export const bootWords = (boot: BootView | undefined): string =>
  boot ? `${outcome(boot)} ${ago(boot.startedMs)}` : "-";

const took = (boot: BootView): string =>
  boot.endedMs === undefined ? "-" : `${((boot.endedMs - boot.startedMs) / 1000).toFixed(1)} s`;

/** A boot for people: when, how long after the start, what, and where a file came from. */
function timeline(boot: BootDetail): string {
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
    `${pc.bold(boot.node)}  boot ${boot.id}  ${clock(boot.startedMs)}  ${outcome(boot)}${(boot.tries ?? 1) > 1 ? `, try ${boot.tries}` : ""}  (${boot.image ?? "no image"}, root ${boot.root ?? "?"}${boot.templates ? `, templates ${boot.templates.profile} v${boot.templates.version}` : ""})`,
    table(["s", "FROM", "WHAT", ""], rows),
    ...(boot.verdict
      ? [`${pc.bold("Verdict:")} ${boot.verdict}${boot.cause ? pc.dim(` (${boot.cause})`) : ""}`]
      : [pc.cyan(`It has reached: ${boot.stage}.`)]),
    ...(boot.todo ? [`${pc.bold("What to do:")} ${boot.todo}`] : []),
  ].join("\n");
}
