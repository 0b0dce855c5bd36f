// A node that asks for its writes to be durable: small writes with flushes between them, over NBD and iSCSI.
import { execFile } from "node:child_process";
import { closeSync, ftruncateSync, mkdtempSync, openSync, rmSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import type { Bench, BenchCase, Cell, Sample } from "../harness/case.ts";
import { type Image, iscsiOf, makeClones, makeImage, makeOverlay, nbdOf, tgtOf } from "../harness/disks.ts";
import { freePort, type Server } from "../harness/server.ts";
import { fdatasyncsOf } from "../harness/syncs.ts";

const IMAGE_BYTES = 512 << 20;
/** First writes: what a measurement may use up. The upper half of the image serves to get warm without touching it. */
const FRESH_BYTES = IMAGE_BYTES / 2;
/** Rewrites: written and flushed before. */
const WRITTEN_BYTES = 64 << 20;
const BLOCK = 4096;
const WARM_UP = 0.4;
const TARGET = "iqn.2026-11.local.bramble:bench";

/** Each connection has one request open: a write, and after each `flushEach` of them a flush. */
interface Load {
  fresh: boolean;
  flushEach: number;
  connections: number;
}
const CELLS: Record<string, Load> = {};
for (const [kind, fresh] of [
  ["first-write", true],
  ["rewrite", false],
] as const)
  for (const flushEach of [1, 16])
    for (const connections of [1, 4, 16])
      CELLS[`${kind}-4k-flush${flushEach}-c${connections}`] = { fresh, flushEach, connections };

/** A disk that is being served, and the load generator that reaches it. */
interface Target {
  server: Server;
  storm: string;
  where: string[];
  /** What -n counts: requests of each connection, or of all. */
  limit: "each" | "all";
}
/** Makes a fresh disk in the folder and serves it. */
type Serve = (folder: string) => Promise<Target>;

export const bench: BenchCase = {
  name: "fsync",
  describe:
    "4k random writes with a flush after 1 and 16, 1 to 16 connections: NBD against qemu-nbd, iSCSI against tgt",
  async run(ctx) {
    const image = makeImage(join(ctx.folder, "fsync-image.raw"), IMAGE_BYTES);
    const protocols = { nbd: overNbd(ctx, image), iscsi: overIscsi(ctx, image) };
    for (const [name, load] of Object.entries(CELLS))
      for (const [protocol, serve] of Object.entries(protocols)) {
        const syncs: number[] = [];
        const contenders = { ours: () => measureOnce(ctx, serve.ours, load, syncs) } as Cell["contenders"];
        for (const [peer, start] of Object.entries(serve.peers))
          contenders[peer] = () => measureOnce(ctx, start, load, []);
        await ctx.compare({ name: `${protocol}-${name}`, unit: "IOPS", contenders });
        const least = Math.min(...syncs);
        if (Number.isFinite(least))
          await ctx.compare({
            name: `${protocol}-${name}-syncs`,
            unit: "fdatasyncs/flush",
            better: "less",
            contenders: { ours: async () => ({ value: least }) },
            rounds: 1,
          });
      }
  },
};

interface Protocol {
  ours: Serve;
  peers: Record<string, Serve>;
}

function overNbd(ctx: Bench, image: Image): Protocol {
  const storm = ctx.compile("nbdstorm.c");
  const target = (server: Server, port: number): Target => ({
    server,
    storm,
    where: ["-p", String(port)],
    limit: "each",
  });
  const ours: Serve = async (folder) => {
    const { server, port } = await nbdOf(ctx, await makeClones(image, folder));
    return target(server, port);
  };
  const qemuNbd = ctx.tool("qemu-nbd", "qemu-utils");
  const qemuImg = ctx.tool("qemu-img", "qemu-utils");
  if (!qemuNbd || !qemuImg) return { ours, peers: {} };
  const qemu: Serve = async (folder) => {
    const overlay = join(folder, "overlay.qcow2");
    makeOverlay(qemuImg, image, overlay, "cluster_size=64k,extended_l2=on");
    const port = await freePort();
    const args = ["-b", "127.0.0.1", "-p", String(port), "-t", "-e", "16", "-f", "qcow2", overlay];
    return target(await ctx.start({ command: qemuNbd, args, port }), port);
  };
  return { ours, peers: { "qemu-nbd-qcow2-extended": qemu } };
}

function overIscsi(ctx: Bench, image: Image): Protocol {
  const storm = ctx.compile("iscsistorm.c", ["iscsi"]);
  const target = (server: Server, port: number): Target => ({
    server,
    storm,
    where: ["-u", `iscsi://127.0.0.1:${port}/${TARGET}/1`],
    limit: "all",
  });
  const ours: Serve = async (folder) => {
    const { server, port } = await iscsiOf(ctx, TARGET, await makeClones(image, folder));
    return target(server, port);
  };
  const tgt = tgtOf(ctx, TARGET);
  if (!tgt) return { ours, peers: {} };
  const sparse: Serve = async (folder) => {
    const file = join(folder, "disk.raw"); // without any block yet: what is nearest to a fresh clone
    const fd = openSync(file, "w");
    ftruncateSync(fd, IMAGE_BYTES);
    closeSync(fd);
    const { server, port } = await tgt(file);
    return target(server, port);
  };
  return { ours, peers: { tgt: sparse } };
}

/** One measurement on a fresh disk; adds how many fdatasyncs a flush took, where the server counts them. */
async function measureOnce(ctx: Bench, serve: Serve, load: Load, syncs: number[]): Promise<Sample> {
  const folder = mkdtempSync(join(ctx.folder, "fsync-"));
  try {
    const target = await serve(folder);
    let done: { sample: Sample; flushes: number };
    try {
      done = await measure(target, load, ctx.seconds);
    } finally {
      await target.server.stop();
    }
    const count = fdatasyncsOf(join(folder, "clone-0.qcow2"));
    if (count !== undefined) syncs.push(count / done.flushes);
    return done.sample;
  } finally {
    rmSync(folder, { recursive: true });
  }
}

async function measure({ server, storm, where, limit }: Target, load: Load, seconds: number) {
  let flushes = 0;
  const run = async (...args: (string | number)[]) => {
    const all = [...where, "-o", "write", ...args.map(String)];
    const did = JSON.parse((await promisify(execFile)(storm, all)).stdout);
    flushes += did.allFlushes;
    return did;
  };
  const region = ["-r", load.fresh ? FRESH_BYTES : WRITTEN_BYTES];
  const what = ["-b", BLOCK, "-d", 1, "-c", load.connections, "-f", load.flushEach, ...region];
  if (load.fresh) await run(...what, "-O", FRESH_BYTES, "-t", WARM_UP);
  else {
    const requests = WRITTEN_BYTES / 65536;
    await run("-b", 65536, "-d", 8, "-s", ...region, "-n", requests, "-f", requests, "-t", 60);
    await run(...what, "-t", WARM_UP);
  }
  const blocks = FRESH_BYTES / BLOCK; // once, and no block twice
  const once = load.fresh ? ["-n", limit === "each" ? blocks / load.connections : blocks] : [];
  const before = server.cpuSeconds();
  const did = await run(...what, "-t", seconds, ...once);
  const sample: Sample = {
    value: did.iops,
    cpuSecondsPerGb: (server.cpuSeconds() - before) / (did.allBytes / 1e9),
    rssMb: server.rssMb(),
  };
  return { sample, flushes };
}
