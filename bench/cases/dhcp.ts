// New leases for 3,000 boards at once, each durable before its ACK: our server against dnsmasq and Kea, in namespaces of its own.
import { execFile, execFileSync } from "node:child_process";
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import type { Bench, BenchCase, Sample } from "../harness/case.ts";
import type { Server } from "../harness/server.ts";

const CLIENTS = 3000;
const LIMIT_SECONDS = 20;
const SERVER = "10.88.0.1";
const RELAY = "10.88.0.2";
const POOL = { from: "10.88.1.0", to: "10.88.63.250" };

/** What the load generator says with -j. */
interface Storm {
  per_s: number;
  done: number;
  retrans: number;
  /** Addresses that two clients got. */
  address_twice: number;
}

export const bench: BenchCase = {
  name: "dhcp",
  describe: "leases for 3,000 boards at once, against dnsmasq and Kea",
  async run(ctx) {
    const storm = ctx.compile("dhcpstorm.c");
    if (process.getuid?.() !== 0) return loopback(ctx, storm);
    const [s, c] = ["s", "c"].map((end) => `bramble-bench-${process.pid}-${end}`) as [string, string];
    try {
      makeNet(s, c);
      const measured = (start: (folder: string) => Promise<Server>) => async () => {
        const folder = join(ctx.folder, "dhcp");
        rmSync(folder, { recursive: true, force: true });
        mkdirSync(folder);
        const server = await start(folder);
        const args = ["netns", "exec", c, storm, "-s", SERVER, "-a", RELAY];
        return measure(server, "ip", args);
      };
      const own = (folder: string) =>
        ctx.start({ command: "ip", args: ["netns", "exec", s, ...ourArgs(folder)] });
      const contenders = { ours: measured(own), ...peers(ctx, s, measured) };
      await ctx.compare({ name: "new-leases-c3000", unit: "exchanges/s", contenders });
    } finally {
      for (const name of [s, c]) execFileSync("ip", ["netns", "del", name]);
    }
  },
};

/** Ports below 1024 and namespaces are root's: without it we are measured alone. */
async function loopback(ctx: Bench, storm: string): Promise<void> {
  await ctx.compare({
    name: "new-leases-c3000-loopback",
    unit: "exchanges/s",
    contenders: {
      async ours() {
        const journal = join(ctx.folder, "leases.journal");
        rmSync(journal, { force: true });
        const on = { address: "127.0.0.1", subnet: "127.0.0.0/16", mode: "full", journal, port: 0 };
        const pool = { from: "127.0.1.0", to: "127.0.63.250" };
        const server = await ctx.ours("dhcp", [JSON.stringify({ ...on, pool })]);
        const { port } = server.ready as { port: number };
        return measure(server, storm, ["-a", "127.0.0.2", "-P", String(port), "-q", "0"]);
      },
    },
  });
}

/** Exchanges done a second. What was lost on the way and had to be sent again is told; nobody served, or an address given twice: it throws. */
async function measure(server: Server, command: string, args: string[]): Promise<Sample> {
  try {
    const storm = [...args, "-n", String(CLIENTS), "-L", String(LIMIT_SECONDS), "-T", "30", "-j"];
    // It ends with 1 when a client went without.
    const { stdout } = await promisify(execFile)(command, storm).catch((error: { stdout?: string }) => error);
    const said = JSON.parse(stdout || "{}") as Partial<Storm>;
    if (!said.done || said.address_twice) throw new Error(`no fair exchange: ${stdout}`);
    if (said.retrans || said.done < CLIENTS)
      console.error(
        `    in the next line ${said.done} of ${CLIENTS} served, ${said.retrans} retransmissions`,
      );
    return { value: said.per_s ?? 0, rssMb: server.rssMb() };
  } finally {
    await server.stop();
  }
}

function ourArgs(folder: string): string[] {
  const here = fileURLToPath(import.meta.url);
  const program = join(dirname(here), `../servers/dhcp${here.endsWith(".ts") ? ".ts" : ".js"}`);
  const on = { name: "eth0", address: SERVER, subnet: "10.88.0.0/18", mode: "full", pool: POOL };
  const json = JSON.stringify({ ...on, port: 67, journal: join(folder, "leases.journal") });
  return [process.execPath, ...process.execArgv, program, json];
}

function peers(
  ctx: Bench,
  ns: string,
  measured: (start: (folder: string) => Promise<Server>) => () => Promise<Sample>,
): Record<string, () => Promise<Sample>> {
  const dnsmasq = ctx.tool("dnsmasq", "dnsmasq-base");
  const kea = ctx.tool("kea-dhcp4", "kea-dhcp4-server");
  // Neither says when it listens: two seconds are plenty.
  const inside = (line: string) =>
    ctx.start({
      command: "ip",
      args: ["netns", "exec", ns, "sh", "-c", `(sleep 2; echo ready) & exec ${line}`],
    });
  const range = `--dhcp-range=${POOL.from},${POOL.to},255.255.192.0,12h`;
  return {
    ...(dnsmasq && {
      dnsmasq: measured((folder) =>
        inside(
          `${dnsmasq} -k -q -C /dev/null -p 0 -i eth0 --no-ping --dhcp-lease-max=10000 ${range} --dhcp-leasefile=${folder}/leases --pid-file=${folder}/pid --user=root`,
        ),
      ),
    }),
    ...(kea && {
      kea: measured((folder) => {
        writeFileSync(join(folder, "kea.conf"), keaConfig(folder));
        return inside(
          `env KEA_PIDFILE_DIR=${folder} KEA_LOCKFILE_DIR=${folder} ${kea} -c ${folder}/kea.conf`,
        );
      }),
    }),
  };
}

const keaConfig = (folder: string): string =>
  JSON.stringify({
    Dhcp4: {
      "interfaces-config": { interfaces: ["eth0"], "dhcp-socket-type": "udp" },
      "lease-database": { type: "memfile", persist: true, name: `${folder}/leases.csv` },
      "valid-lifetime": 43200,
      subnet4: [{ id: 1, subnet: "10.88.0.0/18", pools: [{ pool: `${POOL.from} - ${POOL.to}` }] }],
      loggers: [{ name: "kea-dhcp4", severity: "FATAL" }],
    },
  });

function makeNet(server: string, relay: string): void {
  const ip = (...args: string[]) => execFileSync("ip", args);
  for (const name of [server, relay]) ip("netns", "add", name);
  ip("-n", server, "link", "add", "eth0", "type", "veth", "peer", "name", "eth0", "netns", relay);
  for (const [name, address] of [
    [server, SERVER],
    [relay, RELAY],
  ] as const) {
    ip("-n", name, "addr", "add", `${address}/18`, "dev", "eth0");
    ip("-n", name, "link", "set", "eth0", "up");
    ip("-n", name, "link", "set", "lo", "up");
  }
}
