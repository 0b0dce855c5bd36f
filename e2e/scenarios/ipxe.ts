import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { type Running, start } from "../bed/commands.ts";
import { dnsmasq, makeHost } from "../bed/host.ts";
import { makeNetwork, type Network } from "../bed/network.ts";
import { boardOf, makeRack } from "../bed/rack.ts";
import { type SmallBramble, startSmall } from "../bed/small.ts";
import type { Scenario, Stage } from "../scenario.ts";

/** As seen from /usr/bin. */
const ROM = "../lib/ipxe/qemu/pxe-e1000.rom";
const NODE = boardOf("4B", 1);
const KERNEL_BYTES = 60_000;
const SCRIPT = `#!ipxe
echo script of {{ node.name }} in {{ node.labels.hall }} by \${net0/mac}
imgfetch --name kernel kernel8.img
imgstat
imgfetch nothing.img || echo nothing is not there
echo SCRIPT-ENDS
sleep 60
`;

/** Debian's iPXE as a client: DHCP, its profile's script by TFTP with the node's own values in it, and what the script loads. */
export const scenario: Scenario = {
  name: "ipxe",
  tier: "full",
  budgetSeconds: 300,
  needs: [
    { tool: "qemu-system-x86_64", package: "qemu-system-x86" },
    { tool: ROM, package: "ipxe-qemu" },
    { tool: "dnsmasq", package: "dnsmasq-base" },
  ],
  assets: ["agent-packages"],
  async run(t) {
    await full(t, await makeNetwork());
    await besideRouter(t, await makeNetwork());
  },
};

async function full(t: Stage, network: Network): Promise<void> {
  const pool = ["--pool", `${network.host(50)}-${network.host(99)}`];
  const server = await known(t, network, "--mode", "full", ...pool);
  await withScript(t, server);
  await boots(t, network, server);
  await server.cli("profile", "set", "default", "--ipxe", "-");
  const without = await startIpxe(t, network);
  await without.saw(/Nothing to boot/, 120);
  await without.stop("SIGKILL");
}

/** Addresses by the router's dnsmasq, the script by the offer beside it. */
async function besideRouter(t: Stage, network: Network): Promise<void> {
  const router = await makeHost(t);
  await router.plug(network, "eth0", { address: `${network.host(254)}/24` });
  const home = await dnsmasq(router, network);
  const server = await known(t, network, "--mode", "proxy");
  await withScript(t, server);
  await boots(t, network, server);
  assert.match(home.text(), new RegExp(`DHCPACK\\(eth0\\) \\S+ ${NODE.mac}`));
}

/** A server that knows the node: it has booted as the Pi that it is. */
async function known(t: Stage, network: Network, ...up: string[]): Promise<SmallBramble> {
  const server = await startSmall(t, network, ...up);
  const rack = await makeRack(t, network);
  const boot = await rack.boot(NODE);
  assert.equal(boot.outcome, "kernel", boot.reason);
  return server;
}

async function withScript(t: Stage, server: SmallBramble): Promise<void> {
  const file = join(t.folder, "script.ipxe");
  await writeFile(file, SCRIPT);
  await server.cli("node", "label", NODE.mac, "hall=north");
  await server.cli("profile", "set", "default", "--ipxe", file);
}

async function startIpxe(t: Stage, network: Network): Promise<Running> {
  const tap = await network.tap();
  const machine = start("qemu-system-x86_64", [
    ...["-M", "pc,graphics=off", "-accel", "tcg", "-m", "128", "-nodefaults", "-display", "none"],
    ...["-serial", "stdio", "-no-reboot", "-boot", "n"],
    ...["-netdev", `tap,id=lan,ifname=${tap},script=no,downscript=no`],
    ...["-device", `e1000,netdev=lan,mac=${NODE.mac},romfile=${join("/usr/bin", ROM)}`],
  ]);
  t.atEnd(() => machine.stop("SIGKILL"));
  return machine;
}

async function boots(t: Stage, network: Network, server: SmallBramble): Promise<void> {
  const machine = await startIpxe(t, network);
  await machine.saw(/SCRIPT-ENDS/, 120);
  await machine.stop("SIGKILL");
  const { name } = await server.api.node({ node: NODE.mac });
  const said = machine.text();
  assert.ok(said.includes(`script of ${name} in north by ${NODE.mac}`), said);
  assert.match(said, new RegExp(`kernel : ${KERNEL_BYTES} bytes`));
  assert.match(said, /nothing is not there/);
  const sent = await files(server);
  assert.equal(sent.get("kernel8.img"), KERNEL_BYTES);
  const script = SCRIPT.replace("{{ node.name }}", name).replace("{{ node.labels.hall }}", "north");
  assert.equal(sent.get("boot.ipxe"), script.length);
  t.say(
    `iPXE ${/iPXE (\S+)/.exec(said)?.[1]}: ${[...sent].map(([path, bytes]) => `${path} ${bytes}`).join(", ")}`,
  );
}

/** What the book says was sent in the node's last boot; the last file's line comes a moment after its last byte. */
async function files(server: SmallBramble): Promise<Map<string, number>> {
  const deadline = Date.now() + 10_000;
  for (;;) {
    const { boot } = await server.api.explain({ node: NODE.mac });
    const sent = (boot?.steps ?? []).filter(({ result }) => result === "sent");
    const sizes = new Map(sent.map(({ path = "", bytes = 0 }) => [path, bytes]));
    if (sizes.has("kernel8.img") && sizes.has("boot.ipxe")) return sizes;
    if (Date.now() > deadline) assert.fail(`only ${[...sizes.keys()].join(", ")}`);
    await setTimeout(200);
  }
}
