import type { Command } from "commander";
import pc from "picocolors";
import { dataFolder, dataPath } from "../data.ts";
import { examine, type Finding } from "../doctor.ts";
import { type Wired, wiredInterfaces } from "../interfaces.ts";
import { addressFinding, treeFindings } from "../observe/link-findings.ts";
import { otherServers } from "../other-servers.ts";
import { whole } from "./numbers.ts";
import { show } from "./print.ts";
import { globals, withCommands } from "./session.ts";

/** A bridge sends every two seconds. */
const LEAST_FOR_TREE_MS = 2_500;
const ADDRESS_MS = 500;

export function doctorCommand(program: Command): void {
  program
    .command("doctor [node]")
    .description(
      "look for what may keep boards from booting: ports, privileges, firewall, other servers, spanning tree, links, clock, space, images, duplicates; or only what concerns one node",
    )
    .option("--seconds <n>", "how long to listen to the network; 0: not at all", whole(0, 600), "3")
    .action(async (node: string | undefined, { seconds }: { seconds: string }, command: Command) => {
      const options = globals(command);
      const findings =
        node === undefined
          ? [
              ...(await here(dataFolder(dataPath(options.data)).root)),
              ...(await onWires(wiredInterfaces(), Number(seconds) * 1000)),
              ...(await ofFleet(options)),
            ]
          : await withCommands(options, (commands) => commands.doctor({ node }));
      show(options.output, findings, () => findings.map(line).join("\n"));
      if (findings.some((finding) => finding.state === "problem")) process.exitCode = 1;
    });
}

const here = (data: string): Promise<Finding[]> =>
  examine(data, {
    ...{ dhcp: 67, tftp: 69, proxy: 4011, agent: 8441 },
    ...{ nbd: 10809, iscsi: 3260, operator: 8440 },
  });

/** All at once: each only listens. */
async function onWires(wired: readonly Wired[], ms: number): Promise<Finding[]> {
  if (!(ms > 0)) return [];
  const heard = await Promise.all([
    otherServers(wired, ms),
    ...wired.map((one) => treeFindings(one, Math.max(ms, LEAST_FOR_TREE_MS))),
    ...wired.map(async (one) => [await addressFinding(one, ADDRESS_MS)]),
  ]);
  return heard.flat();
}

/** What the book knows; where it cannot be asked, that is one more finding. */
async function ofFleet(options: Parameters<typeof withCommands>[0]): Promise<Finding[]> {
  try {
    return await withCommands(options, (commands) => commands.doctor({}));
  } catch (error) {
    return [{ what: "nodes", state: "warning", words: `not looked: ${(error as Error).message}` }];
  }
}

/** A finding for people. */
export function line({ what, state, words, hint }: Finding): string {
  const marks = { ok: pc.green("ok     "), warning: pc.yellow("warning"), problem: pc.red("problem") };
  return `${marks[state]}  ${what}: ${words}${hint ? pc.dim(`\n           ${hint}`) : ""}`;
}
