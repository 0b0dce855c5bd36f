import type { Command } from "commander";
import pc from "picocolors";
import type { NodeView, ReliabilityRow, SupervisionView } from "../../api/contract.ts";
import { BrambleError } from "../../base/errors.ts";
import { number, rows, whole } from "./numbers.ts";
import { show, table } from "./print.ts";
import { globals, withCommands } from "./session.ts";

const BY = ["node", "model", "image", "switch"] as const;

/** supervision, report and node retry: what is done about boots that fail. */
export function superviseCommands(program: Command): void {
  supervisionCommand(program);
  reportCommand(program);
  program.commands
    .find((one) => one.name() === "node")
    ?.command("retry <node>")
    .description("forget its tries that failed, cut its power and begin anew")
    .action(async (node: string, _, command: Command) => {
      const options = globals(command);
      const sight = await withCommands(options, (commands) => commands.retryNode({ node }));
      show(options.output, sight, () => `${node} begins anew: its power is cut and given again.`);
    });
}

function supervisionCommand(program: Command): void {
  const supervision = program
    .command("supervision")
    .description("nodes that are not up yet: tries, next power cycle, place in line")
    .action(async (_, command: Command) => {
      const options = globals(command);
      const view = await withCommands(options, (commands) => commands.supervision({}));
      show(options.output, view, () => supervisionLines(view));
    });
  supervision
    .command("set")
    .description("change deadlines, power cycles, and how many boots may run at once")
    .option("--boots-at-once <n>", "auto, off, or a number; without effect below 30 nodes")
    .option("--power-cycles <n>", "that a node gets before it is given up; 0: none")
    .option("--back-off <seconds>", "before the first, second, … power cycle: 10,30,60")
    .option("--deadline-scale <factor>", "all deadlines times this; 1 is right for real boards")
    .option("--pause", "leave the power of all nodes alone")
    .option("--go-on", "no longer")
    .action(async (given: SetOptions, command: Command) => {
      const options = globals(command);
      const patch = patchOf(given);
      const view = await withCommands(options, (commands) => commands.setSupervision(patch));
      show(options.output, view, () => supervisionLines(view));
    });
}

interface SetOptions {
  bootsAtOnce?: string;
  powerCycles?: string;
  backOff?: string;
  deadlineScale?: string;
  pause?: true;
  goOn?: true;
}

function patchOf({ bootsAtOnce, powerCycles, backOff, deadlineScale, pause, goOn }: SetOptions) {
  const atOnce = (text: string): number | "auto" | "off" =>
    text === "auto" || text === "off" ? text : number(text);
  return {
    ...(bootsAtOnce !== undefined && { bootsAtOnce: atOnce(bootsAtOnce) }),
    ...(powerCycles !== undefined && { powerCycles: number(powerCycles) }),
    ...(backOff !== undefined && { backOffSeconds: backOff.split(",").map(number) }),
    ...(deadlineScale !== undefined && { deadlineScale: number(deadlineScale) }),
    ...((pause || goOn) && { paused: pause === true }),
  };
}

function supervisionLines(view: SupervisionView): string {
  const { limit, fetching, waiting, powerCycles, backOffSeconds, deadlineScale, paused, nodes } = view;
  return [
    limit === undefined
      ? "Boots at once: no limit now."
      : `Boots at once: ${limit}; ${fetching} fetch their files, ${waiting} wait in line.`,
    `Power cycles: up to ${powerCycles}, after ${backOffSeconds.join(", ")} s${deadlineScale === 1 ? "" : `; deadlines times ${deadlineScale}`}.`,
    ...(paused ? [pc.yellow("Paused: the power of all nodes is left alone.")] : []),
    nodes.length === 0
      ? "No node is on its way, none is given up."
      : table(
          ["NODE", "STATE", "TRY", "CYCLES", "WHY"],
          nodes.map((one) => [
            one.node,
            sightWords(one),
            String(one.tries),
            String(one.powerCycles),
            one.words ?? "",
          ]),
        ),
  ].join("\n");
}

/** "power cycle in 8 s", "12th in line", in a cell of a table. */
function sightWords({
  phase,
  nextMs,
  paused,
  line,
}: Pick<SupervisionView["nodes"][number], "phase" | "nextMs" | "paused" | "line">): string {
  if (line !== undefined) return pc.cyan(`waits in line, place ${line}`);
  if (phase === "failed") return pc.red("failed");
  if (phase === "waiting") return pc.yellow("waits for somebody to cut its power");
  if (phase === "cycling") return pc.cyan("its power is being cut");
  if (phase === "booting") return pc.cyan("boots");
  if (paused) return pc.yellow("its power is left alone");
  return pc.cyan(`power cycle in ${Math.max(0, Math.ceil(((nextMs ?? 0) - Date.now()) / 1000))} s`);
}

/** What is done about a node that is not up, as lines for `explain`. */
export function supervisionOf({ line, supervision }: NodeView): string[] {
  if (!supervision) return line === undefined ? [] : [`${pc.bold("Now:")} it waits in line, place ${line}.`];
  const { tries, powerCycles } = supervision;
  const words = sightWords({ ...supervision, ...(line !== undefined && { line }) });
  return [
    `${pc.bold("Now:")} ${words} (${tries} ${tries === 1 ? "try" : "tries"}, ${powerCycles} power cycles)`,
  ];
}

function reportCommand(program: Command): void {
  program
    .command("report")
    .description("how reliable boots are: first tries, times, reasons; the worst first")
    .option("--by <what>", BY.join(", "), "node")
    .option("--days <n>", "how far back", whole(1, 400), "30")
    .option("--limit <n>", "rows", rows, "50")
    .action(async (given: { by: string; days: string; limit: string }, command: Command) => {
      const options = globals(command);
      const by = BY.find((one) => one === given.by);
      if (!by) throw new BrambleError("BAD_INPUT", `no report by ${given.by}`, { hint: BY.join(", ") });
      const wish = { by, days: Number(given.days), limit: Number(given.limit) };
      const rows = await withCommands(options, (commands) => commands.reliability(wish));
      show(options.output, rows, () => reportLines(by, rows, wish.days));
    });
}

function reportLines(by: string, rows: readonly ReliabilityRow[], days: number): string {
  if (rows.length === 0) return `No boot has ended in the last ${days} days.`;
  const seconds = (value: number | undefined) => (value === undefined ? "-" : `${value.toFixed(1)} s`);
  return table(
    [by.toUpperCase(), "BOOTS", "FIRST TRY", "FAILED", "GIVEN UP", "P50", "P95", "MOST FREQUENT REASONS"],
    rows.map((row) => [
      row.flaky ? pc.yellow(`${row.of} (flaky)`) : row.of,
      String(row.boots),
      row.boots === 0 ? "-" : `${Math.round(row.firstTry * 100)} %`,
      String(row.failed),
      String(row.givenUp),
      seconds(row.seconds?.p50),
      seconds(row.seconds?.p95),
      row.causes
        .slice(0, 3)
        .map(({ cause, times }) => `${cause} ${times}×`)
        .join(", "),
    ]),
  );
}
