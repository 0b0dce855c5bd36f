import { existsSync } from "node:fs";
import type { Command } from "commander";
import { connectCommands } from "../../api/client.ts";
import type { Calls } from "../../api/contract.ts";
import type { Context } from "../../api/route.ts";
import { LOCAL } from "../../fleet/actor.ts";
import { localCommands } from "../commands.ts";
import { openCore } from "../core.ts";
import { dataFolder, dataPath, tryLock } from "../data.ts";
import { asOwner } from "../privileges.ts";
import { chosenServer } from "./logins.ts";
import type { Output } from "./print.ts";

export interface GlobalOptions {
  data?: string;
  output: Output;
  verbose?: boolean;
  /** A Bramble elsewhere. */
  server?: string;
  token?: string;
}

/** The options before the command. */
export const globals = (command: Command): GlobalOptions => command.optsWithGlobals() as GlobalOptions;

/**
 * Runs a command: at the server that was named; else on the data folder, through the running server's socket where there is one, else by
 * opening the folder for as long as it takes.
 */
export async function withCommands<T>(
  options: GlobalOptions,
  work: (commands: Calls, running: boolean) => Promise<T>,
): Promise<T> {
  const server = chosenServer(options);
  if (server) return work(connectCommands(server), true);
  const path = dataPath(options.data);
  // first: what is missing in the folder is made by its owner
  if (existsSync(path)) await asOwner(path);
  const data = dataFolder(path);
  await asOwner(path);
  const free = tryLock(data.root);
  if (!free) return work(connectCommands(data.socket), true);
  free.release();
  const core = await openCore({ data: data.root, warn: console.error });
  try {
    return await work(localCommands(core), false);
  } finally {
    await core.close();
  }
}

/** What a call from this terminal brings along. */
export const fromHere = (more: Partial<Context> = {}): Context => ({
  by: LOCAL,
  progress() {},
  signal: new AbortController().signal,
  ...more,
});
