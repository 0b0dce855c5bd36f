import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import type { VirtualPi } from "../../src/sim/board.ts";
import { bramble } from "../bed/cli.ts";
import { output } from "../bed/commands.ts";
import { startFirmware } from "../bed/firmware.ts";
import { dhclient, makeHost, udhcpc } from "../bed/host.ts";
import { makeNetwork, type Network } from "../bed/network.ts";
import { boardOf, makeRack } from "../bed/rack.ts";
import { rightFiles, type SmallBramble, startSmall } from "../bed/small.ts";
import { QEMU, type Scenario, type Stage } from "../scenario.ts";

const EFI_FILE = "EFI/BOOT/BOOTAA64.EFI";
/** As seen from /usr/bin. */
const [EDK2, UBOOT] = ["../share/AAVMF/AAVMF_CODE.fd", "../lib/u-boot/qemu_arm64/u-boot.bin"];

/** Other people's clients of everything that Bramble serves: DHCP, TFTP, NBD; and two firmwares that no Pi is shipped with. */
export const scenario: Scenario = {
  name: "foreign-clients",
  tier: "ci",
  budgetSeconds: 200,
  needs: [
    QEMU,
    { tool: "dhclient", package: "isc-dhcp-client" },
    { tool: "busybox", package: "busybox-static" },
    { tool: "curl", package: "curl" },
    { tool: "atftp", package: "atftp" },
    { tool: "tftp", package: "tftp-hpa" },
    { tool: "nbdcopy", package: "libnbd-bin" },
    { tool: "qemu-img", package: "qemu-utils" },
    { tool: EDK2, package: "qemu-efi-aarch64" },
    { tool: UBOOT, package: "u-boot-qemu" },
  ],
  assets: ["agent-packages"],
  async run(t) {
    const network = await makeNetwork();
    const pool = ["--pool", `${network.host(50)}-${network.host(99)}`];
    const server = await startSmall(t, network, "--mode", "full", ...pool);
    const rack = await makeRack(t, network);
    const pis = [1, 2, 3].map((n) => boardOf("4B", n));
    const boots = await Promise.all(pis.map((pi) => rack.boot(pi)));
    for (const [i, pi] of pis.entries()) await rightFiles(server.api, pi, boots[i] ?? assert.fail());
    const [computer, edk2, uboot] = pis as [VirtualPi, VirtualPi, VirtualPi];
    await files(t, network, server, computer);
    await disks(t, server, computer);
    await uefi(t, network, server, edk2);
    await uBoot(t, network, server, uboot);
  },
};

const sha256 = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex");

async function wantedFile(server: SmallBramble, pi: VirtualPi, path: string): Promise<string> {
  const { base64 } = await server.api.nodeFile({ node: pi.mac, path });
  return sha256(Buffer.from(base64, "base64"));
}

/** A Linux on the board's own MAC: addresses by two DHCP clients, a file by three TFTP clients. */
async function files(t: Stage, network: Network, server: SmallBramble, pi: VirtualPi): Promise<void> {
  const host = await makeHost(t);
  await host.plug(network, "eth0", { mac: pi.mac });
  const address = await dhclient(t, host, "eth0");
  assert.equal(await udhcpc(host, "eth0"), address, "the same board, the same address");
  await host.run("ip", "addr", "add", `${address}/24`, "dev", "eth0");
  const wanted = await wantedFile(server, pi, "kernel8.img");
  const remote = `${pi.serial}/kernel8.img`;
  const to = (name: string) => join(t.folder, name);
  await host.run("curl", "-sS", "-o", to("curl"), `tftp://${network.address}/${remote}`);
  await host.run("atftp", "-g", "-r", remote, "-l", to("atftp"), network.address);
  await host.run("tftp", "-m", "binary", network.address, "-c", "get", remote, to("tftp-hpa"));
  for (const name of ["curl", "atftp", "tftp-hpa"])
    assert.equal(sha256(await readFile(to(name))), wanted, name);
  const steps = (await server.explain(pi.mac)).boot?.steps ?? [];
  const sent = steps.filter(({ path, result }) => path === remote && result === "sent");
  assert.ok(sent.length >= 4, "the board and three clients, in the book");
  t.say("dhclient, udhcpc, curl, atftp, tftp-hpa: right addresses and bytes");
}

/** The board's disk by two NBD clients: nothing was written to it, so it is the image. */
async function disks(t: Stage, server: SmallBramble, pi: VirtualPi): Promise<void> {
  const [image] = await server.api.images({});
  const serve = async () => {
    const { out, err, code } = await bramble(server.data, "-o", "json", "clone", "serve", pi.mac);
    assert.equal(code, 0, err);
    return (JSON.parse(out) as { uri: string }).uri;
  };
  const to = (name: string) => join(t.folder, `${name}.img`);
  await output("nbdcopy", [await serve(), to("nbdcopy")]);
  await output("qemu-img", ["convert", "-f", "raw", "-O", "raw", await serve(), to("qemu-img")]);
  for (const name of ["nbdcopy", "qemu-img"])
    assert.equal(sha256(await readFile(to(name))), image?.sha256, name);
  t.say("nbdcopy, qemu-img: the whole disk, byte for byte");
}

async function uefi(t: Stage, network: Network, server: SmallBramble, { mac }: VirtualPi): Promise<void> {
  const machine = await startFirmware(t, network, {
    firmware: join("/usr/bin", EDK2),
    mac,
    card: "virtio-net-pci",
  });
  await machine.saw(/NBP file downloaded successfully/, 90);
  await machine.stop("SIGKILL");
  await wasSent(server, mac, EFI_FILE);
  t.say(`EDK2: PXE, ${EFI_FILE} fetched`);
}

async function uBoot(t: Stage, network: Network, server: SmallBramble, { mac }: VirtualPi): Promise<void> {
  // Not virtio: U-Boot 2023.01 takes the first byte of its address for all six.
  const machine = await startFirmware(t, network, { firmware: join("/usr/bin", UBOOT), mac, card: "e1000" });
  await machine.saw(/Hit any key/, 60);
  machine.type("\n");
  await machine.saw(/=> /, 30);
  machine.type("dhcp; tftpboot $loadaddr kernel8.img\n");
  await machine.saw(/Bytes transferred = 60000/, 60);
  await machine.stop("SIGKILL");
  await wasSent(server, mac, "kernel8.img");
  t.say("U-Boot: dhcp, then tftpboot kernel8.img");
}

/** The book says so, a moment after the client has the last byte. */
async function wasSent(server: SmallBramble, mac: string, path: string): Promise<void> {
  const until = Date.now() + 10_000;
  while (true) {
    const { boot } = await server.api.explain({ node: mac });
    const sent = (boot?.steps ?? []).filter(({ result }) => result === "sent").map((step) => step.path);
    if (sent.some((one) => one?.toLowerCase() === path.toLowerCase())) return;
    if (Date.now() > until) assert.fail(`${path} was not sent, only ${sent.join(", ")}`);
    await setTimeout(100);
  }
}
