import { createHash } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Command } from "commander";
import pc from "picocolors";
import { toUtf8 } from "../../base/text.ts";
import { memoryFile } from "../../fleet/boot-tree.ts";
import type { Model } from "../../formats/boards.ts";
import type { SimBoot, VirtualPi } from "../../sim/board.ts";
import { runFleet } from "../../sim/run-fleet.ts";
import { makeDemoImage } from "../../storage/demo-image.ts";
import { sha256 } from "../boot-files.ts";
import { stopVirtualBoard } from "../virtual-rack.ts";
import { port } from "./numbers.ts";
import { bytes, table } from "./print.ts";
import { globals } from "./session.ts";
import { type CommandedServer, startCommanded, untilStopped } from "./up.ts";

const MODELS: readonly Model[] = ["4B", "5", "3B", "3B+", "CM4", "4B"];
const PERSON = "demo";
const LINK_MS = 24 * 3_600_000;
/** The demo needs no network, so it has no Debian packages to make an agent of. */
const AGENT = "This is the demo's stand-in for the agent: no kernel runs it.\n";

export function demoCommand(program: Command): void {
  program
    .command("demo")
    .description(
      "the main job on loopback with virtual Pis: no privileges, no network, a data folder of its own",
    )
    .option("--exit", "end when every virtual Pi has reached its kernel: exit code 0 if with the right bytes")
    .option("--port <port>", "of the page; 0 takes any free one", port, "8440")
    .action(async (given: { exit?: boolean; port: string }, command: Command) => {
      const started = performance.now();
      const wish = globals(command).data;
      const data = wish ?? mkdtempSync(join(tmpdir(), "bramble-demo-"));
      const forget = () => wish ?? rmSync(data, { recursive: true, force: true });
      process.once("exit", forget);
      const server = await startDemo(data, given.exit ? 0 : Number(given.port));
      const stop = new AbortController();
      const good = rack(server, stop.signal);
      if (given.exit) {
        process.exitCode = (await good) ? 0 : 1;
        console.log(`took ${((performance.now() - started) / 1000).toFixed(1)} s`);
        await server.close();
      } else {
        const secret = await demoLogin(server);
        void good.then(
          () =>
            console.log(
              `\nThe page, logged in: ${pc.bold(`${server.page}/#login=${secret}`)}   Ctrl-C ends it.`,
            ),
          (error: Error) => console.error(pc.red(error.message)),
        );
        await untilStopped(server);
        stop.abort();
      }
    });
}

async function startDemo(data: string, pagePort: number): Promise<CommandedServer> {
  console.log(`data folder: ${data}`);
  const agent = { ...memoryFile(toUtf8(AGENT)), identity: sha256(AGENT) };
  const settings = {
    data,
    interfaces: [
      {
        address: "127.0.0.1",
        subnet: "127.0.0.0/8",
        mode: "full" as const,
        pool: { from: "127.77.0.10", to: "127.77.0.250" },
      },
    ],
    ports: { dhcp: 0, dhcpClient: 0, proxy: 0, tftp: 0, agent: 0, nbd: 0, iscsi: 0 },
    hosts: ["127.0.0.1"],
    logs: { syslog: 0, netconsole: 0 },
    enrol: "auto",
    agent,
    say: (words: string) => console.log(pc.dim(words)),
  };
  const server = await startCommanded({ ...settings, operator: { host: "127.0.0.1", port: pagePort } }).catch(
    (error) => {
      if ((error as NodeJS.ErrnoException).code !== "EADDRINUSE") throw error;
      return startCommanded({ ...settings, operator: { host: "127.0.0.1", port: 0 } });
    },
  );
  if ((await server.commands.images({})).length === 0) {
    const file = join(data, "demo-1.img");
    await makeDemoImage(file);
    const image = await server.commands.addImage({ source: file, name: "demo:1" });
    rmSync(file);
    console.log(
      `image ${image.name}:${image.version} is in, ${bytes(image.size)}, ${bytes(image.allocated)} on disk`,
    );
  }
  return server;
}

/** Who tries it out is an admin here, by a link. */
async function demoLogin({ core: { access } }: CommandedServer): Promise<string> {
  if (!(await access.users.find(PERSON))) await access.users.add(PERSON, "admin");
  return access.links.login(PERSON, LINK_MS).secret;
}

/** Boots the virtual Pis at once, each with its own loopback address; true when each got the right bytes. */
async function rack(server: CommandedServer, signal: AbortSignal): Promise<boolean> {
  console.log(`\n${MODELS.length} virtual Pis are switched on:\n`);
  const checks: Promise<boolean>[] = [];
  await runFleet({
    count: MODELS.length,
    models: MODELS,
    server: "127.0.0.1",
    dhcpPort: server.ports.dhcp[0]?.dhcp ?? 0,
    tftpPort: server.ports.tftp[0] ?? 0,
    keepBytes: true,
    signal,
    onProgress(told) {
      if (told.step === "end") checks.push(check(server, told.pi, told.boot));
    },
  });
  const results = await Promise.all(checks);
  const clones = await server.commands.clones({});
  const rows = clones.map((c) => [c.node, c.image, bytes(c.size), bytes(c.ownBytes)]);
  console.log(`\n${table(["CLONE", "IMAGE", "SIZE", "OWN"], rows)}`);
  return results.every((good) => good);
}

/** One board's line in the terminal: did it get its kernel, with the right bytes, and how fast? */
async function check(server: CommandedServer, pi: VirtualPi, boot: SimBoot): Promise<boolean> {
  const wrong = boot.outcome === "kernel" ? await wrongBytes(server, pi, boot) : [];
  const good = boot.outcome === "kernel" && wrong.length === 0;
  const files = boot.requests.filter((request) => request.result === "read");
  const size = bytes(files.reduce((sum, file) => sum + file.bytes, 0));
  const words = good
    ? `${boot.kernel?.path} and ${files.length - 1} other files, ${size}, in ${(boot.ms / 1000).toFixed(2)} s`
    : wrong.length > 0
      ? `wrong bytes: ${wrong.join(", ")}`
      : boot.reason;
  console.log(`${good ? pc.green("●") : pc.red("●")} Pi ${pi.model.padEnd(3)} ${pi.serial}  ${words}`);
  if (good) await stopVirtualBoard(boot, boot.address ?? "127.0.0.1");
  return good;
}

const masked = (bytes: Buffer): string =>
  bytes.toString("latin1").replace(/bramble\.(server|boot|token)=\S+/g, "bramble.$1=");

/** Compares what the board received with what its boot tree holds, by another way: the command line's. */
async function wrongBytes(server: CommandedServer, pi: VirtualPi, boot: SimBoot): Promise<string[]> {
  const wrong: string[] = [];
  for (const [path, file] of boot.files) {
    const { base64 } = await server.commands.nodeFile({ node: pi.mac, path });
    const expected = Buffer.from(base64, "base64");
    const received = Buffer.from(file.bytes ?? []);
    const same = path.endsWith("cmdline.txt")
      ? masked(received) === masked(expected) // each boot's token is its own
      : createHash("sha256").update(expected).digest("hex") === file.sha256 && expected.equals(received);
    if (!same) wrong.push(path);
  }
  return wrong;
}
