import { join } from "node:path";
import type { Stage } from "../scenario.ts";
import { output, type Running, sh, start } from "./commands.ts";
import type { Network } from "./network.ts";

/** Another computer: a network namespace that lives as long as the scenario. */
export interface Host {
  /** A cable from its interface `name` to the network's switch; `address` with its prefix, where it has a fixed one. */
  plug(network: Network, name: string, options?: { address?: string; mac?: string }): Promise<void>;
  run(tool: string, ...args: string[]): Promise<string>;
  start(tool: string, ...args: string[]): Running;
}

let cables = 0;

export async function makeHost(t: Stage): Promise<Host> {
  const keeper = start("unshare", ["--net", "sh", "-c", "echo up; exec sleep 86400"]);
  t.atEnd(() => keeper.stop("SIGKILL"));
  await keeper.saw(/up/, 10);
  const { pid } = keeper.process;
  const inside = ["-t", String(pid), "--net"];
  await output("nsenter", [...inside, "ip", "link", "set", "lo", "up"]);
  return {
    async plug(network, name, { address, mac } = {}) {
      const port = `cable${cables++}`;
      await sh(`ip link add ${port} type veth peer name ${name} netns ${pid}`);
      await sh(`ip link set ${port} master ${network.bridge} up`);
      const ip = (line: string) => output("nsenter", [...inside, "ip", ...line.split(" ")]);
      if (mac) await ip(`link set ${name} address ${mac}`);
      await ip(`link set ${name} up`);
      if (address) await ip(`addr add ${address} dev ${name}`);
    },
    run: (tool, ...args) => output("nsenter", [...inside, tool, ...args]),
    start(tool, ...args) {
      const running = start("nsenter", [...inside, tool, ...args]);
      t.atEnd(() => running.stop());
      return running;
    },
  };
}

/** A home router's DHCP, as far as boards and computers see it: addresses, nothing about booting. */
export async function dnsmasq(host: Host, network: Network, ...more: string[]): Promise<Running> {
  const running = host.start(
    "dnsmasq",
    "--keep-in-foreground",
    "--conf-file=/dev/null",
    "--port=0",
    "--no-ping",
    `--dhcp-range=${network.host(100)},${network.host(199)},1h`,
    `--dhcp-option=option:router,${network.host(254)}`,
    "--user=root",
    "--dhcp-leasefile=/dev/null",
    "--log-dhcp",
    "--log-facility=-",
    ...more,
  );
  await running.saw(/DHCP, IP range/, 10);
  return running;
}

/** ISC's client, once: the address that it got. */
export async function dhclient(t: Stage, host: Host, on: string): Promise<string> {
  const lease = join(t.folder, `dhclient-${cables++}`);
  const files = ["-lf", `${lease}.leases`, "-pf", `${lease}.pid`];
  const client = host.start(
    "dhclient",
    "-4",
    "-1",
    "-d",
    "-v",
    "-cf",
    "/dev/null",
    ...files,
    "-sf",
    "/bin/true",
    on,
  );
  const [, address = ""] = await client.saw(/bound to ([\d.]+)/, 20);
  await client.stop("SIGKILL");
  return address;
}

/** Busybox's client, once. */
export async function udhcpc(host: Host, on: string): Promise<string> {
  const client = host.start(
    "busybox",
    "udhcpc",
    "-i",
    on,
    "-f",
    "-n",
    "-q",
    "-t",
    "5",
    "-T",
    "2",
    "-s",
    "/bin/true",
  );
  const [, address = ""] = await client.saw(/lease of ([\d.]+) obtained/, 20);
  await client.ended;
  return address;
}
