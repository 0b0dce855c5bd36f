// An image's way into the data folder, against the pipe that a person would type: unpack, hash both ends, write sparse, fsync.
import { execFile, execFileSync } from "node:child_process";
import {
  closeSync,
  lstatSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import type { Bench, BenchCase, Cell, Sample } from "../harness/case.ts";

/** Half of it real files, half of it nothing: what an SD card's image looks like. */
const DATA_BYTES = 128 << 20;
const IMAGE_BYTES = 2 * DATA_BYTES;
const TIMEOUT_MS = 300_000;

/** How each packing is made, and how a shell takes it off. */
const PACKINGS: Record<string, { apt: string; pack?: string[]; unpack: string }> = {
  raw: { apt: "coreutils", unpack: "cat" },
  xz: { apt: "xz-utils", pack: ["xz", "-1", "-T0", "--block-size=8MiB", "-c"], unpack: "xz -dc -T0" },
  zst: { apt: "zstd", pack: ["zstd", "-3", "-q", "-c"], unpack: "zstd -dcq" },
  gz: { apt: "gzip", pack: ["gzip", "-1", "-c"], unpack: "gzip -dc" },
};

export const bench: BenchCase = {
  name: "import",
  describe:
    "an image of 256 MB in each packing into the data folder, against a shell pipe with sha256sum, tee and dd",
  async run(ctx) {
    const raw = join(ctx.folder, "card.img");
    makeImage(raw);
    for (const [packing, { apt, pack, unpack }] of Object.entries(PACKINGS)) {
      if (pack && !ctx.tool(pack[0] ?? "", apt)) continue;
      const source = pack ? join(ctx.folder, `card.img.${packing}`) : raw;
      if (pack) execFileSync("sh", ["-c", `"$@" < ${raw} > ${source}`, "sh", ...pack]);
      const contenders: Cell["contenders"] = { ours: () => ours(ctx, source) };
      if (ctx.tool("bash", "bash")) contenders["shell-pipe"] = () => shell(ctx, source, unpack);
      if (!pack) {
        const qemu = ctx.tool("qemu-img", "qemu-utils");
        if (qemu)
          contenders["qemu-img-convert-no-hash"] = () =>
            command(ctx, (to) => [qemu, ["convert", "-O", "raw", "-f", "raw", source, to]]);
      }
      await ctx.compare({ name: `import-${packing}`, unit: "MB/s", contenders });
    }
  },
};

/** The files of this machine's /usr, one behind the other, a hole between any two megabytes of them. */
function makeImage(path: string): void {
  const fd = openSync(path, "w");
  let written = 0;
  const folders = ["/usr/lib", "/usr/bin", "/usr/share"];
  for (let folder = folders.shift(); folder && written < DATA_BYTES; folder = folders.shift()) {
    for (const name of readdirSync(folder).sort()) {
      const file = join(folder, name);
      const found = lstatSync(file);
      if (found.isDirectory()) folders.push(file);
      if (!found.isFile() || found.size > 16 << 20 || written >= DATA_BYTES) continue;
      const bytes = readFileSync(file).subarray(0, DATA_BYTES - written);
      for (let at = 0; at < bytes.length; ) {
        const left = (1 << 20) - (written % (1 << 20));
        const piece = bytes.subarray(at, at + left);
        const place = written + Math.floor(written / (1 << 20)) * (1 << 20);
        writeSync(fd, piece, 0, piece.length, place);
        written += piece.length;
        at += piece.length;
      }
    }
  }
  writeSync(fd, Buffer.alloc(512), 0, 512, IMAGE_BYTES - 512);
  closeSync(fd);
}

interface Took {
  size: number;
  seconds: number;
  cpuSeconds: number;
  rssMb: number;
}

async function ours(ctx: Bench, source: string): Promise<Sample> {
  const data = mkdtempSync(join(ctx.folder, "data-"));
  const here = fileURLToPath(import.meta.url);
  const script = join(dirname(dirname(here)), "servers", here.endsWith(".ts") ? "import.ts" : "import.js");
  const server = await ctx.start({
    command: process.execPath,
    args: [...process.execArgv, script, data, source],
    timeoutMs: TIMEOUT_MS,
  });
  try {
    const took = server.ready as Took | undefined;
    if (took?.size !== IMAGE_BYTES) throw new Error(`the import of ${source} gave ${took?.size} bytes`);
    return {
      value: took.size / took.seconds / 1e6,
      cpuSecondsPerGb: took.cpuSeconds / (took.size / 1e9),
      rssMb: took.rssMb,
    };
  } finally {
    await server.stop();
    rmSync(data, { recursive: true, force: true });
  }
}

const shell = (ctx: Bench, source: string, unpack: string): Promise<Sample> =>
  command(ctx, (to) => [
    "bash",
    [
      "-c",
      `set -eo pipefail; sha256sum ${source} > ${to}.a & ${unpack} ${source} | tee >(sha256sum > ${to}.b) | dd of=${to} bs=1M iflag=fullblock conv=sparse,fsync status=none; wait`,
    ],
  ]);

async function command(ctx: Bench, how: (to: string) => [string, string[]]): Promise<Sample> {
  const folder = mkdtempSync(join(ctx.folder, "peer-"));
  const to = join(folder, "out.img");
  const [program, args] = how(to);
  const start = performance.now();
  try {
    await promisify(execFile)(program, args, { timeout: TIMEOUT_MS });
    const seconds = (performance.now() - start) / 1000;
    if (statSync(to).size !== IMAGE_BYTES) throw new Error(`${program} wrote ${statSync(to).size} bytes`);
    return { value: IMAGE_BYTES / seconds / 1e6 };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
