// What the cases about nodes' disks share: an image, clones of it, and the peers' files and servers.
import { execFileSync } from "node:child_process";
import { randomFillSync } from "node:crypto";
import { closeSync, fsyncSync, openSync, writeSync } from "node:fs";
import { join } from "node:path";
import { createClone } from "../../src/storage/clones/clone.ts";
import type { Bench } from "./case.ts";
import { freePort, type Server } from "./server.ts";

export interface Image {
  path: string;
  size: number;
}
/** A server of disks, and where it listens. */
export interface Served {
  server: Server;
  port: number;
}

/** Random bytes all over, in the page cache and on the disk: what an image in use looks like. */
export function makeImage(path: string, size: number): Image {
  const chunk = randomFillSync(Buffer.allocUnsafe(16 << 20));
  const fd = openSync(path, "w");
  for (let at = 0; at < size; at += chunk.length) writeSync(fd, chunk);
  fsyncSync(fd); // else the kernel would write it out while we measure
  closeSync(fd);
  return { path, size };
}

/** Fresh clones of the image in this folder; gives their paths. */
export async function makeClones({ path, size }: Image, folder: string, count = 1): Promise<string[]> {
  const paths = Array.from({ length: count }, (_, i) => join(folder, `clone-${i}.qcow2`));
  for (const clone of paths)
    await createClone({ path: clone, image: { path, size, sha256: "0".repeat(64) } });
  return paths;
}

/** Our NBD server over these clones: the exports "0", "1" and so on; "" is the first. */
export async function nbdOf(ctx: Bench, clones: readonly string[]): Promise<Served> {
  const server = await ctx.ours("nbd", clones);
  return { server, port: (server.ready as { port: number }).port };
}

/** Our iSCSI server over these clones, each LUN 1 of its target: `target` for a single one, else `target-0`, `target-1` and so on. */
export async function iscsiOf(ctx: Bench, target: string, clones: readonly string[]): Promise<Served> {
  const server = await ctx.ours("iscsi", [target, ...clones]);
  return { server, port: (server.ready as { port: number }).port };
}

/** A qcow2 overlay over the image, made by qemu-img with these options of its -o. */
export function makeOverlay(qemuImg: string, image: Image, path: string, options: string): void {
  const base = ["-F", "raw", "-b", image.path];
  execFileSync(qemuImg, ["create", "-q", "-f", "qcow2", "-o", options, ...base, path]);
}

/** How to start tgtd with a file, which it writes in place, as LUN 1 (0 is its controller) of `target`; undefined without tgt. */
export function tgtOf(ctx: Bench, target: string): ((file: string) => Promise<Served>) | undefined {
  const tgtd = ctx.tool("tgtd", "tgt");
  const tgtadm = ctx.tool("tgtadm", "tgt");
  if (!tgtd || !tgtadm) return undefined;
  return async (file) => {
    const port = await freePort();
    const control = String(1 + (port % 1000));
    const args = ["-f", "-C", control, "--iscsi", `portal=127.0.0.1:${port}`];
    const server = await ctx.start({ command: tgtd, args, port });
    const admin = (...words: string[]) => execFileSync(tgtadm, ["-C", control, "--lld", "iscsi", ...words]);
    admin("--op", "new", "--mode", "target", "--tid", "1", "-T", target);
    admin("--op", "new", "--mode", "logicalunit", "--tid", "1", "--lun", "1", "-b", file);
    admin("--op", "bind", "--mode", "target", "--tid", "1", "-I", "ALL");
    return { server, port };
  };
}
