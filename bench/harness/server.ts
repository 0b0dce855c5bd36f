import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { connect, createServer } from "node:net";

export interface StartOptions {
  command: string;
  args: readonly string[];
  env?: Record<string, string>;
  /** Ready when this TCP port takes connections; without it, when the server prints a line that begins with "ready". */
  port?: number;
  timeoutMs?: number;
}

/** A server that is measured, in a process of its own. */
export interface Server {
  readonly pid: number;
  /** What followed "ready" in the line that said so: JSON, or undefined. */
  readonly ready: unknown;
  /** CPU seconds of the process until now, all its threads. */
  cpuSeconds(): number;
  rssMb(): number;
  /** Ends it; rejects if it had ended by itself with an error. */
  stop(): Promise<void>;
}

/** Linux counts CPU time in these (getconf CLK_TCK). */
const TICKS_PER_SECOND = 100;

/** CPU seconds of a process until now, all its threads. */
export function cpuSecondsOf(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, "latin1").split(") ").at(-1)?.split(" ") ?? [];
  return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND; // utime, stime: fields 14 and 15 of proc(5)
}

export async function startServer(options: StartOptions): Promise<Server> {
  const child = spawn(options.command, options.args, {
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...process.env, ...options.env },
  });
  const heard: string[] = [];
  child.stderr.on("data", (data: Buffer) => heard.push(data.toString()));
  const ended = once(child, "close").then(([code]) => {
    throw new Error(`${options.command} ended with ${code}: ${heard.join("").slice(-500)}`);
  });
  ended.catch(() => {}); // who waits for it hears of it
  const timeoutMs = options.timeoutMs ?? 60_000;
  const late = setTimeout(() => {
    heard.push(`it was not ready within ${timeoutMs / 1000} s, and was killed`);
    child.kill("SIGKILL");
  }, timeoutMs);
  const ready = await Promise.race([
    options.port === undefined ? readyLine(child) : portOpens(options.port, timeoutMs),
    ended,
  ]).finally(() => clearTimeout(late));
  child.stdout.resume();
  const pid = child.pid as number;
  return {
    pid,
    ready,
    cpuSeconds: () => cpuSecondsOf(pid),
    rssMb() {
      const kb = /^VmRSS:\s*(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, "latin1"))?.[1];
      return Math.round(Number(kb) / 1024);
    },
    async stop() {
      if (child.exitCode !== null) return void (await ended);
      child.kill("SIGTERM");
      const hard = setTimeout(() => child.kill("SIGKILL"), 5000);
      await ended.catch(() => {}); // its code after SIGTERM says nothing
      clearTimeout(hard);
    },
  };
}

/** Resolves with what follows "ready"; never, if the server ends first: then the other half of the race says why. */
function readyLine({ stdout }: ChildProcess): Promise<unknown> {
  return new Promise((resolve, reject) => {
    let text = "";
    const read = (data: Buffer) => {
      text += data.toString();
      const line = /^ready(.*)\n/m.exec(text);
      if (!line) return;
      stdout?.off("data", read);
      try {
        resolve(line[1]?.trim() ? JSON.parse(line[1]) : undefined);
      } catch (error) {
        reject(error);
      }
    };
    stdout?.on("data", read);
  });
}

async function portOpens(port: number, timeoutMs: number): Promise<void> {
  for (const end = Date.now() + timeoutMs; ; ) {
    const socket = connect(port, "127.0.0.1");
    try {
      await once(socket, "connect");
      return;
    } catch (error) {
      if (Date.now() > end) throw error;
      await new Promise((resolve) => setTimeout(resolve, 10));
    } finally {
      socket.destroy();
    }
  }
}

/** A TCP port that nobody uses now. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const at = server.address();
  server.close();
  await once(server, "close");
  if (typeof at !== "object" || !at) throw new Error("no port");
  return at.port;
}
