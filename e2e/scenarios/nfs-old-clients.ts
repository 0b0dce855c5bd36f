import assert from "node:assert/strict";
import { join } from "node:path";
import { crc32 } from "node:zlib";
import type { EventView } from "../../src/api/contract.ts";
import { bytesOf, openCard } from "../bed/card.ts";
import { startFirmware } from "../bed/firmware.ts";
import { type Fleet, nodeName, pi4, standUp } from "../bed/fleet.ts";
import { makeHost } from "../bed/host.ts";
import { bootNfsGuest } from "../bed/nfs-guest.ts";
import { powerOn } from "../bed/pi.ts";
import { QEMU, type Scenario, type Stage } from "../scenario.ts";

/** As seen from /usr/bin. */
const UBOOT = "../lib/u-boot/qemu_arm64/u-boot.bin";
const [ONE, TWO, THREE] = [pi4(1), pi4(2), pi4(3)];
const OPTIONS = ["--nfs-udp", "--nfs-rpcbind", "--nfs-privileged"];
/** Root of a machine, who may have ports below 1024, and one who may not. */
const UNPRIVILEGED = ["setpriv", "--bounding-set=-net_bind_service", "--inh-caps=-net_bind_service"];

/** The path and the address that a node's kernel was told. */
interface Told {
  path: string;
  address: string;
}

/** `up --nfs-udp --nfs-rpcbind --nfs-privileged`: clients that are told no port and mount over UDP are served, those from a port that is not root's are not. */
export const scenario: Scenario = {
  name: "nfs-old-clients",
  tier: "full",
  budgetSeconds: 150,
  needs: [
    QEMU,
    { tool: "nfs-ls", package: "libnfs-utils" },
    { tool: "rpcinfo", package: "rpcbind" },
    { tool: "showmount", package: "nfs-common" },
    { tool: "setpriv", package: "util-linux" },
    { tool: UBOOT, package: "u-boot-qemu" },
  ],
  assets: ["mini-image", "nfs-kernel-image", "agent-packages"],
  async run(t) {
    const fleet = await standUp(t, "nfs-kernel-image", OPTIONS);
    await fleet.bramble.cli("profile", "set", "default", "--root", "nfs", "--nfs-boot", "kernel");
    const told = await Promise.all([ONE, TWO, THREE].map((pi) => kernelTold(t, fleet, pi)));
    const [one, two, three] = told as [Told, Told, Told];
    await programs(t, fleet, one);
    await uBoot(t, fleet, two);
    await kernel(t, fleet, three);
  },
};

async function kernelTold(t: Stage, fleet: Fleet, pi: typeof ONE): Promise<Told> {
  const { boot, bytes } = await powerOn(t, fleet.network, pi);
  const cmdline = Buffer.from(bytes.cmdline ?? []).toString();
  const [, server, path] = / nfsroot=([\d.]+):(\/nodes\/[^,]+),/.exec(cmdline) ?? [];
  if (server !== fleet.network.address || !path || !boot.address)
    throw new Error(`${nodeName(pi)} was told ${cmdline} at ${boot.address}`);
  return { path, address: boot.address };
}

/** What a Linux asks a port mapper with, and libnfs, which asks it too; with and without root's ports. */
async function programs(t: Stage, { network, bramble }: Fleet, { path, address }: Told): Promise<void> {
  const host = await makeHost(t);
  await host.plug(network, "eth0", { address: `${address}/24` });
  const server = network.address;
  const mapped = await host.run("rpcinfo", "-p", server);
  for (const program of ["100003 +3", "100005 +3"])
    for (const protocol of ["tcp", "udp"])
      assert.match(mapped, new RegExp(`^ +${program} +${protocol} +2049\\b`, "m"));
  for (const how of ["-t", "-u"])
    for (const program of ["100003", "100005"])
      assert.match(await host.run("rpcinfo", how, server, program, "3"), /version 3 ready and waiting/);
  assert.equal(await host.run("showmount", "-e", server), `Export list for ${server}:\n`, "shows nothing");

  const url = `nfs://${server}${path}?version=3`;
  const [unprivileged = "", ...dropping] = UNPRIVILEGED;
  await assert.rejects(host.run(unprivileged, ...dropping, "nfs-ls", url), /ACCES/);
  const listed = await host.run("nfs-ls", url);
  assert.match(listed, / sbin$/m);
  const events = await bramble.cli<EventView[]>("event", "list", nodeName(ONE));
  const words = events.map((event) => event.words).join("\n");
  assert.match(words, /its port \d+ is not one of root's: this server wants one below 1024/);
  t.say("rpcinfo, showmount, nfs-ls: ports from the port mapper; refused from a port above 1023, and told");
}

/** It knows no TCP and no port but 111. */
async function uBoot(t: Stage, { network }: Fleet, { path, address }: Told): Promise<void> {
  const card = await openCard(t.asset("nfs-kernel-image"));
  const file = await bytesOf(card.boot, "start4.elf");
  card.close();
  const machine = await startFirmware(t, network, {
    firmware: join("/usr/bin", UBOOT),
    mac: "52:54:00:00:02:02",
    card: "e1000",
  });
  await machine.saw(/Hit any key/, 60);
  machine.type("\n");
  await machine.saw(/=> /, 30);
  machine.type(`setenv ipaddr ${address}; setenv netmask 255.255.255.0\n`);
  machine.type(`nfs $loadaddr ${network.address}:${path}/boot/firmware/start4.elf\n`);
  await machine.saw(new RegExp(`Bytes transferred = ${file.length} `), 60);
  machine.type("crc32 $loadaddr $filesize\n");
  await machine.saw(new RegExp(`==> ${crc32(file).toString(16).padStart(8, "0")}`), 30);
  await machine.stop("SIGKILL");
  t.say(`U-Boot, over UDP alone: ${file.length} bytes of its boot files, their CRC is right`);
}

/** MOUNT over UDP, both ports asked for at the port mapper; then as every client of version 3 over TCP. */
async function kernel(t: Stage, { network }: Fleet, { path, address }: Told): Promise<void> {
  const guest = await bootNfsGuest(t, {
    network,
    number: Number(address.split(".").at(-1)),
    server: network.address,
    path,
    options: "mountproto=udp",
    programs: [],
    script:
      "grep ' /mnt ' /proc/mounts; echo kept > srv-file; sync; echo 3 > /proc/sys/vm/drop_caches; cat srv-file",
  });
  assert.equal(await guest.ended, 0);
  assert.match(guest.text(), /proto=tcp,.*mountproto=udp/);
  assert.match(guest.text(), /\nkept\r?\n/);
  assert.match(guest.text(), /GUEST unmounted/);
  t.say("Linux' kernel client without a port, its MOUNT over UDP: mounts, writes, reads");
}
