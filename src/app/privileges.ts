import { lchownSync, lstatSync, readdirSync, readFileSync, realpathSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import { BrambleError } from "../base/errors.ts";

const KEPT = ["net_bind_service", "net_raw", "net_admin"] as const;
/** Bits of /proc/self/status CapEff (linux/capability.h). */
const BITS: Record<(typeof KEPT)[number], number> = { net_bind_service: 10, net_admin: 12, net_raw: 13 };
/** What is lost without each. */
const COSTS: Record<(typeof KEPT)[number], string> = {
  net_bind_service: "ports below 1024 (DHCP 67, TFTP 69) cannot be opened",
  net_raw: "a Pi 3 may miss its OFFER: no ARP before it, no answer to a client without an address",
  net_admin: "the ARP entry of a Pi 3's ROM cannot be pinned: its TFTP may stall",
};

/** Which of the three capabilities this process lacks, and what each costs. */
export function lacking(): string[] {
  if (process.platform !== "linux") {
    return process.getuid?.() === 0 ? [] : ["not root: ports below 1024 cannot be opened"];
  }
  const mask = BigInt(
    `0x${/^CapEff:\s*([0-9a-f]+)/m.exec(readFileSync("/proc/self/status", "latin1"))?.[1] ?? "0"}`,
  );
  return KEPT.filter((name) => ((mask >> BigInt(BITS[name])) & 1n) === 0n).map(
    (name) => `without CAP_${name.toUpperCase()}: ${COSTS[name]}`,
  );
}

/** Who called: the person behind sudo, else nobody to become. */
function caller(): { uid: number; gid: number } | undefined {
  const uid = Number(process.env["SUDO_UID"]);
  const gid = Number(process.env["SUDO_GID"]);
  return process.env["SUDO_UID"] && uid > 0 ? { uid, gid: gid > 0 ? gid : uid } : undefined;
}

/** Everything in the folder that is root's becomes the person's. */
function give(folder: string, person: { uid: number; gid: number }): void {
  const own = (path: string) => {
    if (lstatSync(path).uid === 0) lchownSync(path, person.uid, person.gid);
  };
  own(folder);
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) give(path, person);
    else own(path);
  }
}

/**
 * Started as root by somebody: goes on as that person with three capabilities only, as a new program in this very
 * process; the data folder becomes the person's. Returns where there is nothing to drop (not root, plain root, dropped before).
 */
export async function dropRoot(data: string, say: (words: string) => void): Promise<void> {
  const person = caller();
  if (process.getuid?.() !== 0 || process.platform !== "linux" || !person || process.env["BRAMBLE_DROPPED"])
    return;
  give(data, person);
  process.env["BRAMBLE_DROPPED"] = "1";
  const caps = KEPT.map((name) => `+${name}`).join(",");
  const why = await become("setpriv", [
    `--reuid=${person.uid}`,
    `--regid=${person.gid}`,
    "--init-groups",
    `--inh-caps=-all,${caps}`,
    `--ambient-caps=-all,${caps}`,
    `--bounding-set=-all,${caps}`,
    "--no-new-privs",
    process.execPath,
    ...process.execArgv,
    ...process.argv.slice(1),
  ]);
  say(`setpriv could not be run (${why}): going on as root`);
}

/** <fcntl.h> */
const F_SETFD = 2;

/** execvp(3): signals, exit code and terminal stay this process's own. Returns only where it failed, with why. */
async function become(program: string, words: string[]): Promise<string> {
  const { default: koffi } = await import("koffi");
  const libc = koffi.load(null);
  const execvp = libc.func("int execvp(const char*, const char**)");
  const fcntl = libc.func("int fcntl(int, int, ...)");
  for (const fd of [0, 1, 2]) fcntl(fd, F_SETFD, "int", 0); // Node has marked them to be closed
  execvp(program, [program, ...words, null]);
  return `error ${koffi.errno()}`;
}

/** May this account search every folder on the way to this one? */
function mayReach(folder: string, { uid, gid }: { uid: number; gid: number }): boolean {
  for (let at = realpathSync(folder); ; at = dirname(at)) {
    const { mode, ...owner } = statSync(at);
    const bit = owner.uid === uid ? 0o100 : owner.gid === gid ? 0o010 : 0o001;
    if ((mode & bit) === 0) return false;
    if (at === dirname(at)) return true;
  }
}

/**
 * A command started as root works as the data folder's owner: what it writes there, the server can read. Where the way there is
 * closed to the owner (/var/lib/private, systemd.exec(5) DynamicUser=), it goes on as a new program in this process, which may pass.
 */
export async function asOwner(data: string): Promise<void> {
  if (process.getuid?.() !== 0 || process.platform !== "linux") return;
  const person = caller();
  if (person && statSync(data).uid === 0) give(data, person);
  const { uid, gid } = statSync(data);
  if (uid === 0) return;
  if (mayReach(data, { uid, gid })) {
    process.setgroups?.([gid]);
    process.setgid?.(gid);
    process.setuid?.(uid);
    return;
  }
  const pass = (kind: string) => `--${kind}=-all,+dac_read_search`;
  const why = await become("setpriv", [
    ...[`--reuid=${uid}`, `--regid=${gid}`, "--clear-groups", "--no-new-privs"],
    ...["inh-caps", "ambient-caps", "bounding-set"].map(pass),
    ...[process.execPath, ...process.execArgv, ...process.argv.slice(1)],
  ]);
  throw new BrambleError(
    "TOOL_MISSING",
    `setpriv, to work as the owner of ${data}, could not be run (${why})`,
    {
      hint: "it is in Debian's package util-linux",
    },
  );
}
