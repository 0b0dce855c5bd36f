import { InvalidArgumentError } from "commander";
import pc from "picocolors";
import { problemOf } from "../../api/problem.ts";
import { BrambleError, type Code } from "../../base/errors.ts";
import type { Output } from "./print.ts";

/** What the system refuses, in our words: code, what to do. */
const SYSTEM: Readonly<Record<string, readonly [Code, string]>> = {
  EADDRINUSE: [
    "PORT_TAKEN",
    "another program has that port, perhaps a Bramble: `bramble doctor` says which; or take another port: `bramble up --help`",
  ],
  EADDRNOTAVAIL: [
    "BAD_INPUT",
    "this machine does not have that address: `ip -4 addr` lists those that it has",
  ],
  ENOTFOUND: ["BAD_INPUT", "no machine of that name is known: look at its spelling, or write its address"],
  ENOENT: ["FILE_UNKNOWN", "look at the path"],
  ENOTDIR: ["FILE_UNKNOWN", "a part of that path is a file, not a folder"],
  EEXIST: ["BAD_INPUT", "something else is there already: give another path"],
  EISDIR: ["BAD_INPUT", "that is a folder, and a file is wanted"],
  ENOSPC: ["DISK_FULL", "free some space there"],
  EROFS: ["BAD_INPUT", "nothing can be written there: give another path"],
};
const MAY_NOT =
  "who runs this has no right to it: `ls -ld` of the path says whose it is; ports below 1024 need sudo";

/** Errors of the system that the caller can mend, as errors of ours; undefined: that is no such error. */
function fromSystem(thrown: unknown): BrambleError | undefined {
  const { code = "", syscall, message } = thrown as NodeJS.ErrnoException;
  if (syscall === undefined) return undefined;
  const [ours, hint] = SYSTEM[code] ?? (/^(EACCES|EPERM)$/.test(code) ? ["BAD_INPUT", MAY_NOT] : []);
  return ours && new BrambleError(ours as Code, message, { cause: thrown, ...(hint && { hint }) });
}

/** What commander did not print itself: thrown where a command runs. */
const fromCommand = (thrown: unknown): BrambleError | undefined =>
  thrown instanceof InvalidArgumentError ? new BrambleError("BAD_INPUT", thrown.message) : undefined;

/**
 * The error as a person wants it: what, and what to do; for programs one line of JSON. The exit code is 1.
 * Where it comes from is told to who asks for it by --verbose.
 */
export function complain(thrown: unknown, output: Output, verbose: boolean): void {
  const told = thrown instanceof Error ? (fromCommand(thrown) ?? fromSystem(thrown) ?? thrown) : thrown;
  const { code, hint = ownFault(told) } = problemOf(told);
  const title = told instanceof Error ? told.message : String(told);
  if (output === "json") console.error(JSON.stringify({ code, title, hint }));
  else {
    console.error(`${pc.red("error:")} ${title}`);
    if (hint) console.error(`${pc.dim("hint:")}  ${hint}`);
  }
  if (verbose) console.error(pc.dim((thrown as Error).stack ?? ""));
}

const ownFault = (told: unknown): string | undefined =>
  told instanceof BrambleError && told.code !== "INTERNAL"
    ? undefined
    : "this is a fault of Bramble's own: the same with --verbose shows where; `bramble support` packs what helps to find it";
