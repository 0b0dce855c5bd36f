import { spawnSync } from "node:child_process";
import { chownSync, readFileSync } from "node:fs";
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

/**
 * Started as root by somebody: starts this very program anew as that person with three capabilities only, and ends with
 * its exit code. Returns where there is nothing to drop (not root, plain root, --keep-root, no setpriv).
 */
export function dropRoot(data: string, say: (words: string) => void): void {
  const person = caller();
  if (process.getuid?.() !== 0 || process.platform !== "linux" || !person || process.env["BRAMBLE_DROPPED"])
    return;
  chownSync(data, person.uid, person.gid);
  const caps = KEPT.map((name) => `+${name}`).join(",");
  const { status, signal, error } = spawnSync(
    "setpriv",
    [
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
    ],
    { stdio: "inherit", env: { ...process.env, BRAMBLE_DROPPED: "1" } },
  );
  if (error) {
    say(`setpriv could not be run (${error.message}): going on as root`);
    return;
  }
  process.exit(status ?? (signal ? 1 : 0));
}

/** A folder that root made for the person must be the person's. */
export function notRootsFolder(data: string): void {
  const person = caller();
  if (process.getuid?.() === 0 && !person && process.env["SUDO_UID"]) {
    throw new BrambleError("BAD_INPUT", `who shall own ${data}?`, {
      hint: "start it with sudo, or add --keep-root",
    });
  }
}
