// Programs of the operator's own that switch power: an argument list, never a shell.
import { spawn } from "node:child_process";
import { BrambleError } from "../base/errors.ts";
import type { PowerReading, PowerTarget } from "../base/power.ts";
import type { PowerDriver } from "./driver.ts";
import { stateOfText } from "./vendors.ts";

const MOST_OUTPUT = 64 * 1024;

/**
 * Runs a program; `{name}` in its arguments stands for a value, and is never split or read by a shell. Gives its standard output.
 * POWER_REFUSED with the last of what it said on its standard error where it does not end with 0.
 */
export function runArgv(
  argv: readonly string[],
  values: Record<string, string>,
  signal: AbortSignal,
): Promise<string> {
  const [program = "", ...rest] = argv.map((part) =>
    part.replace(/\{(\w+)\}/g, (whole, name: string) => values[name] ?? whole),
  );
  return new Promise((resolve, reject) => {
    const child = spawn(program, rest, { stdio: ["ignore", "pipe", "pipe"], signal, killSignal: "SIGKILL" });
    let out = "";
    let err = "";
    child.stdout.on("data", (chunk) => {
      if (out.length < MOST_OUTPUT) out += chunk;
    });
    child.stderr.on("data", (chunk) => {
      err = (err + chunk).slice(-500);
    });
    child.on("error", (cause) => {
      if (signal.aborted) return reject(signal.reason);
      reject(new BrambleError("POWER_REFUSED", `${program} could not be run: ${cause.message}`, { cause }));
    });
    child.on("close", (code, killed) => {
      if (signal.aborted) return reject(signal.reason);
      if (code === 0) return resolve(out);
      reject(
        new BrambleError(
          "POWER_REFUSED",
          `${program} ended with ${code ?? killed}: ${err.trim() || "it said nothing"}`,
        ),
      );
    });
  });
}

export interface ExecOptions {
  /** With `{state}`: on, off, cycle or status; `{port}`, `{node}`, `{serial}`, `{mac}`. */
  argv: readonly string[];
  /** It answers `status`, with JSON that has `state` or with a word: else its exit code must do. */
  reads: boolean;
  now(): number;
}

export function exec({ argv, reads, now }: ExecOptions): PowerDriver {
  const run = (state: string, target: PowerTarget, signal: AbortSignal) =>
    runArgv(argv, { state, ...valuesOf(target) }, signal);
  return {
    kind: "exec",
    caps: { read: reads, cycleAtomic: false, measure: false },
    async get(target, signal) {
      if (!reads) return { state: "unknown", adminOn: null, atMs: now() };
      return readingOfText(await run("status", target, signal), now());
    },
    async set(target, on, signal) {
      await run(on ? "on" : "off", target, signal);
    },
    close() {},
  };
}

/** What templates of arguments and URLs may name. */
export const valuesOf = ({ port, node }: PowerTarget): Record<string, string> => ({
  port,
  node: node?.name ?? "",
  serial: node?.serial ?? "",
  mac: node?.mac ?? "",
});

/** `{"state": "on", "watts": 4.2}`, or the word alone. */
export function readingOfText(text: string, atMs: number): PowerReading {
  let told: unknown;
  try {
    told = JSON.parse(text);
  } catch {
    told = { state: text.trim() };
  }
  const { state, watts } = (told ?? {}) as { state?: unknown; watts?: unknown };
  const word = String(state ?? "").toLowerCase();
  const known = ["on", "off", "searching", "fault", "unknown"].includes(word);
  const is = known ? (word as PowerReading["state"]) : stateOfText(word);
  return {
    state: is,
    adminOn: is === "unknown" ? null : is !== "off",
    atMs,
    ...(typeof watts === "number" && { milliwatts: Math.round(watts * 1000) }),
  };
}
