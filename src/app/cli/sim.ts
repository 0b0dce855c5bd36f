import { readFile } from "node:fs/promises";
import type { Command } from "commander";
import pc from "picocolors";
import { BrambleError } from "../../base/errors.ts";
import { replayTrace } from "../../sim/replay.ts";
import { runFleet } from "../../sim/run-fleet.ts";
import { replayServers } from "../replay-servers.ts";
import { parseModels, stopVirtualBoard } from "../virtual-rack.ts";
import { port, whole } from "./numbers.ts";
import { bytes, type Output, show, table } from "./print.ts";
import { globals, withCommands } from "./session.ts";

interface SimOptions {
  count: string;
  model: string;
  server?: string;
  dhcpPort?: string;
  tftpPort?: string;
  replay?: string;
  waits?: boolean;
}

export function simCommand(program: Command): void {
  program
    .command("sim")
    .description("virtual Pis that boot from a running server, or a board's log played again")
    .option("-n, --count <n>", "how many boards", whole(1, 10_000), "1")
    .option("-m, --model <models>", "which models, in turn: 3b, 3b+, 4b, 400, cm4, 5, 500, cm5", "4b")
    .option("--server <ip>", "server; default: the one that runs on this data folder")
    .option("--dhcp-port <port>", "its DHCP port", port)
    .option("--tftp-port <port>", "its TFTP port", port)
    .option("--waits", "wait as hardware does: link, absent cards, USB")
    .option(
      "--replay <trace.json>",
      "play a board's log against servers of our own; exit code 0 only if it asks for the same",
    )
    .action(async (given: SimOptions, command: Command) => {
      const { output } = globals(command);
      if (given.replay !== undefined) return replay(given.replay, output);
      const place = await serverPlace(given, command);
      const models = parseModels(given.model);
      const count = Number(given.count);
      if (output === "table") console.error(pc.dim(asking(count, place.server)));
      const { boots: ended, booted: good } = await runFleet({
        count,
        models,
        ...place,
        keepBytes: true,
        ...(given.waits && { like: { hardwareWaits: 1 } }),
        onProgress({ pi, ...told }) {
          if (told.step !== "end" || output !== "table" || count === 1) return;
          const mark = told.boot.outcome === "kernel" ? pc.green("●") : pc.red("●");
          console.log(
            `${mark} Pi ${pi.model} ${pi.serial}  ${told.boot.reason}  ${(told.boot.ms / 1000).toFixed(2)} s`,
          );
        },
      });
      for (const { boot } of ended) {
        if (boot.outcome === "kernel") await stopVirtualBoard(boot, boot.address ?? place.server);
      }
      const boots = ended.map(({ pi, boot: { outcome, reason, ms, requests } }) => ({
        model: pi.model,
        serial: pi.serial,
        mac: pi.mac,
        outcome,
        reason,
        ms,
        bytes: requests.reduce((sum, request) => sum + request.bytes, 0),
        requests,
      }));
      show(output, boots, () =>
        count === 1
          ? [
              table(
                ["STAGE", "FILE", "RESULT", "SIZE"],
                (boots[0]?.requests ?? []).map((r) => [
                  r.stage,
                  r.path,
                  r.result,
                  r.bytes > 0 ? bytes(r.bytes) : "",
                ]),
              ),
              `${boots[0]?.outcome}: ${boots[0]?.reason}`,
            ].join("\n")
          : `${good} of ${count} reached their kernel`,
      );
      if (good < count) process.exitCode = 1;
    });
}

/** A board that gets no answer asks for minutes: what to look at meanwhile. */
const asking = (count: number, server: string): string =>
  `${count === 1 ? "A virtual Pi asks" : `${count} virtual Pis ask`} ${server} for an address, then for files. Bramble answers who may boot (bramble node list, node enrol) and where it gives the addresses (up --mode full, npm start); Ctrl-C ends it.`;

/** Ports as given, else those that the server running on this data folder tells. */
async function serverPlace(given: SimOptions, command: Command) {
  if (given.server && given.dhcpPort && given.tftpPort) {
    return { server: given.server, dhcpPort: Number(given.dhcpPort), tftpPort: Number(given.tftpPort) };
  }
  const listening = await withCommands(
    globals(command),
    async (commands) => (await commands.status({})).listening,
  );
  const find = (what: string) =>
    new RegExp(`^${what} ([\\d.]+):(\\d+)$`).exec(listening.find((l) => l.startsWith(`${what} `)) ?? "");
  const [dhcp, tftp] = [find("DHCP"), find("TFTP")];
  if (!dhcp?.[1] || !tftp) {
    throw new BrambleError("SERVER_GONE", "no server runs on this data folder", {
      hint: "npm start prints its folder: bramble --data FOLDER sim; or give --server, --dhcp-port and --tftp-port",
    });
  }
  return {
    server: given.server ?? dhcp[1],
    dhcpPort: Number(given.dhcpPort ?? dhcp[2]),
    tftpPort: Number(given.tftpPort ?? tftp[2]),
  };
}

async function replay(path: string, output: Output): Promise<void> {
  const text = await readFile(path, "utf8").catch((cause: Error) => {
    throw new BrambleError("FILE_UNKNOWN", `${path} cannot be read: ${cause.message}`, { cause });
  });
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (cause) {
    throw new BrambleError("BAD_INPUT", `${path} is no JSON: ${(cause as Error).message}`, { cause });
  }
  const { same, firstDifference, compare, whole, pi, boot } = await replayTrace(json, replayServers);
  show(output, { same, firstDifference, compare, whole, outcome: boot.outcome }, () =>
    same
      ? `${pc.green("same")}: a Pi ${pi.model} asked for ${boot.requests.length} files as the log says (compared by ${compare}${whole ? "" : ", a part of a boot"})`
      : `${pc.red("different")}: ${firstDifference}`,
  );
  if (!same) process.exitCode = 1;
}
