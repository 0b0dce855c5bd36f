import { execFile } from "node:child_process";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { connectCommands } from "../../src/api/client.ts";
import type { Calls } from "../../src/api/contract.ts";

const ENDING = import.meta.url.slice(-3);
const MAIN = fileURLToPath(new URL(`../../src/app/main${ENDING}`, import.meta.url));

/** Words of a command line that run Bramble's CLI. */
export const BRAMBLE: readonly string[] = [process.execPath, ...process.execArgv, MAIN];

export interface Said {
  code: number;
  out: string;
  err: string;
}

/** A CLI command as a person types it, good or bad. */
export function bramble(data: string, ...args: string[]): Promise<Said> {
  const [node = "", ...words] = BRAMBLE;
  const env = { ...process.env, NO_COLOR: "1" };
  return new Promise((resolve) => {
    execFile(node, [...words, "--data", data, ...args], { env, maxBuffer: 1 << 26 }, (error, out, err) =>
      resolve({ code: error ? Number(error.code ?? 1) : 0, out, err }),
    );
  });
}

/** The same commands as the CLI's, without a new process for each: through the running server's socket. */
export const api = (data: string): Calls => connectCommands(join(data, "bramble.sock"));
