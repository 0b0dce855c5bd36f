import type { Command } from "commander";
import type { StatusView } from "../../api/contract.ts";
import { ago, bytes, show } from "./print.ts";
import { globals, withCommands } from "./session.ts";

/** A thread that was started anew is worth a line. */
const planeLine = ({ name, restarts, lastMs = 0, lastWhy = "" }: StatusView["planes"][number]): string[] =>
  restarts === 0
    ? []
    : [`  the ${name} plane was started anew ${restarts} times, the last time ${ago(lastMs)}: ${lastWhy}`];

export function statusCommand(program: Command): void {
  program
    .command("status")
    .description("is it running, where does it listen, how is it doing")
    .action(async (_, command: Command) => {
      const options = globals(command);
      const status = await withCommands(options, (commands) => commands.status({}));
      show(options.output, status, () =>
        status.startedMs === 0
          ? `Bramble ${status.version} is not running; data folder ${status.data}`
          : [
              `Bramble ${status.version}, process ${status.pid}, started ${ago(status.startedMs)}, ${bytes(status.rssBytes)} of memory`,
              `data folder ${status.data}; enrolment ${status.enrol}; ${status.bootsInFlight} boots on their way`,
              ...status.planes.flatMap(planeLine),
              ...status.listening.map((words) => `  ${words}`),
              ...status.capabilities.map((words) => `  ${words}`),
            ].join("\n"),
      );
    });
}
