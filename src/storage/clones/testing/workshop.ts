import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { closeSync, ftruncateSync, mkdtempSync, openSync, rmSync, writeFileSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Die } from "../../testing/die.ts";
import { createClone } from "../clone.ts";
import { BASE, DISK_SIZE, fillSectors, offsetOf, SECTOR, SECTORS } from "./sectors.ts";

export const MIB = 1024 * 1024;

/** A folder of its own with an image in it, of blocks of one byte each and some holes. */
export function workshop(imageSize: number, seed = 1) {
  const folder = mkdtempSync(join(tmpdir(), "bramble-clones-"));
  const image = join(folder, "image.img");
  const die = new Die(seed);
  const bytes = new Uint8Array(imageSize);
  for (let at = 0; at < imageSize; at += 4096)
    if (die.below(4)) bytes.fill(1 + die.below(255), at, Math.min(at + 4096, imageSize));
  writeFileSync(image, bytes);
  const sha256 = createHash("sha256").update(bytes).digest("hex");
  const path = (name: string) => join(folder, name);
  return {
    image,
    bytes,
    sha256,
    path,
    clone: (name: string, more: { size?: number } = {}) =>
      createClone({ path: path(name), image: { path: image, size: imageSize, sha256 }, ...more }),
    removeFile: (name: string) => rmSync(path(name), { force: true }),
    remove: () => rmSync(folder, { recursive: true, force: true }),
  };
}

/** A folder with a clone `c.qcow2` of a sparse image whose used sectors say where they belong: see sectors.ts. */
export async function sectorWorkshop() {
  const folder = workshop(4096);
  const image = folder.path("sectors.img");
  const file = openSync(image, "w");
  for (let sector = 0; sector < SECTORS; sector += MIB / SECTOR)
    writeSync(file, fillSectors(sector, MIB / SECTOR, BASE), 0, MIB, offsetOf(sector));
  ftruncateSync(file, DISK_SIZE);
  closeSync(file);
  await createClone({ path: folder.path("c.qcow2"), image: { path: image, size: DISK_SIZE, sha256: "00" } });
  return folder;
}

/** A fresh clone in a fresh folder; `bytes` is what it reads as at first. */
export async function cloneOf({
  imageSize = 3 * MIB,
  size = imageSize,
}: {
  imageSize?: number;
  size?: number;
}) {
  const folder = workshop(imageSize);
  await folder.clone("c.qcow2", { size });
  const bytes = folder.bytes;
  return { folder, bytes, path: folder.path("c.qcow2") };
}

const tool = (name: string, args: string[], input = "") =>
  execFileSync(name, args, { encoding: "utf8", input, maxBuffer: 1 << 28, stdio: ["pipe", "pipe", "pipe"] });

/** QEMU's tools, the independent oracle. A finding of theirs throws. */
export const qemu = {
  check: (path: string) => tool("qemu-img", ["check", "-q", path]),
  /** As check(), but leaks may be: clusters that are counted and not used. */
  checkLeaks: (path: string) => {
    try {
      qemu.check(path);
    } catch (error) {
      if ((error as { status?: number }).status !== 3) throw error;
    }
  },
  compare: (a: string, b: string) => tool("qemu-img", ["compare", "-q", a, b]),
  create: (path: string, options: string, backing: { file: string; format: string }, size?: number) =>
    tool("qemu-img", [
      ...["create", "-q", "-f", "qcow2", "-F", backing.format, "-b", backing.file, "-o", options, path],
      ...(size === undefined ? [] : [String(size)]),
    ]),
  img: (...args: string[]) => tool("qemu-img", args),
  io: (path: string, commands: string[]) => {
    const out = tool("qemu-io", ["-f", "qcow2", path], `${commands.join("\n")}\nquit\n`);
    if (/error|failed|non-numeric|invalid/i.test(out)) throw new Error(`qemu-io: ${out.slice(-400)}`);
  },
};
