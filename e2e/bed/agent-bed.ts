import assert from "node:assert/strict";
import { cp, readFile } from "node:fs/promises";
import { join } from "node:path";
import { pack } from "tar-stream";
import { buildAgent } from "../../src/storage/agent.ts";
import type { AssetName, Stage } from "../scenario.ts";
import { shareAgents } from "./bramble.ts";
import { bytesOf, openCard } from "./card.ts";
import { output, type Running, start } from "./commands.ts";
import { bootGuest, type Guest } from "./guest.ts";
import { makeNetwork, type Network } from "./network.ts";
import { giveOrders, type Orders, type OrdersOptions } from "./orders.ts";

const MAC = "dc:a6:32:00:00:01";

/** What the agent needs around it, all of it other people's programs: DHCP, a disk over NBD, a card's kernel. */
export interface AgentBed {
  network: Network;
  kernel: Uint8Array;
  initramfs: Uint8Array;
  /** A clone of the mini image and its export. */
  clone: string;
  server: Running;
  /** Where the root partition begins, in bytes. */
  rootOffset: number;
  nbd: { nbd_host: string; nbd_port: number; nbd_export: string; nbd_size: number };
}

export async function makeAgentBed(t: Stage, asset: AssetName): Promise<AgentBed> {
  const network = await makeNetwork();
  const { address } = network;
  const range = `--dhcp-range=${network.host(100)},${network.host(199)},1h`;
  const dnsmasq = start("dnsmasq", [
    "-k",
    "-C",
    "/dev/null",
    "-p",
    "0",
    "-i",
    network.interface,
    "--no-ping",
    range,
    "--user=root",
    "--dhcp-leasefile=/dev/null",
    "--log-dhcp",
    "--log-facility=-",
  ]);
  t.atEnd(() => dnsmasq.stop());
  await dnsmasq.saw(/DHCP, IP range/, 5);
  const image = t.asset(asset);
  const card = await openCard(image);
  t.atEnd(() => card.close());
  const versions = await card.root.list("usr/lib/modules");
  const kernels = versions.map(({ name }) => ({ version: name, modules: `usr/lib/modules/${name}` }));
  await cp(t.asset("agent-packages"), join(t.folder, "agent"), { recursive: true });
  await shareAgents(t, t.folder);
  const started = Date.now();
  const agent = await buildAgent({
    data: t.folder,
    arch: "arm64",
    kernels,
    root: card.root,
    agentFiles: "agent",
    offline: true,
  });
  t.say(
    `agent: ${(agent.size / 1e6).toFixed(2)} MB, built in ${Date.now() - started} ms; this kernel lacks ${Object.values(agent.absent).flat().join(" ")}`,
  );
  assert.ok(agent.size < 12e6, `the agent has ${agent.size} bytes`);
  const clone = join(t.folder, "clone.qcow2");
  await output("qemu-img", ["create", "-q", "-f", "qcow2", "-b", image, "-F", "raw", clone, "2G"]);
  const server = nbdServer(t, address, clone);
  return {
    network,
    kernel: await bytesOf(card.boot, "kernel8.img"),
    initramfs: await readFile(agent.path),
    clone,
    server,
    rootOffset: card.rootOffset,
    nbd: { nbd_host: address, nbd_port: 10809, nbd_export: "secret", nbd_size: 2 * 1024 ** 3 },
  };
}

/** A qcow2 file as the export "secret". */
export function nbdServer(t: Stage, address: string, disk: string): Running {
  const at = ["-x", "secret", "-b", address, "-p", "10809"];
  const server = start("qemu-nbd", ["-t", "-e", "4", ...at, "-f", "qcow2", disk]);
  t.atEnd(() => server.stop());
  return server;
}

let guests = 0;
export async function boot(
  t: Stage,
  bed: AgentBed,
  options: Omit<OrdersOptions, "address">,
): Promise<{ orders: Orders; guest: Guest }> {
  const orders = await giveOrders({ address: bed.network.address, ...options });
  t.atEnd(() => orders.close());
  const cmdline = Buffer.from(
    `console=ttyAMA0 quiet systemd.show_status=1 bramble.server=${orders.url} bramble.boot=b1 bramble.token=t1 bramble.onfail=reboot\n`,
  );
  const guest = await bootGuest({
    name: `guest${guests++}`,
    folder: t.folder,
    mac: MAC,
    ...bed,
    cmdline,
  });
  t.atEnd(() => guest.stop());
  return { orders, guest };
}

export async function plainSeed(values: Record<string, string>): Promise<Buffer> {
  const text = Object.entries(values).map(
    ([name, value]) => `${name}=${Buffer.from(value).toString("base64")}\n`,
  );
  const tar = pack();
  tar.entry({ name: "bramble-seed", mode: 0o600 }, text.join(""));
  tar.finalize();
  const parts: Buffer[] = [];
  for await (const part of tar) parts.push(part as Buffer);
  return Buffer.concat(parts);
}
