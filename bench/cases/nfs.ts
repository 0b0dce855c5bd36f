// Nodes' trees over NFSv3: our server, with and without durable metadata, against nfs-ganesha on a folder; over an empty tree and over the files of an image.
import { execFileSync, spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Bench, BenchCase, Cell, Sample } from "../harness/case.ts";
import { ganeshaOf, type NfsServed, storm, treesOf } from "../harness/nfs.ts";

type Operation = "create" | "lookup" | "readdir" | "rename" | "unlink" | "write" | "read";
interface Load {
  operation: Operation;
  clients: number;
  /** What is asked for lies in the image, and not in the node's own part. */
  image?: true;
}
const OPERATIONS: Operation[] = ["create", "lookup", "readdir", "rename", "unlink", "write", "read"];
/** In a turn of all clients together. */
const FILES = 6000;
const DATA_BYTES = 256 << 20;
const WARM_UP = 0.7;
/** For the image's cells: a second of removals, so that the compiler's share of the first half second is not all. */
const [IMAGE_CLIENTS, IMAGE_FILES, IMAGE_DATA] = [8, 2500, 16 << 20];

/** Requests a second; entries of folders for readdir; megabytes (10^6) for write (with COMMIT) and read. */
const CELLS: Record<string, Load> = {};
for (const operation of OPERATIONS)
  for (const clients of [1, 8, 30]) CELLS[`${operation}-${clients}`] = { operation, clients };
for (const operation of ["lookup", "readdir", "unlink", "read"] as const)
  CELLS[`image-${operation}-${IMAGE_CLIENTS}`] = { operation, clients: IMAGE_CLIENTS, image: true };

const MOUNTED = 300;

export const bench: BenchCase = {
  name: "nfs",
  describe:
    "nodes' trees over NFSv3 against nfs-ganesha (VFS): 1, 8 and 30 clients, metadata durable or fast",
  async run(ctx) {
    const images = makeImages(ctx);
    ctx.compile("nfsstorm.c", ["nfs"]);
    const ganesha = ganeshaOf(ctx);
    for (const [name, load] of Object.entries(CELLS)) {
      // fast: what the peer does with metadata too; it syncs data at COMMIT, as durable does and fast does not
      const like = load.operation === "write" ? "durable" : "fast";
      const image = load.image ? images.filled : images.empty;
      const contender = (serve: (folder: string) => Promise<NfsServed>) => async () => {
        const folder = mkdtempSync(join(ctx.folder, "nfs-"));
        const served = await serve(folder);
        try {
          return await measure(ctx, served, load);
        } finally {
          await served.stop();
          rmSync(folder, { recursive: true });
        }
      };
      const ours = (durability: "durable" | "fast") =>
        contender((folder) => treesOf(ctx, { folder, durability, image, nodes: 1 }));
      const contenders: Cell["contenders"] = { ours: ours(like) };
      contenders[like === "fast" ? "ours-durable" : "ours-fast"] = ours(like === "fast" ? "durable" : "fast");
      if (ganesha)
        contenders["ganesha"] = contender((folder) => {
          const exported = join(folder, "exported");
          if (load.image) execFileSync("cp", ["-a", images.folder, exported]);
          else mkdirSync(exported);
          return ganesha(folder, exported);
        });
      const unit = { write: "MB/s", read: "MB/s", readdir: "entries/s" }[load.operation as string] ?? "ops/s";
      await ctx.compare({ name, unit, contenders });
    }
    await ctx.compare({
      name: `memory-${MOUNTED}-nodes`,
      unit: "MB",
      better: "less",
      rounds: 1,
      contenders: { ours: () => memory(ctx, images.filled) },
    });
  },
};

/** An ext4 with nothing in it, and one with what the storm would have made; `folder` is the same as files. */
function makeImages(ctx: Bench): { empty: string; filled: string; folder: string } {
  const mke2fs = ctx.tool("mke2fs", "e2fsprogs");
  if (!mke2fs) throw new Error("the images of this case are made by mke2fs: apt install e2fsprogs");
  const make = (name: string, folder: string, size: string) => {
    const [raw, path] = [join(ctx.folder, `${name}.raw`), join(ctx.folder, name)];
    const options = ["-q", "-F", "-t", "ext4", "-O", "^has_journal", "-N", "32768"];
    execFileSync(mke2fs, [...options, "-d", folder, raw, size]);
    // In large writes, as an image comes into the store: the page cache keeps the sizes of what it was given.
    execFileSync("cp", ["--sparse=always", "--reflink=never", raw, path]);
    rmSync(raw);
    return path;
  };
  const [nothing, folder] = [join(ctx.folder, "nothing"), join(ctx.folder, "filled")];
  mkdirSync(nothing);
  const bytes = Buffer.alloc(IMAGE_DATA, "bytes of a file of the image\n");
  for (let c = 0; c < IMAGE_CLIENTS; c++) {
    mkdirSync(join(folder, `c${c}`), { recursive: true });
    for (let f = 0; f < IMAGE_FILES; f++) writeFileSync(join(folder, `c${c}/f${f}`), "");
    writeFileSync(join(folder, `c${c}/data`), bytes);
  }
  return { empty: make("empty.img", nothing, "64M"), filled: make("filled.img", folder, "256M"), folder };
}

async function measure(ctx: Bench, served: NfsServed, load: Load): Promise<Sample> {
  const { operation, clients, image } = load;
  const files = image ? IMAGE_FILES : Math.floor(FILES / clients);
  const bytes = image ? IMAGE_DATA : Math.floor(DATA_BYTES / clients);
  const run = (what: Operation, ...more: (string | number)[]) =>
    storm(ctx, served, ["-o", what, "-c", clients, "-n", files, "-s", bytes, ...more]);
  const large = operation === "write" || operation === "read";
  const changes = operation === "create" || operation === "rename" || operation === "unlink";
  // Warm: the code, by names that are not asked for again.
  if (changes)
    for (const warm of ["create", "unlink", "create", "unlink"] as const) await run(warm, "-d", 4, "-f", "w");
  if (!image && operation === "read") await run("write", "-d", 4);
  else if (!image && operation !== "create" && operation !== "write") await run("create", "-d", 4);
  if (!changes) await run(operation, "-t", WARM_UP, "-d", large ? 4 : 1);
  const before = served.server.cpuSeconds();
  const did = await run(operation, "-t", ctx.seconds, "-d", large ? 4 : 1);
  const cpu = served.server.cpuSeconds() - before;
  return {
    value: large ? did.bytes / 1e6 / did.seconds : did.requests / did.seconds,
    ...(large
      ? { cpuSecondsPerGb: cpu / (did.bytes / 1e9) }
      : { cpuMicrosPerRequest: (cpu * 1e6) / did.requests }),
    rssMb: served.server.rssMb(),
  };
}

/** Nodes over one image, each mounted and each with something of its own. */
async function memory(ctx: Bench, image: string): Promise<Sample> {
  const folder = mkdtempSync(join(ctx.folder, "nfs-"));
  const served = await treesOf(ctx, { folder, durability: "durable", image, nodes: MOUNTED });
  try {
    await storm(ctx, served, ["-o", "write", "-c", MOUNTED, "-s", 256 << 10]);
    await storm(ctx, served, ["-o", "readdir", "-c", MOUNTED, "-t", 1]);
    const { program, args } = served.storm(["-o", "mount", "-c", String(MOUNTED)]);
    const held = spawn(program, args, { stdio: ["pipe", "pipe", "inherit"] });
    await new Promise<void>((resolve, reject) => {
      held.stdout.once("data", () => resolve());
      held.once("close", (code) => reject(new Error(`nfsstorm ended with ${code}`)));
    });
    const rssMb = served.server.rssMb();
    held.stdin.end();
    return { value: rssMb, rssMb };
  } finally {
    await served.stop();
    rmSync(folder, { recursive: true });
  }
}
