// A node's disk over iSCSI: our server on a real clone, against tgt on a plain file.
import { execFile, execFileSync } from "node:child_process";
import { randomFillSync } from "node:crypto";
import { closeSync, copyFileSync, mkdtempSync, openSync, rmSync, writeSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { createClone } from "../../src/storage/clones/clone.ts";
import type { Bench, BenchCase, Cell, Sample } from "../harness/case.ts";
import { freePort, type Server } from "../harness/server.ts";

const IMAGE_BYTES = 512 << 20;
/** What a cell works on. */
const REGION_BYTES = 256 << 20;
const WARM_UP = 0.4;
const TARGET = "iqn.2026-11.local.bramble:bench";

interface Load {
  operation: "read" | "write";
  block: number;
  depth: number;
  sessions: number;
  sequential?: boolean;
}
const random = (operation: Load["operation"], depth: number, sessions = 1): Load => ({
  operation,
  block: 4096,
  depth,
  sessions,
});
const sequential = (operation: Load["operation"], block: number): Load => ({
  operation,
  block,
  depth: 8,
  sessions: 1,
  sequential: true,
});
/** Megabytes (10^6) a second for large requests, requests a second for small ones. tgt gives its first disk as LUN 1. */
const CELLS: Record<string, Load> = {
  "randread-4k-d1": random("read", 1),
  "randread-4k-d8": random("read", 8),
  "randread-4k-d32": random("read", 32),
  "randwrite-4k-d1": random("write", 1),
  "randwrite-4k-d8": random("write", 8),
  "randwrite-4k-d32": random("write", 32),
  "read-64k-d8": sequential("read", 64 << 10),
  "write-64k-d8": sequential("write", 64 << 10),
  "read-1m-d8": sequential("read", 1 << 20),
  "write-1m-d8": sequential("write", 1 << 20),
  "randread-4k-8-sessions": random("read", 8, 8),
  "randwrite-4k-8-sessions": random("write", 8, 8),
  "randread-4k-30-sessions": random("read", 4, 30),
  "randwrite-4k-30-sessions": random("write", 4, 30),
};

export const bench: BenchCase = {
  name: "iscsi",
  describe:
    "a clone over iSCSI against tgt on a plain file: 4k random, 64k and 1M sequential, 1 to 30 sessions",
  async run(ctx) {
    const image = join(ctx.folder, "iscsi-image.raw");
    makeImage(image);
    const storm = ctx.compile("iscsistorm.c", ["iscsi"]);
    const tgt = tgtOf(ctx, image);
    for (const [name, load] of Object.entries(CELLS)) {
      const contender = (serve: Serve) => async () => {
        const folder = mkdtempSync(join(ctx.folder, "iscsi-"));
        const { server, port } = await serve(folder);
        try {
          return await measure({ storm, server, port, load, seconds: ctx.seconds });
        } finally {
          await server.stop();
          rmSync(folder, { recursive: true });
        }
      };
      const contenders: Cell["contenders"] = { ours: contender((folder) => serveOurs(ctx, image, folder)) };
      if (tgt) contenders["tgt"] = contender(tgt);
      await ctx.compare({ name, unit: load.block > 4096 ? "MB/s" : "IOPS", contenders });
    }
  },
};

type Serve = (folder: string) => Promise<{ server: Server; port: number }>;

/** Random bytes all over, in the page cache: what an image in use looks like. */
function makeImage(path: string): void {
  const chunk = randomFillSync(Buffer.allocUnsafe(16 << 20));
  const fd = openSync(path, "w");
  for (let at = 0; at < IMAGE_BYTES; at += chunk.length) writeSync(fd, chunk);
  closeSync(fd);
}

async function serveOurs(ctx: Bench, image: string, folder: string): ReturnType<Serve> {
  const path = join(folder, "clone.qcow2");
  await createClone({ path, image: { path: image, size: IMAGE_BYTES, sha256: "0".repeat(64) } });
  const server = await ctx.ours("iscsi", [path, TARGET]);
  return { server, port: (server.ready as { port: number }).port };
}

/** tgtd with its file, which it writes in place: a copy for each measurement. */
function tgtOf(ctx: Bench, image: string): Serve | undefined {
  const tgtd = ctx.tool("tgtd", "tgt");
  const tgtadm = ctx.tool("tgtadm", "tgt");
  if (!tgtd || !tgtadm) return undefined;
  return async (folder) => {
    const port = await freePort();
    const control = 1 + (port % 1000);
    const file = join(folder, "disk.raw");
    copyFileSync(image, file);
    const args = ["-f", "-C", String(control), "--iscsi", `portal=127.0.0.1:${port}`];
    const server = await ctx.start({ command: tgtd, args, port });
    const admin = (...words: string[]) =>
      execFileSync(tgtadm, ["-C", String(control), "--lld", "iscsi", ...words]);
    admin("--op", "new", "--mode", "target", "--tid", "1", "-T", TARGET);
    admin("--op", "new", "--mode", "logicalunit", "--tid", "1", "--lun", "1", "-b", file);
    admin("--op", "bind", "--mode", "target", "--tid", "1", "-I", "ALL");
    return { server, port };
  };
}

interface Measurement {
  storm: string;
  server: Server;
  port: number;
  load: Load;
  seconds: number;
}
async function measure({ storm, server, port, load, seconds }: Measurement): Promise<Sample> {
  const url = `iscsi://127.0.0.1:${port}/${TARGET}/1`;
  const run = async (args: (string | number)[]) =>
    JSON.parse((await promisify(execFile)(storm, ["-u", url, "-r", ...args.map(String)])).stdout);
  const fill = ["-o", load.operation, "-b", 65536, "-d", 8, "-s", "-n", REGION_BYTES / 65536, "-t", 30];
  await run([REGION_BYTES, ...fill]); // then writes are rewrites, and reads known to be in memory
  const what = ["-o", load.operation, "-b", load.block, "-d", load.depth, "-c", load.sessions];
  if (load.sequential) what.push("-s");
  const before = server.cpuSeconds();
  const did = await run([REGION_BYTES, ...what, "-w", WARM_UP, "-t", seconds]);
  return {
    value: load.block > 4096 ? (did.iops * load.block) / 1e6 : did.iops,
    cpuSecondsPerGb: (server.cpuSeconds() - before) / (did.allBytes / 1e9),
    rssMb: server.rssMb(),
  };
}
