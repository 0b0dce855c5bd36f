// Boot files to many boards at once: our server against dnsmasq and tftpd-hpa, in bulk, in windows and in a Pi's many small requests.
import { execFile } from "node:child_process";
import { randomFillSync } from "node:crypto";
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import type { Bench, BenchCase, Cell, Sample } from "../harness/case.ts";
import type { Server } from "../harness/server.ts";

interface Load {
  manifest: "bulk" | "probes";
  clients: number;
  blockSize: number;
  /** Asked for by RFC 7440; dnsmasq and tftpd-hpa know no windows and answer in lock step. */
  windowSize?: number;
}
const CELLS: Record<string, Load> = {
  "bulk-1024-c300": { manifest: "bulk", clients: 300, blockSize: 1024 },
  "bulk-1468-c30": { manifest: "bulk", clients: 30, blockSize: 1468 },
  "bulk-1468-c30-w4": { manifest: "bulk", clients: 30, blockSize: 1468, windowSize: 4 },
  "bulk-1468-c30-w16": { manifest: "bulk", clients: 30, blockSize: 1468, windowSize: 16 },
  "probes-c30": { manifest: "probes", clients: 30, blockSize: 1024 },
};

/** What the load generator says with -j. */
interface Storm {
  seconds: number;
  boots: number;
  files: number;
  notfound: number;
  MBps: number;
  bad_content: number;
  bad_len: number;
  unexpected: number;
  server_cpu_s: number;
  cpu_s_per_GB: number;
  server_rss_MiB: number;
}

export const bench: BenchCase = {
  name: "tftp",
  describe: "boot files to 30 and 300 boards at once, against dnsmasq and tftpd-hpa",
  async run(ctx) {
    const folder = join(ctx.folder, "tftp");
    const storm = ctx.compile("tftpstorm.c");
    const manifests = join(dirname(storm), "manifests");
    makeTree(ctx, folder, manifests);
    const serve: Record<string, Serve> = {
      ours: async () => ours(await ctx.ours("tftp", [folder])),
      "ours-batched": async () => ours(await ctx.ours("tftp", [folder, "batched"])),
      ...peers(ctx, folder),
    };
    for (const [name, load] of Object.entries(CELLS)) {
      const contender = (start: Serve) => async () => {
        const at = await start();
        try {
          return await measure({ storm, manifests, folder, at, load, seconds: ctx.seconds });
        } finally {
          await at.server.stop();
        }
      };
      const contenders = Object.fromEntries(
        Object.entries(serve).map(([who, start]) => [who, contender(start)]),
      ) as Cell["contenders"];
      await ctx.compare({ name, unit: load.manifest === "bulk" ? "MB/s" : "requests/s", contenders });
    }
  },
};

interface At {
  server: Server;
  host: string;
  port: number;
}
type Serve = () => Promise<At>;

const ours = (server: Server): At => ({
  server,
  host: "127.0.0.1",
  port: (server.ready as { port: number }).port,
});

/** The files that the manifests name, of random bytes; a size of -1 is a file that must be absent. */
function makeTree(ctx: Bench, folder: string, manifests: string): void {
  mkdirSync(manifests, { recursive: true });
  chmodSync(ctx.folder, 0o755); // tftpd-hpa reads as nobody
  for (const name of ["bulk", "probes"]) {
    const text = readFileSync(join(toolsFolder(), `${name}.manifest`), "utf8");
    writeFileSync(join(manifests, name), text);
    for (const [, path = "", size] of text.matchAll(/^([^#\s]\S*) (\d+)$/gm)) {
      const file = join(folder, path);
      mkdirSync(dirname(file), { recursive: true });
      writeFileSync(file, randomFillSync(Buffer.alloc(Number(size))));
    }
  }
}

/** bench/tools of the sources, also when this runs from dist. */
function toolsFolder(): string {
  const bench = dirname(import.meta.dirname);
  return join(bench.replace(/\/dist\/bench$/, "/bench"), "tools");
}

function peers(ctx: Bench, folder: string): Record<string, Serve> {
  const found: Record<string, Serve> = {};
  const start = async (host: string, port: number, command: string, args: string[]): Promise<At> => ({
    // Neither says when it listens: it becomes the process that this shell was, so that its pid and its signals are right.
    server: await ctx.start({
      command: "/bin/sh",
      args: ["-c", '(sleep 0.4; echo ready) & exec "$0" "$@"', command, ...args],
    }),
    host,
    port,
  });
  const dnsmasq = ctx.tool("dnsmasq", "dnsmasq-base");
  const root = process.getuid?.() === 0;
  if (dnsmasq && root)
    found["dnsmasq"] = () =>
      // dnsmasq serves TFTP on port 69 only: an address of loopback that nobody else uses.
      start("127.69.0.1", 69, dnsmasq, [
        ...[
          "--no-daemon",
          "--conf-file=/dev/null",
          "--port=0",
          "--pid-file=",
          "--user=root",
          "--bind-interfaces",
        ],
        ...[
          "--log-facility=/dev/null",
          "--listen-address=127.69.0.1",
          "--enable-tftp",
          `--tftp-root=${folder}`,
        ],
        "--tftp-max=5000",
      ]);
  const hpa = ctx.tool("in.tftpd", "tftpd-hpa");
  if (hpa && root)
    found["tftpd-hpa"] = async () => {
      const port = await freeUdpPort();
      const args = ["--foreground", "--listen", "--address", `127.0.0.1:${port}`, "--secure"];
      return start("127.0.0.1", port, hpa, [...args, "--user", "nobody", folder]);
    };
  return found;
}

async function freeUdpPort(): Promise<number> {
  const socket = createSocket("udp4").bind(0, "127.0.0.1");
  await once(socket, "listening");
  const { port } = socket.address();
  socket.close();
  await once(socket, "close");
  return port;
}

interface Measurement {
  storm: string;
  manifests: string;
  folder: string;
  at: At;
  load: Load;
  seconds: number;
}
async function measure({ storm, manifests, folder, at, load, seconds }: Measurement): Promise<Sample> {
  const { manifest, clients, blockSize, windowSize } = load;
  const args = [
    ...[
      "-j",
      "-m",
      join(manifests, manifest),
      "-d",
      folder,
      "-s",
      at.host,
      "-P",
      at.port,
      "-p",
      at.server.pid,
    ],
    ...["-n", clients, "-r", 1e6, "-b", blockSize, "-L", Math.max(1, Math.round(seconds))],
    ...(windowSize === undefined ? [] : ["-w", windowSize]),
  ];
  // It exits with 1 when a boot was under way as the time ran out: its own counts tell more.
  const run = async (): Promise<Storm> => {
    const { stdout } = await promisify(execFile)(storm, args.map(String)).catch(
      (error: { stdout?: string }) => {
        if (!error.stdout) throw error;
        return { stdout: error.stdout };
      },
    );
    return JSON.parse(stdout);
  };
  await run(); // files are read and code is compiled: that is not what we compare
  const did = await run();
  if (did.bad_content + did.bad_len + did.unexpected > 0)
    throw new Error(`wrong answers: ${JSON.stringify(did)}`);
  return {
    value: manifest === "bulk" ? did.MBps : (did.files + did.notfound) / did.seconds,
    ...(manifest === "bulk" && { cpuSecondsPerGb: did.cpu_s_per_GB }),
    rssMb: Math.round(did.server_rss_MiB),
  };
}
