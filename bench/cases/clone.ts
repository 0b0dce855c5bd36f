// A node's own disk, made and opened: a clone of a 32 GiB image.
import { execFileSync } from "node:child_process";
import { closeSync, ftruncateSync, mkdtempSync, openSync, rmSync } from "node:fs";
import { join } from "node:path";
import { createClone, openClone } from "../../src/storage/clones/clone.ts";
import type { Bench, BenchCase, Sample } from "../harness/case.ts";

const GIB = 2 ** 30;
const IMAGE_BYTES = 32 * GIB;
/** Clones that one measurement makes; the median counts. */
const CLONES = 15;

export const bench: BenchCase = {
  name: "clone",
  describe:
    "making and opening a clone of a 32 GiB image, against qemu-img create (with its process's start)",
  async run(ctx) {
    const image = join(ctx.folder, "image.raw");
    const fd = openSync(image, "w");
    ftruncateSync(fd, IMAGE_BYTES);
    closeSync(fd);
    const make = async (path: string): Promise<After> => {
      await createClone({ path, image: { path: image, size: IMAGE_BYTES, sha256: "0".repeat(64) } });
      return undefined;
    };
    const makeAndOpen = async (path: string) => {
      await make(path);
      const clone = await openClone(path);
      return () => clone.close();
    };
    const qemuImg = ctx.tool("qemu-img", "qemu-utils");
    const layout = "-q -f qcow2 -o cluster_size=64k,extended_l2=on -F raw -b".split(" ");
    const qemu = (path: string): After => {
      execFileSync(qemuImg ?? "", ["create", ...layout, image, path]);
      return undefined;
    };
    const peers = qemuImg ? { "qemu-img": () => median(ctx, qemu) } : {};
    await ctx.compare({
      name: "create-32g",
      unit: "ms",
      better: "less",
      contenders: { ours: () => median(ctx, make), ...peers },
    });
    await ctx.compare({
      name: "create-and-open-32g",
      unit: "ms",
      better: "less",
      contenders: { ours: () => median(ctx, makeAndOpen) },
    });
  },
};

type After = (() => Promise<void>) | undefined;

/** The median time of one `make`; what it returns is called outside the clock. */
async function median(ctx: Bench, make: (path: string) => Promise<After> | After): Promise<Sample> {
  const folder = mkdtempSync(join(ctx.folder, "clones-"));
  const times: number[] = [];
  for (let i = 0; i < CLONES; i++) {
    const start = performance.now();
    const after = await make(join(folder, `${i}.qcow2`));
    times.push(performance.now() - start);
    await after?.();
  }
  rmSync(folder, { recursive: true });
  times.sort((a, b) => a - b);
  return { value: times[Math.floor(CLONES / 2)] ?? Number.NaN };
}
