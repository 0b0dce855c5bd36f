import { linkSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { threadId } from "node:worker_threads";
import { BrambleError } from "../../base/errors.ts";
import { hostError } from "./host-file.ts";

let counter = 0;

/** Threads of this process that have ended: what they had locked is nobody's. */
const endedThreads = new Set<string>();

/** A thread that opened clones is no more, and did not let go of them. */
export const threadEnded = (id: number): void => {
  endedThreads.add(String(id));
};

/** The host's boot, by its kernel; another one after each reboot. Empty where the system does not tell (then no journal is replayed). */
export function hostBootId(): string {
  return text("/proc/sys/kernel/random/boot_id") ?? "";
}

function text(path: string): string | undefined {
  try {
    return readFileSync(path, "latin1").trim();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw hostError(error, `read ${path}`);
  }
}

/** When a process started, in ticks: tells a process from a later one with the same number (proc(5), field 22 of stat). */
const started = (pid: number): string =>
  text(`/proc/${pid}/stat`)
    ?.replace(/^.*\) /s, "")
    .split(" ")[19] ?? "";

function isAlive(owner: string): boolean {
  const [pid = "", start = "", boot = "", thread = ""] = owner.split(" ");
  if (pid === String(process.pid) && endedThreads.has(thread)) return false;
  if (boot !== hostBootId() || !/^\d+$/.test(pid)) return false;
  try {
    process.kill(Number(pid), 0);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ESRCH") return false; // EPERM: alive, somebody else's
  }
  return start === started(Number(pid));
}

const busy = (path: string, owner: string) =>
  new BrambleError("CLONE_BUSY", `${path} is open for writing in process ${owner.split(" ")[0]}`, {
    hint: "one writer at a time: go through the running server, or stop it",
  });

/** CLONE_BUSY while a living process has the clone open for writing. */
export function refuseIfLocked(path: string): void {
  const owner = text(`${path}.lock`);
  if (owner !== undefined && isAlive(owner)) throw busy(path, owner);
}

/** Takes the clone for writing; the lock of a process that is gone is taken over. Gives back how to let go. */
export function lockClone(path: string): () => void {
  const lock = `${path}.lock`;
  const mine = `${process.pid} ${started(process.pid)} ${hostBootId()} ${threadId}`;
  counter += 1;
  const draft = `${lock}.${process.pid}.${counter}`;
  try {
    writeFileSync(draft, `${mine}\n`);
    for (let attempt = 0; attempt < 4; attempt++) {
      if (linked(draft, lock)) return () => rmSync(lock, { force: true });
      const owner = text(lock);
      if (owner === undefined) continue;
      if (isAlive(owner)) throw busy(path, owner);
      putAside(lock, `${draft}.stale`, owner);
    }
    throw busy(path, "unknown");
  } catch (error) {
    throw hostError(error, `lock ${path}`);
  } finally {
    rmSync(draft, { force: true });
  }
}

function linked(draft: string, lock: string): boolean {
  try {
    linkSync(draft, lock);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EEXIST") return false;
    throw error;
  }
}

/** Two that find the same stale lock: the slower one may take away the faster one's new lock, sees it, and puts it back. */
function putAside(lock: string, aside: string, stale: string): void {
  try {
    renameSync(lock, aside);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return;
    throw error;
  }
  if (text(aside) !== stale) linked(aside, lock);
  rmSync(aside, { force: true });
}
