import { spawn } from "node:child_process";
import { accessSync, constants } from "node:fs";
import { delimiter, join } from "node:path";
import type { Duplex } from "node:stream";
import { pipeline } from "node:stream/promises";

/** Pushes `chunks` through a Node transform stream, with back-pressure; an error of either side comes out. */
export async function* through(
  chunks: AsyncIterable<Uint8Array>,
  transform: Duplex,
): AsyncGenerator<Uint8Array> {
  const feeding = pipeline(chunks, transform);
  feeding.catch(() => {}); // seen below, or by the reader of `transform`
  try {
    yield* transform as AsyncIterable<Uint8Array>;
    await feeding;
  } finally {
    transform.destroy();
  }
}

/** Where a program of the PATH is, or undefined. */
export const program = (name: string): string | undefined =>
  (process.env["PATH"] ?? "")
    .split(delimiter)
    .filter((folder) => folder !== "")
    .map((folder) => join(folder, name))
    .find((path) => {
      try {
        accessSync(path, constants.X_OK);
        return true;
      } catch {
        return false;
      }
    });

/** Pushes `chunks` through a program's standard input and output; an exit code other than 0 throws what it said. */
export async function* throughProgram(
  chunks: AsyncIterable<Uint8Array>,
  path: string,
  args: string[],
): AsyncGenerator<Uint8Array> {
  const child = spawn(path, args, { stdio: ["pipe", "pipe", "pipe"] });
  let said = "";
  child.stderr.on("data", (text: Buffer) => {
    if (said.length < 4096) said += text.toString();
  });
  const ended = new Promise<{ code: number | null; signal: string | null }>((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code, signal) => resolve({ code, signal }));
  });
  ended.catch(() => {});
  let sourceFailed: { error: unknown } | undefined;
  const watched = async function* () {
    try {
      yield* chunks;
    } catch (error) {
      sourceFailed = { error };
      throw error;
    }
  };
  // A program that refuses its input closes the pipe (EPIPE): its own words are the better error.
  const feeding = pipeline(watched, child.stdin).catch(() => {});
  try {
    yield* child.stdout as AsyncIterable<Uint8Array>;
    await feeding;
    const { code, signal } = await ended;
    if (sourceFailed) throw sourceFailed.error;
    if (code !== 0) throw new Error(said.trim() || `${path} ended with ${signal ?? code}`);
  } finally {
    child.kill("SIGKILL");
    // What the program itself has started may hold these open for long after it.
    for (const stream of [child.stdin, child.stdout, child.stderr]) stream.destroy();
  }
}
