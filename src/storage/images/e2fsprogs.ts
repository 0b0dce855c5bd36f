// e2fsprogs, the ext file systems' own tools: what changes one of these is done by them.
import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { promisify } from "node:util";
import { BrambleError } from "../../base/errors.ts";

/** Where programs of the administrator's lie, also for people who have no such path. */
const PATH = `${process.env["PATH"] ?? ""}:/usr/sbin:/sbin`;

export interface ToolWish {
  /** Exit codes that are no failure. */
  good: readonly number[];
  signal?: AbortSignal | undefined;
  /** The beginning of the sentence that says what failed, and what to do then. */
  failed: string;
  hint?: string;
  /** What else than installing the tool helps where it is missing. */
  without?: string;
}

/** Throws FORMAT_VALUE with the tool's last words, TOOL_MISSING, CANCELLED. */
export async function tool(name: string, args: string[], wish: ToolWish): Promise<void> {
  const { good, signal, failed, hint } = wish;
  const run = promisify(execFile);
  const env = { ...process.env, PATH, LC_ALL: "C" };
  try {
    await run(name, args, { env, maxBuffer: 1 << 26, ...(signal && { signal }) });
  } catch (error) {
    const {
      code,
      stdout = "",
      stderr = "",
    } = error as { code?: number | string; stdout?: string; stderr?: string };
    if (signal?.aborted) throw new BrambleError("CANCELLED", "it was stopped", { cause: error });
    if (code === "ENOENT") throw missing(name, wish);
    if (typeof code === "number" && good.includes(code)) return;
    const words = (stderr || stdout).trim().split("\n").at(-1) ?? "";
    throw new BrambleError("FORMAT_VALUE", `${failed}: ${words}`, { ...(hint && { hint }), cause: error });
  }
}

/** Runs debugfs with a script of commands on a file system. Its exit code says nothing: whatever it complains of is a failure. */
export async function debugfs(
  image: string,
  script: string,
  wish: Pick<ToolWish, "signal" | "failed">,
): Promise<void> {
  const { signal, failed } = wish;
  const child = spawn("debugfs", ["-w", "-f", script, image], {
    stdio: ["ignore", "ignore", "pipe"],
    env: { ...process.env, PATH, LC_ALL: "C" },
    ...(signal && { signal }),
  });
  let said = "";
  child.stderr.on("data", (bytes: Buffer) => {
    if (said.length < 1 << 16) said += bytes.toString("latin1");
  });
  try {
    await once(child, "close");
  } catch (error) {
    if (signal?.aborted) throw new BrambleError("CANCELLED", "it was stopped", { cause: error });
    if ((error as NodeJS.ErrnoException).code === "ENOENT") throw missing("debugfs", {});
    throw error;
  }
  const complaint = said.split("\n").find((line) => line !== "" && !/^debugfs \d/.test(line));
  if (complaint !== undefined) throw new BrambleError("FORMAT_VALUE", `${failed}: ${complaint}`);
}

const missing = (name: string, { without }: Pick<ToolWish, "without">) =>
  new BrambleError("TOOL_MISSING", `${name} is not installed here`, {
    hint: `sudo apt install e2fsprogs${without ? `; ${without}` : ""}`,
  });
