import assert from "node:assert/strict";
import { join } from "node:path";
import { connectCommands } from "../../src/api/client.ts";
import type { EventView } from "../../src/api/contract.ts";
import { QEMU, type Scenario, type Stage } from "../scenario.ts";
import { startBramble } from "./bramble.ts";
import { lookAtClone } from "./clone-look.ts";
import { type Running, start } from "./commands.ts";
import { bootNode, type Fleet, nodeName, pi4, reached } from "./fleet.ts";
import type { Guest } from "./guest.ts";
import { makeNetwork } from "./network.ts";
import { ada, type Shell, SSH } from "./ssh.ts";
import { allOnClone, WRITING, writesOf, wrote } from "./writer.ts";

const NAME = "answer.example";
const ANSWER = "192.0.2.7";
const PI = pi4(1);

/** What both scenarios need. */
export const ROOT_NETWORK: Pick<Scenario, "needs" | "assets"> = {
  needs: [
    QEMU,
    SSH,
    { tool: "dnsmasq", package: "dnsmasq-base" },
    { tool: "debugfs", package: "e2fsprogs" },
    { tool: "qemu-img", package: "qemu-utils" },
  ],
  assets: ["pi-image", "agent-packages"],
};

/** A systemd image with NetworkManager, up on an NBD root, writing; whose interface everybody must leave alone. */
export interface Writing {
  fleet: Fleet;
  guest: Guest;
  shell: Shell;
  writer: Running;
  address: string;
  leaseSeconds: number;
  /** The name server's log. */
  names: Running;
}

export async function startWriting(t: Stage, leaseSeconds: number): Promise<Writing> {
  const network = await makeNetwork();
  const names = start("dnsmasq", [
    ...["--keep-in-foreground", "--conf-file=/dev/null", "--no-resolv", "--no-hosts", "--user=root"],
    ...["--bind-interfaces", `--listen-address=${network.address}`, `--address=/${NAME}/${ANSWER}`],
    ...["--log-queries", "--log-facility=-"],
  ]);
  t.atEnd(() => names.stop());
  const full = ["--mode", "full", "--pool", `${network.host(100)}-${network.host(199)}`, "--enrol", "auto"];
  const told = [
    "--lease-seconds",
    String(leaseSeconds),
    "--dns",
    network.address,
    "--router",
    network.host(254),
  ];
  const bramble = await startBramble(t, { network, up: [...full, ...told, "--image", t.asset("pi-image")] });
  await bramble.server.saw(/becomes every node's image/, 120);
  const fleet = { network, bramble };
  const shellOn = await ada(t, bramble);
  await bramble.cli("profile", "set", "--root", "nbd");
  const { fetched, guest } = await bootNode(t, fleet, PI, { memoryMb: 1024, cores: 2 });
  const boot = await reached(fleet, PI, "booted", 300);
  t.say(
    `booted ${(((boot.steps.at(-1)?.atMs ?? 0) - boot.startedMs) / 1000).toFixed(0)} s after its first DHCP message`,
  );
  const address = fetched.boot.address ?? assert.fail("no address");
  const shell = shellOn(address);
  const writer = shell.start(`sudo sh -c '${WRITING.replaceAll("'", `'\\''`)}'`);
  await wrote(writer, 3, 60);
  return { fleet, guest, shell, writer, address, leaseSeconds, names };
}

/** The address, the way out and the name server are what they were; the disk takes writes. */
export async function untouched(
  { shell, address, writer, names, fleet }: Writing,
  after: string,
): Promise<void> {
  const asked = () => names.text().split(`query[A] ${NAME} from ${address}`).length;
  const before = asked();
  const text = await shell.ask(
    `ip -4 -o addr show eth0; ip -4 route show default; getent ahostsv4 ${NAME} | head -n 1; cat /etc/resolv.conf; pgrep -af ^@/`,
  );
  assert.ok(text.includes(`inet ${address}/24`), `${after}: ${text}`);
  assert.equal(text.match(/inet /g)?.length, 1, `${after}, one address: ${text}`);
  assert.ok(text.includes(`default via ${fleet.network.host(254)} dev eth0`), `${after}: ${text}`);
  assert.match(text, new RegExp(`^${ANSWER.replaceAll(".", "\\.")} `, "m"), `${after}, a name: ${text}`);
  assert.ok(asked() > before, `${after}: the name server was asked`);
  assert.match(
    text,
    new RegExp(`nameserver ${fleet.network.address.replaceAll(".", "\\.")}`),
    `${after}: ${text}`,
  );
  assert.match(text, /@\/udhcpc[\s\S]*@\/nbd-keep/, `${after}: ${text}`);
  await wrote(writer, 2, 30);
}

export async function eventsOf(fleet: Fleet): Promise<EventView[]> {
  return connectCommands(join(fleet.bramble.data, "bramble.sock")).events({ node: nodeName(PI), limit: 500 });
}

/** What a person, or an upgrade, may do to the programs that manage networks. */
export const MEDDLING = [
  "nmcli networking off",
  "nmcli networking on",
  "systemctl restart NetworkManager",
  "systemctl start systemd-networkd",
  "systemctl restart systemd-networkd",
  "networkctl reload",
  "systemctl stop systemd-networkd.socket systemd-networkd",
] as const;

/** Does it, one after the other with `restMs` between, and finds the root's interface as it was. */
export async function meddle(
  t: Stage,
  writing: Writing,
  options: { what: readonly string[]; restMs: number },
): Promise<void> {
  const { shell } = writing;
  await untouched(writing, "at first");
  assert.match(await shell.ask("nmcli -t -f DEVICE,STATE device"), /^eth0:unmanaged$/m);
  for (const what of options.what) {
    await shell.ask(`sudo ${what}`);
    await new Promise((resolve) => setTimeout(resolve, options.restMs));
    await untouched(writing, what);
  }
  t.say(`address, route and names as before after: ${options.what.join(", ")}`);
}

/** The loop ends, the node powers off by itself, and its clone is what it was told. */
export async function endWriting(t: Stage, { shell, writer, guest, fleet }: Writing): Promise<void> {
  await shell.ask("sudo touch /stop");
  await writer.saw(/STOPPED/, 60);
  await shell.ask("sudo systemctl poweroff").catch(() => {}); // the connection may end first
  assert.equal(await guest.ended, 0);
  assert.doesNotMatch(guest.text(), /I\/O error|EXT4-fs error/, guest.consoleLog);
  await fleet.bramble.server.stop();
  const writes = writesOf(writer.text());
  assert.equal(writes.failed, 0);
  await allOnClone(await lookAtClone(t, fleet, PI.serial), writes);
  const { acknowledged, longestGapSeconds } = writes;
  t.say(
    `${acknowledged.length} writes, 0 errors, longest gap ${longestGapSeconds.toFixed(1)} s; all on the clone`,
  );
}
