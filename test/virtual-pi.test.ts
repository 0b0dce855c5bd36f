import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import type { FileBytes } from "../src/base/tree.ts";
import type { Lease } from "../src/fleet/pool.ts";
import { serveDhcp } from "../src/serve/dhcp.ts";
import { serveTftp, type TftpEvent } from "../src/serve/tftp.ts";
import { realNet } from "../src/sim/real-net.ts";
import { replayTrace, type StartServers } from "../src/sim/replay.ts";
import { runFleet } from "../src/sim/run-fleet.ts";
import { treeOf } from "../src/sim/toy-servers.ts";
import { shared } from "./tools.ts";

const fileBytes = (bytes: Uint8Array): FileBytes => ({
  size: bytes.length,
  read: (into, offset) => into.set(bytes.subarray(offset, offset + into.length)),
});

/** The real DHCP server on a free port of loopback: it answers to where a packet came from. */
function loopbackDhcp() {
  const leases = new Map<string, Lease>();
  return serveDhcp({
    interfaces: [
      {
        address: "127.0.0.1",
        mode: "full",
        subnet: "127.0.0.0/8",
        pool: { from: "127.1.0.1", to: "127.1.0.200" },
      },
    ],
    port: 0,
    proxyPort: 0,
    ask: () => ({ answer: true, reason: "everybody may boot here" }),
    leases: {
      get: (mac) => leases.get(mac),
      byAddress: (address) => [...leases.values()].find((lease) => lease.address === address),
      put: async (lease) => void leases.set(lease.mac, lease),
    },
    on: () => {},
  });
}

async function servers(files: ReadonlyMap<string, Uint8Array>, events: TftpEvent[] = []) {
  const dhcp = await loopbackDhcp();
  const tftp = await serveTftp({
    host: "127.0.0.1",
    port: 0,
    find: async (path) => {
      const bytes = files.get(path);
      return bytes && fileBytes(bytes);
    },
    on: (event) => events.push(event),
  });
  const close = async () => {
    await dhcp.close();
    await tftp.close();
  };
  return { dhcpPort: dhcp.ports[0]?.dhcp ?? 0, tftpPort: tftp.port, close };
}

const blob = (size: number) => Uint8Array.from({ length: size }, (_, i) => (i * 131) >>> 3);
const KERNEL = blob(400_000);
const FILES = treeOf({
  "bootcode.bin": blob(52_000),
  "start.elf": blob(30_000),
  "fixup.dat": blob(7000),
  "start4.elf": blob(30_000),
  "fixup4.dat": blob(5000),
  "config.txt": "arm_64bit=1",
  "cmdline.txt": "root=/dev/ram0",
  "kernel8.img": KERNEL,
  "bcm2710-rpi-3-b.dtb": blob(3000),
  "bcm2711-rpi-4-b.dtb": blob(3000),
  "bcm2712-rpi-5-b.dtb": blob(3000),
});

test("a fleet of virtual Pis boots over real UDP from the real TFTP server, each with the right bytes", async () => {
  const events: TftpEvent[] = [];
  const { dhcpPort, tftpPort, close } = await servers(FILES, events);
  try {
    const steps = new Set<string>();
    const summary = await runFleet({
      count: 6,
      models: ["4B", "5", "3B"],
      server: "127.0.0.1",
      dhcpPort,
      tftpPort,
      firstAddress: "127.0.77.1",
      onProgress: ({ step }) => steps.add(step),
    });
    assert.equal(summary.booted, 6, summary.boots.map(({ boot }) => boot.reason).join("; "));
    const want = createHash("sha256").update(KERNEL).digest("hex");
    for (const { boot } of summary.boots) assert.equal(boot.kernel?.sha256, want);
    assert.deepEqual([...steps].sort(), ["end", "on", "request"]);
    assert.equal(new Set(summary.boots.map(({ pi }) => pi.mac)).size, 6);
    const clients = new Set(events.map(({ client }) => client.address));
    assert.equal(clients.size, 6, "each board comes from its own address");
    assert.ok(events.some(({ kind }) => kind === "probe"));
    assert.deepEqual(
      events.filter(({ kind }) => kind === "bad-packet" || kind === "timeout"),
      [],
    );
  } finally {
    await close();
  }
});

const overUdp: StartServers = async ({ files }) => {
  const { dhcpPort, tftpPort, close } = await servers(files);
  return { net: realNet({ address: "127.0.78.1", server: "127.0.0.1", dhcpPort, tftpPort }), close };
};

function traces(t: TestContext): string[] {
  const folder = shared(t, "fixtures/pi/traces");
  return folder
    ? readdirSync(folder).flatMap((name) => (name.endsWith(".json") ? [join(folder, name)] : []))
    : [];
}

test("recorded boots are repeated over real UDP against the real TFTP server", async (t) => {
  const all = traces(t).map((path) => JSON.parse(readFileSync(path, "utf8")));
  for (const trace of all.filter(({ world }) => world)) {
    const result = await replayTrace(trace, overUdp);
    assert.ok(result.same, `${trace.id}: ${result.firstDifference}`);
  }
});
