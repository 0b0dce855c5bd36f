// A guest that writes to an ext4 on a disk of its own, of which every write and flush is recorded.
import { truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { concat } from "../../src/base/bytes.ts";
import type { ReadableDisk } from "../../src/base/disk.ts";
import { readAll, type Tree } from "../../src/base/tree.ts";
import { type CpioEntry, writeCpio } from "../../src/formats/cpio.ts";
import { openExt4 } from "../../src/formats/ext4.ts";
import { openFat } from "../../src/formats/fat.ts";
import { readPartitions } from "../../src/formats/partitions.ts";
import { slice } from "../../src/formats/slice.ts";
import { RawFile } from "../../src/storage/images/raw-file.ts";
import { openXz } from "../../src/storage/images/xz.ts";
import { output, start } from "./commands.ts";

const MIB = 1 << 20;
/** The disk: a file system, and sectors where the guest says what it knows to be safe. */
export const FS = { offset: MIB, size: 24 * MIB };
export const MARKS = { offset: 25 * MIB, size: MIB };
export const DISK_BYTES = 26 * MIB;
/** Version v of a file goes to slot v mod SLOTS, by fsync and rename. */
export const SLOTS = 16;

/** What version `v` of a file holds. */
export const contentOf = (v: number): Buffer =>
  Buffer.from(`version ${v} of it\n`.repeat(200 + ((v * 37) % 4000)));

const MODULES = ["virtio_blk", "ext4"];

const script = (modules: string[], versions: number): string => `#!/bin/busybox sh
/bin/busybox --install -s /bin
export PATH=/bin
mount -t proc proc /proc; mount -t sysfs sysfs /sys; mount -t devtmpfs dev /dev
${modules.map((name) => `insmod /modules/${name}`).join("\n")}
mkdir -p /mnt; mount -t ext4 /dev/vda1 /mnt && echo GUEST mounted
v=1
while [ $v -le ${versions} ]; do
  n=$((200 + (v * 37) % 4000)); s=$((v % ${SLOTS}))
  yes "version $v of it" | head -n $n > /mnt/new.$s
  dd if=/dev/null of=/mnt/new.$s conv=notrunc,fsync 2>/dev/null && mv /mnt/new.$s /mnt/file.$s && sync || exit 1
  printf 'MARK%08d' $v | dd of=/dev/vda2 bs=512 seek=$v conv=sync,fsync,notrunc 2>/dev/null
  [ $((v % 9)) = 0 ] && { dd if=/dev/urandom of=/mnt/loose bs=64k count=30 2>/dev/null; mkdir /mnt/d$v; touch /mnt/d$v/a /mnt/d$v/b; }
  [ $((v % 20)) = 0 ] && { rm -f /mnt/loose; sync; fstrim /mnt; }
  v=$((v + 1))
done
ls -l /mnt; sync; umount /mnt; echo GUEST done
poweroff -f
`;

/** Boots it once; gives the empty disk that it began with and the log. */
export async function recordGuest(folder: string, miniImage: string, versions: number) {
  const path = (name: string) => join(folder, name);
  const image = await RawFile.open(miniImage);
  try {
    const { partitions } = await readPartitions(image);
    const [boot, root] = partitions.map(({ offset, size }) => slice(image, offset, size)) as [
      ReadableDisk,
      ReadableDisk,
    ];
    const fat = await openFat(boot);
    const kernel = await fileOf(fat, "kernel8.img");
    await writeFile(path("kernel"), kernel[0] === 0x1f ? gunzipSync(kernel) : kernel);
    await writeFile(path("initramfs"), await initramfs(await openExt4(root), versions));
  } finally {
    await image.close();
  }
  const disk = path("empty.img");
  await writeFile(disk, "");
  await truncate(disk, DISK_BYTES);
  await output("mke2fs", ["-q", "-F", "-t", "ext4", "-E", `offset=${FS.offset}`, disk, `${FS.size / 1024}k`]);
  await writeFile(disk, partitionTable(), { flag: "r+" });
  const [worked, log] = [path("worked.img"), path("writes.log")];
  await output("cp", ["--sparse=always", disk, worked]);
  await writeFile(log, "");
  const run = start("qemu-system-aarch64", [
    ...["-M", "virt", "-cpu", "cortex-a72", "-m", "512", "-accel", "tcg,thread=multi"],
    ...["-nodefaults", "-display", "none", "-serial", "stdio", "-no-reboot"],
    ...["-blockdev", `driver=file,node-name=f,filename=${worked},discard=unmap`],
    ...["-blockdev", `driver=file,node-name=l,filename=${log}`],
    ...["-blockdev", "driver=blklogwrites,node-name=d,file=f,log=l,discard=unmap"],
    ...["-device", "virtio-blk-pci,drive=d,discard=on"],
    ...["-kernel", path("kernel"), "-initrd", path("initramfs"), "-append", "console=ttyAMA0 quiet panic=-1"],
  ]);
  try {
    await run.saw(/GUEST done/, 300);
    await run.ended;
  } finally {
    await run.stop();
  }
  return { disk, log };
}

async function fileOf(tree: Tree, path: string): Promise<Uint8Array<ArrayBuffer>> {
  const file = await tree.open(path);
  if (!file) throw new Error(`there is no ${path}`);
  return readAll(file);
}

async function initramfs(root: Tree, versions: number): Promise<Uint8Array> {
  const [version] = (await root.list("usr/lib/modules"))
    .map(({ name }) => name)
    .filter((name) => /^\d/.test(name));
  const folder = `usr/lib/modules/${version}`;
  const needs = new Map<string, string[]>();
  for (const line of Buffer.from(await fileOf(root, `${folder}/modules.dep`))
    .toString()
    .split("\n")) {
    const [file, on] = line.split(":");
    if (file && on !== undefined) needs.set(file, on.split(" ").filter(Boolean));
  }
  const order: string[] = [];
  const add = (file: string) => {
    for (const needed of needs.get(file) ?? []) add(needed);
    if (!order.includes(file)) order.push(file);
  };
  for (const name of MODULES) add([...needs.keys()].find((file) => file.includes(`/${name}.ko`)) ?? name);
  // ext4's checksums, asked for by name when it mounts
  for (const name of ["crc32c_generic", "libcrc32c"]) {
    const file = [...needs.keys()].find((one) => one.includes(`/${name}.ko`));
    if (file) add(file);
  }
  const entries: CpioEntry[] = ["bin", "dev", "proc", "sys", "mnt", "modules"].map((path) => ({
    ...{ kind: "directory" as const, path, mode: 0o755 },
  }));
  for (const file of order) {
    const packed = await fileOf(root, `${folder}/${file}`);
    const parts: Uint8Array[] = [];
    if (file.endsWith(".xz")) for await (const part of openXz(once(packed))) parts.push(part);
    else parts.push(packed);
    entries.push({ kind: "file", path: `modules/${nameOf(file)}`, mode: 0o644, bytes: concat(parts) });
  }
  entries.push({ kind: "file", path: "bin/busybox", mode: 0o755, bytes: await fileOf(root, "bin/busybox") });
  const init = Buffer.from(script(order.map(nameOf), versions));
  entries.push({ kind: "file", path: "init", mode: 0o755, bytes: init });
  return writeCpio(entries);
}

const nameOf = (file: string): string => (file.split("/").at(-1) ?? file).replace(/\.xz$/, "");

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}

/** Two entries of an MBR. */
function partitionTable(): Buffer {
  const sector = Buffer.alloc(512);
  for (const [i, { offset, size }] of [FS, MARKS].entries()) {
    sector[446 + i * 16 + 4] = 0x83;
    sector.writeUInt32LE(offset / 512, 446 + i * 16 + 8);
    sector.writeUInt32LE(size / 512, 446 + i * 16 + 12);
  }
  sector.writeUInt16LE(0xaa55, 510);
  return sector;
}
