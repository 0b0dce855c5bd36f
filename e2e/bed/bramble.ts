import { existsSync } from "node:fs";
import { cp, mkdir, symlink } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { connectCommands } from "../../src/api/client.ts";
import type { BootDetail, EventView } from "../../src/api/contract.ts";
import type { Stage } from "../scenario.ts";
import { output, type Running, start } from "./commands.ts";
import type { Network } from "./network.ts";

const ENDING = import.meta.url.slice(-3);
const MAIN = fileURLToPath(new URL(`../../src/app/main${ENDING}`, import.meta.url));

/** Bramble as a person runs it: `bramble up` on the network's switch, and its CLI beside it. */
export interface Bramble {
  data: string;
  server: Running;
  /** A CLI command's JSON, through the running server's socket. */
  cli<T = unknown>(...args: string[]): Promise<T>;
  /** Without a process for each question: it is asked again and again. */
  explain(node: string): Promise<{ boot?: BootDetail; events: EventView[] }>;
  /** Starts it again on the same data folder. */
  again(): Promise<void>;
}

export interface BrambleOptions {
  network: Network;
  /** Options of `up` beside interface and ports. */
  up: string[];
  /** For several in one scenario. */
  data?: string;
}

/** The same agent is built once for all scenarios of a run. */
export async function shareAgents(t: Stage, data: string): Promise<void> {
  const built = join(t.shared, "built");
  await mkdir(built, { recursive: true });
  if (!existsSync(join(data, "agent/built"))) await symlink(built, join(data, "agent/built"));
}

export async function startBramble(t: Stage, options: BrambleOptions): Promise<Bramble> {
  const data = options.data ?? join(t.folder, "data");
  await mkdir(data, { recursive: true });
  await cp(t.asset("agent-packages"), join(data, "agent"), { recursive: true });
  await shareAgents(t, data);
  const node = [...process.execArgv, MAIN, "--data", data];
  const env = { ...process.env, NO_COLOR: "1" };
  const launch = async () => {
    const args = [...node, "up", "--keep-root", "-i", options.network.interface, ...options.up];
    const server = start(process.execPath, args, { env });
    t.atEnd(() => server.stop());
    await server.saw(/page http:/, 60);
    return server;
  };
  const bramble: Bramble = {
    data,
    server: await launch(),
    cli: async <T>(...args: string[]) =>
      JSON.parse((await output(process.execPath, [...node, "-o", "json", ...args], { env })) || "null") as T,
    explain: (node) => connectCommands(join(data, "bramble.sock")).explain({ node }),
    async again() {
      await bramble.server.stop();
      bramble.server = await launch();
    },
  };
  return bramble;
}
