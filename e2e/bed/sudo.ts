import { existsSync, readFileSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { BRAMBLE } from "./cli.ts";
import { sh } from "./commands.ts";

/** Debian's nobody: an account that exists everywhere. */
export const PERSON = 65_534;

/** May this process become somebody else? Not in a namespace that knows root only. */
export const canBecomeOthers = (): boolean =>
  / 4294967295\s*$/.test(readFileSync("/proc/self/uid_map", "latin1"));

/**
 * A place that any account can reach, wherever the checkout and the cache are: an empty data folder of root's, and the
 * words that run Bramble from there. In this scenario's mount namespace only.
 */
export async function publicPlace(): Promise<{ data: string; bramble: readonly string[] }> {
  let checkout = dirname(fileURLToPath(import.meta.url));
  while (!existsSync(join(checkout, "package.json"))) checkout = dirname(checkout);
  await sh("mount -t tmpfs -o mode=755 tmpfs /mnt");
  await mkdir("/mnt/bramble");
  await mkdir("/mnt/data", { mode: 0o700 });
  await sh(`mount --bind ${checkout} /mnt/bramble`);
  const bramble = BRAMBLE.map((word) => word.replace(checkout, "/mnt/bramble"));
  return { data: "/mnt/data", bramble };
}

/** What the kernel says of a process: /proc/PID/status. */
export function processStatus(pid: number): Map<string, string> {
  const lines = readFileSync(`/proc/${pid}/status`, "latin1").split("\n");
  return new Map(lines.map((line) => line.split(":\t").map((part) => part.trim()) as [string, string]));
}
