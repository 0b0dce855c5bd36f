// The bed of `bench nfs-boot`: one image, two NFS servers, a network of its own. A line "ours", "ours-fast" or "ganesha" on standard input is one boot
// from there; a line "BOOT NUMBER {...}" answers. nfs-boot FOLDER ASSETS, as the first process of namespaces (e2e/namespaces.ts).
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { output } from "../../e2e/bed/commands.ts";
import { bootNode, type Fleet, nodeName, pi4, reached, standUp } from "../../e2e/bed/fleet.ts";
import { startGanesha } from "../../e2e/bed/ganesha.ts";
import { netboot } from "../../e2e/bed/pi.ts";
import { ada, type Shell } from "../../e2e/bed/ssh.ts";
import { settleIn } from "../../e2e/namespaces.ts";
import type { Stage } from "../../e2e/scenario.ts";
import { nfsOptions } from "../../src/fleet/nfs-root.ts";
import type { VirtualPi } from "../../src/sim/board.ts";
import { requestsOf } from "../harness/mountstats.ts";
import type { BootTaken } from "../harness/nfs-boot.ts";
import { cpuSecondsOf } from "../harness/server.ts";

const BOOT_SECONDS = 900;

interface Root {
  pi: VirtualPi;
  /** The server's process. */
  pid: number;
}

/** Nodes 1 and 3 have trees of ours, durable and fast; node 2 has ganesha's folder, which is its tree of ours as it was before its first boot. */
async function roots(t: Stage, fleet: Fleet): Promise<Record<string, Root>> {
  const { cli, server } = fleet.bramble;
  const [own, other, fast] = [pi4(1), pi4(2), pi4(3)];
  const name = nodeName(other);
  const exported = join(t.folder, "exported");
  const tar = join(t.folder, "tree.tar");
  await mkdir(join(exported, name), { recursive: true });
  await cli("profile", "set", "default", "--root", "nfs");
  await netboot(t, fleet.network, other); // enrols it: its tree is there
  await cli("clone", "export", name, tar);
  await output("tar", [
    "--xattrs",
    "--xattrs-include=*",
    "--numeric-owner",
    "-xpf",
    tar,
    "-C",
    join(exported, name),
  ]);
  const ganesha = await startGanesha(t, fleet.network, exported);
  // as ours, but for the ports, which ganesha's port mapper tells
  const options = nfsOptions(0)
    .split(",")
    .filter((word) => !/port=0|vers=|nolock|proto/.test(word));
  const external = `nfs:${ganesha.address}:${exported}/{node},${options.join(",")}`;
  await cli("node", "set", name, "--root", "external", "--external", external);
  await netboot(t, fleet.network, fast);
  await cli("node", "set", nodeName(fast), "--nfs-durability", "fast"); // from its next boot on
  const pid = Number(server.process.pid);
  return {
    ours: { pi: own, pid },
    "ours-fast": { pi: fast, pid },
    ganesha: { pi: other, pid: ganesha.pid },
  };
}

/** One boot to the end, and the machine off again. */
async function take(t: Stage, fleet: Fleet, root: Root, on: (address: string) => Shell): Promise<BootTaken> {
  const { fetched, guest } = await bootNode(t, fleet, root.pi, { memoryMb: 1024, cores: 2 });
  const bramble = Number(fleet.bramble.server.process.pid);
  const spent = () => ({ cpuSeconds: cpuSecondsOf(root.pid), brambleSeconds: cpuSecondsOf(bramble) });
  const before = spent();
  await reached(fleet, root.pi, "booted", BOOT_SECONDS);
  const after = spent();
  const shell = on(fetched.boot.address ?? "");
  const [state = "", entered = "", options = "", ...mountstats] = (await shell.ask(ASK)).split("\n");
  if (state !== "running") throw new Error(`${nodeName(root.pi)} is ${state}`);
  await shell.ask("sudo systemctl poweroff").catch(() => {}); // the connection may end first
  const code = await guest.ended;
  if (code !== 0) throw new Error(`QEMU ended with ${code}: ${guest.text().slice(-500)}`);
  return {
    seconds: Number(entered) / 1e6,
    cpuSeconds: after.cpuSeconds - before.cpuSeconds,
    brambleSeconds: after.brambleSeconds - before.brambleSeconds,
    options,
    requests: requestsOf(mountstats.join("\n")),
  };
}

/** systemd's own word, in microseconds since the kernel's start; how the root is mounted; the kernel's counts of what it asked for. */
const ASK = `systemctl is-system-running --wait
systemctl show --value -p ActiveEnterTimestampMonotonic multi-user.target
findmnt -no OPTIONS /
sed -n '/ mounted on \\/ with fstype nfs/,/^device/p' /proc/self/mountstats`;

const [folder = "", assets = "{}"] = process.argv.slice(2);
const paths = JSON.parse(assets) as Record<string, string>;
const t: Stage = {
  folder,
  shared: join(folder, "shared"),
  asset(name) {
    const path = paths[name];
    if (!path) throw new Error(`no ${name}`);
    return path;
  },
  say: (text) => console.log(text),
  atEnd: () => {}, // all of it ends with the namespaces
};
await settleIn();
const fleet = await standUp(t, "pi-image");
const on = await ada(t, fleet.bramble);
const from = await roots(t, fleet);
console.log("READY");
let boots = 0;
for await (const who of createInterface({ input: process.stdin })) {
  const root = from[who];
  if (!root) throw new Error(`nobody is called ${who}`);
  const taken = await take(t, fleet, root, on);
  console.log(`BOOT ${++boots} ${JSON.stringify(taken)}`);
}
await fleet.bramble.server.stop(); // nobody has to find its data folder, but a profiler its end
process.exit(0);
