// Thirty nodes that boot at once: each reads the same blocks of the image, through a fresh clone of its own.
import { execFile } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import type { Bench, BenchCase, Cell, Sample } from "../harness/case.ts";
import { type Image, iscsiOf, makeClones, makeImage, makeOverlay, nbdOf } from "../harness/disks.ts";
import { freePort, type Server } from "../harness/server.ts";

const NODES = 30;
const IMAGE_BYTES = 512 << 20;
/** What every node reads. */
const REGION_BYTES = 256 << 20;
const WARM_UP = 0.4;
const TARGET = "iqn.2026-11.local.bramble:bench";

interface Load {
  block: number;
  depth: number;
  sequential?: boolean;
}
/** Megabytes (10^6) a second of all nodes for large requests, requests a second for small ones. */
const CELLS: Record<string, Load> = {
  "boot-read-64k-d4-c30": { block: 65536, depth: 4, sequential: true },
  "boot-read-4k-d1-c30": { block: 4096, depth: 1 },
};

/** What a measurement asks of servers: of all their processes together. */
type Measured = Pick<Server, "cpuSeconds" | "rssMb" | "stop">;
interface Target {
  servers: Measured;
  storm: string;
  /** The load generator's words for all nodes' disks, and for the first one's. */
  where: string[];
  first: string[];
}
type Serve = (folder: string) => Promise<Target>;

export const bench: BenchCase = {
  name: "boot-read",
  describe:
    "30 nodes read the same image blocks through their own clones, against qemu-storage-daemon and nbdkit cow",
  async run(ctx) {
    const image = makeImage(join(ctx.folder, "boot-image.raw"), IMAGE_BYTES);
    const serves = contendersOf(ctx, image);
    for (const [name, load] of Object.entries(CELLS)) {
      const contender = (serve: Serve) => async () => {
        const folder = mkdtempSync(join(ctx.folder, "boot-"));
        try {
          const target = await serve(folder);
          try {
            return await measure(target, load, ctx.seconds);
          } finally {
            await target.servers.stop();
          }
        } finally {
          rmSync(folder, { recursive: true });
        }
      };
      const each = Object.entries(serves).map(([who, serve]) => [who, contender(serve)] as const);
      const contenders = Object.fromEntries(each) as Cell["contenders"];
      await ctx.compare({ name, unit: load.block > 4096 ? "MB/s" : "IOPS", contenders });
    }
  },
};

function contendersOf(ctx: Bench, image: Image): { ours: Serve } & Record<string, Serve> {
  const nbdstorm = ctx.compile("nbdstorm.c");
  const iscsistorm = ctx.compile("iscsistorm.c", ["iscsi"]);
  const exports = (port: number) => ({
    storm: nbdstorm,
    where: ["-p", String(port), "-x", "%d"],
    first: ["-p", String(port), "-x", "0"],
  });
  const serves: { ours: Serve } & Record<string, Serve> = {
    ours: async (folder) => {
      const { server, port } = await nbdOf(ctx, await makeClones(image, folder, NODES));
      return { servers: server, ...exports(port) };
    },
    "ours-iscsi": async (folder) => {
      const { server, port } = await iscsiOf(ctx, TARGET, await makeClones(image, folder, NODES));
      const url = (number: string) => ["-u", `iscsi://127.0.0.1:${port}/${TARGET}-${number}/1`];
      return { servers: server, storm: iscsistorm, where: url("%d"), first: url("0") };
    },
  };
  const daemon = ctx.tool("qemu-storage-daemon", "qemu-system-common");
  const qemuImg = ctx.tool("qemu-img", "qemu-utils");
  if (daemon && qemuImg)
    serves["qemu-storage-daemon"] = async (folder) => {
      const port = await freePort();
      const listen = `addr.type=inet,addr.host=127.0.0.1,addr.port=${port},max-connections=100`;
      const args = ["--nbd-server", listen];
      for (let i = 0; i < NODES; i++) {
        const overlay = join(folder, `overlay-${i}.qcow2`);
        makeOverlay(qemuImg, image, overlay, "cluster_size=64k,extended_l2=on");
        args.push("--blockdev", `driver=file,node-name=file${i},filename=${overlay}`);
        args.push("--blockdev", `driver=qcow2,node-name=disk${i},file=file${i}`);
        args.push("--export", `type=nbd,id=export${i},node-name=disk${i},name=${i},writable=on`);
      }
      const server = await ctx.start({ command: daemon, args, port });
      return { servers: server, ...exports(port) };
    };
  const nbdkit = ctx.tool("nbdkit", "nbdkit");
  if (nbdkit)
    serves["nbdkit-cow-x30"] = async (folder) => {
      const ports: number[] = [];
      const servers: Server[] = [];
      for (let i = 0; i < NODES; i++) {
        const port = await freePort();
        const TMPDIR = join(folder, String(i)); // of its overlay
        mkdirSync(TMPDIR);
        const args = ["-f", "-i", "127.0.0.1", "-p", String(port), "--filter=cow", "file", image.path];
        servers.push(await ctx.start({ command: nbdkit, args, port, env: { TMPDIR } }));
        ports.push(port);
      }
      const first = ["-p", String(ports[0])];
      return { servers: together(servers), storm: nbdstorm, where: ["-p", ports.join()], first };
    };
  return serves;
}

/** Several servers as one: the sums, and one end. */
function together(servers: readonly Server[]): Measured {
  const sum = (of: (server: Server) => number) => servers.reduce((total, server) => total + of(server), 0);
  return {
    cpuSeconds: () => sum((server) => server.cpuSeconds()),
    rssMb: () => sum((server) => server.rssMb()),
    async stop() {
      await Promise.all(servers.map((server) => server.stop()));
    },
  };
}

async function measure(target: Target, load: Load, seconds: number): Promise<Sample> {
  const { servers, storm, where, first } = target;
  const run = async (...args: (string | number)[]) => {
    const all = ["-o", "read", "-r", REGION_BYTES, ...args].map(String);
    return JSON.parse((await promisify(execFile)(storm, all)).stdout);
  };
  // One node has read everything before: the image is in the page cache. The other nodes' clones were never touched.
  await run(...first, "-b", 65536, "-d", 8, "-s", "-n", REGION_BYTES / 65536, "-t", 60);
  const what = ["-b", load.block, "-d", load.depth, "-c", NODES, ...(load.sequential ? ["-s"] : [])];
  const before = servers.cpuSeconds();
  const did = await run(...where, ...what, "-w", WARM_UP, "-t", seconds);
  return {
    value: load.block > 4096 ? (did.iops * load.block) / 1e6 : did.iops,
    cpuSecondsPerGb: (servers.cpuSeconds() - before) / (did.allBytes / 1e9),
    rssMb: servers.rssMb(),
  };
}
