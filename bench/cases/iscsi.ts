// A node's disk over iSCSI: our server on a real clone, against tgt on a plain file.
import { execFile } from "node:child_process";
import { copyFileSync, mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import type { BenchCase, Cell, Sample } from "../harness/case.ts";
import { iscsiOf, makeClones, makeImage, type Served, tgtOf } from "../harness/disks.ts";
import type { Server } from "../harness/server.ts";

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
    const image = makeImage(join(ctx.folder, "iscsi-image.raw"), IMAGE_BYTES);
    const storm = ctx.compile("iscsistorm.c", ["iscsi"]);
    const tgt = tgtOf(ctx, TARGET);
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
      const contenders: Cell["contenders"] = {
        ours: contender(async (folder) => iscsiOf(ctx, TARGET, await makeClones(image, folder))),
      };
      if (tgt)
        contenders["tgt"] = contender((folder) => {
          const file = join(folder, "disk.raw"); // it is written in place: a copy for each measurement
          copyFileSync(image.path, file);
          return tgt(file);
        });
      await ctx.compare({ name, unit: load.block > 4096 ? "MB/s" : "IOPS", contenders });
    }
  },
};

type Serve = (folder: string) => Promise<Served>;

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
