import { mkdir } from "node:fs/promises";
import { sh } from "./bed/commands.ts";

/** For unshare: namespaces that end with their first process, and everything inside with them; without root also a user namespace. */
export const NAMESPACES = [
  ...["--net", "--pid", "--fork", "--kill-child", "--mount-proc"],
  ...(process.getuid?.() === 0 ? [] : ["--user", "--map-root-user"]),
];

/** What their first process does first. */
export async function settleIn(): Promise<void> {
  // names of network namespaces are files: ours, nobody else's, and gone with us
  await mkdir("/run/netns", { recursive: true });
  await sh("mount -t tmpfs tmpfs /run/netns");
  // /sys as it was mounted outside lists the interfaces outside
  await sh("mount -t sysfs sysfs /sys");
}
