import { type ChildProcess, execFile, type SpawnOptions, spawn } from "node:child_process";
import { promisify } from "node:util";
import { which } from "../../test/tools.ts";

const exec = promisify(execFile);

/** Output of a program; anything but exit code 0 throws with what it said. */
export async function output(
  tool: string,
  args: readonly string[],
  options: { env?: NodeJS.ProcessEnv } = {},
): Promise<string> {
  const { stdout } = await exec(which(tool) ?? tool, args, {
    maxBuffer: 1 << 26,
    env: { ...process.env, ...options.env },
  });
  return stdout;
}

/** Runs `line` of plain words, for the many small `ip` commands. */
export const sh = (line: string): Promise<string> => {
  const [tool = "", ...args] = line.split(" ");
  return output(tool, args);
};

export interface Running {
  process: ChildProcess;
  /** Everything that it wrote, standard output and error. */
  text(): string;
  /** Resolves when `pattern` has been written; rejects after `seconds`, or when the program ends before. */
  saw(pattern: RegExp, seconds: number): Promise<RegExpMatchArray>;
  /** Resolves with its exit code or signal. */
  ended: Promise<number | string>;
  stop(signal?: NodeJS.Signals): Promise<void>;
}

/** A program beside the scenario: its output is kept, and can be waited for. */
export function start(
  tool: string,
  args: readonly string[],
  options: SpawnOptions & { onText?: (text: string) => void } = {},
): Running {
  const { onText, ...spawning } = options;
  const child = spawn(which(tool) ?? tool, args, { stdio: ["ignore", "pipe", "pipe"], ...spawning });
  let text = "";
  let isOver = false;
  const watchers = new Set<() => void>();
  const add = (chunk: Buffer) => {
    text += chunk.toString("latin1");
    onText?.(chunk.toString("latin1"));
    for (const look of watchers) look();
  };
  child.stdout?.on("data", add);
  child.stderr?.on("data", add);
  const ended = new Promise<number | string>((resolve) => {
    const over = (how: number | string) => {
      isOver = true;
      resolve(how);
      for (const look of watchers) look();
    };
    child.once("error", (error) => over(error.message));
    child.once("close", (code, signal) => over(code ?? signal ?? 0));
  });
  const saw = (pattern: RegExp, seconds: number) =>
    new Promise<RegExpMatchArray>((resolve, reject) => {
      const finish = (result: () => void) => {
        clearTimeout(timer);
        watchers.delete(look);
        result();
      };
      const fail = (why: string) =>
        finish(() =>
          reject(new Error(`${tool} ${why} before ${pattern}; it said last:\n${text.slice(-2000)}`)),
        );
      const look = () => {
        const match = pattern.exec(text);
        if (match) finish(() => resolve(match));
        else if (isOver) fail("ended");
      };
      const timer = setTimeout(() => fail(`ran ${seconds} s`), seconds * 1000);
      watchers.add(look);
      look();
    });
  const stop = async (signal: NodeJS.Signals = "SIGTERM") => {
    if (isOver) return;
    child.kill(signal);
    const kill = setTimeout(() => child.kill("SIGKILL"), 10_000);
    await ended;
    clearTimeout(kill);
  };
  return { process: child, text: () => text, saw, ended, stop };
}
