import type { Command } from "commander";
import pc from "picocolors";
import { dataFolder, dataPath } from "../data.ts";
import { examine } from "../doctor.ts";
import { wiredInterfaces } from "../interfaces.ts";
import { otherServers } from "../other-servers.ts";
import { show } from "./print.ts";
import { globals } from "./session.ts";

export function doctorCommand(program: Command): void {
  program
    .command("doctor")
    .description(
      "look for what may keep boards from booting: ports, privileges, other DHCP servers, interfaces, tools",
    )
    .option("--seconds <n>", "how long to listen for other DHCP servers; 0: not at all", "3")
    .action(async ({ seconds }: { seconds: string }, command: Command) => {
      const options = globals(command);
      const data = dataFolder(dataPath(options.data));
      const findings = await examine(data.root, {
        dhcp: 67,
        tftp: 69,
        proxy: 4011,
        agent: 8441,
        nbd: 10809,
        iscsi: 3260,
        operator: 8440,
      });
      if (Number(seconds) > 0)
        findings.push(...(await otherServers(wiredInterfaces(), Number(seconds) * 1000)));
      const marks = { ok: pc.green("ok     "), warning: pc.yellow("warning"), problem: pc.red("problem") };
      show(options.output, findings, () =>
        findings
          .map(
            ({ what, state, words, hint }) =>
              `${marks[state]}  ${what}: ${words}${hint ? pc.dim(`\n           ${hint}`) : ""}`,
          )
          .join("\n"),
      );
      if (findings.some((finding) => finding.state === "problem")) process.exitCode = 1;
    });
}
