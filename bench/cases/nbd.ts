// A node's disk over NBD: our server on a real clone, against nbdkit's cow filter and qemu-nbd on a qcow2 overlay.
import { execFile } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import type { Bench, BenchCase, Cell, Sample } from "../harness/case.ts";
import { type Image, makeClones, makeImage, makeOverlay, nbdOf, type Served } from "../harness/disks.ts";
import { freePort, type Server } from "../harness/server.ts";

const IMAGE_BYTES = 2 ** 32;
/** What a cell works on, unless it says more. The upper half of the image serves to get warm without touching it. */
const REGION_BYTES = 256 << 20;
const UPPER_HALF = IMAGE_BYTES / 2;
const WARM_UP = 0.4;

interface Load {
  operation: "read" | "write";
  block: number;
  depth: number;
  sequential?: boolean;
  /** The region is written (then writes are rewrites) or read (then its blocks are known to be in memory) before. */
  before?: "write" | "read";
  flushEach?: number;
  /** Bytes, where REGION_BYTES would be done before a second is over. */
  region?: number;
  /** Bytes from one block to the next in place; else they lie side by side. */
  stride?: number;
}
/** Megabytes (10^6) a second for large requests, requests a second for small ones. */
const CELLS: Record<string, Load> = {
  "randread-4k-d32": { operation: "read", block: 4096, depth: 32, before: "read" },
  "rewrite-4k-d32": { operation: "write", block: 4096, depth: 32, before: "write" },
  // Of sixteen blocks in a row fifteen meet a piece of 64 KiB that a peer has copied already; strides let each write be a first one for everybody.
  "first-write-4k-d32": { operation: "write", block: 4096, depth: 32 },
  "first-write-4k-stride64k-d8": {
    operation: "write",
    block: 4096,
    depth: 8,
    region: UPPER_HALF,
    stride: 65536,
  },
  "read-64k-d8": { operation: "read", block: 65536, depth: 8, sequential: true, before: "read" },
  "first-write-64k-d8": { operation: "write", block: 65536, depth: 8, sequential: true, region: 2 ** 30 },
  "rewrite-4k-d32-flush16": { operation: "write", block: 4096, depth: 32, before: "write", flushEach: 16 },
};

export const bench: BenchCase = {
  name: "nbd",
  describe: "a clone over NBD, one connection, against nbdkit cow and qemu-nbd qcow2 (64K and extended_l2)",
  async run(ctx) {
    const image = makeImage(join(ctx.folder, "image.raw"), IMAGE_BYTES);
    const storm = ctx.compile("nbdstorm.c");
    const peers = peersOf(ctx, image);
    for (const [name, load] of Object.entries(CELLS)) {
      const contender = (serve: Serve) => async () => {
        const folder = mkdtempSync(join(ctx.folder, "overlay-"));
        const { server, port } = await serve(folder);
        try {
          return await measure({ storm, server, port, load, seconds: ctx.seconds });
        } finally {
          await server.stop();
          rmSync(folder, { recursive: true });
        }
      };
      const contenders: Cell["contenders"] = {
        ours: contender(async (folder) => nbdOf(ctx, await makeClones(image, folder))),
      };
      for (const [peer, serve] of Object.entries(peers)) contenders[peer] = contender(serve);
      await ctx.compare({ name, unit: load.block > 4096 ? "MB/s" : "IOPS", contenders });
    }
  },
};

type Serve = (folder: string) => Promise<Served>;

function peersOf(ctx: Bench, image: Image): Record<string, Serve> {
  const peers: Record<string, Serve> = {};
  const start = async (command: string, args: (port: number) => string[], folder: string) => {
    const port = await freePort();
    return { server: await ctx.start({ command, args: args(port), port, env: { TMPDIR: folder } }), port };
  };
  const nbdkit = ctx.tool("nbdkit", "nbdkit");
  if (nbdkit)
    peers["nbdkit-cow"] = (folder) =>
      start(
        nbdkit,
        (port) => ["-f", "-i", "127.0.0.1", "-p", String(port), "--filter=cow", "file", image.path],
        folder,
      );
  const qemuNbd = ctx.tool("qemu-nbd", "qemu-utils");
  const qemuImg = ctx.tool("qemu-img", "qemu-utils");
  if (qemuNbd && qemuImg)
    for (const [peer, layout] of [
      ["qemu-nbd-qcow2", "cluster_size=64k"],
      ["qemu-nbd-qcow2-extended", "cluster_size=64k,extended_l2=on"],
    ] as const)
      peers[peer] = (folder) => {
        const overlay = join(folder, "overlay.qcow2");
        makeOverlay(qemuImg, image, overlay, layout);
        return start(
          qemuNbd,
          (port) => ["-b", "127.0.0.1", "-p", String(port), "-t", "-f", "qcow2", overlay],
          folder,
        );
      };
  return peers;
}

interface Measurement {
  storm: string;
  server: Server;
  port: number;
  load: Load;
  seconds: number;
}
async function measure({ storm, server, port, load, seconds }: Measurement): Promise<Sample> {
  const run = async (args: (string | number)[]) =>
    JSON.parse((await promisify(execFile)(storm, ["-p", String(port), ...args.map(String)])).stdout);
  const bytes = load.region ?? REGION_BYTES;
  const region = ["-r", bytes];
  if (load.before)
    await run(["-o", load.before, "-b", 65536, "-d", 8, "-s", ...region, "-n", bytes / 65536, "-t", 20]);
  const stride = load.stride ?? load.block;
  const what = ["-o", load.operation, "-b", load.block, "-e", stride];
  what.push("-d", load.depth, "-f", load.flushEach ?? 0);
  if (load.sequential) what.push("-s");
  await run([...what, ...region, "-O", UPPER_HALF, "-t", WARM_UP]);
  const before = server.cpuSeconds();
  const once = load.operation === "write" && !load.before ? ["-n", bytes / stride] : [];
  const did = await run([...what, ...region, "-t", seconds, ...once]);
  return {
    value: load.block > 4096 ? (did.iops * load.block) / 1e6 : did.iops,
    cpuSecondsPerGb: (server.cpuSeconds() - before) / (did.allBytes / 1e9),
    rssMb: server.rssMb(),
  };
}
