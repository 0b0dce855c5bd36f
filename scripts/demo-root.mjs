// Makes src/storage/fixtures/demo-root.ext4.gz, the root file system of the demo image: needs mke2fs 1.47 (apt install e2fsprogs), as root or
// under fakeroot (the files belong to whoever runs it). Run it only to change what is inside; the result is committed.
import { execFileSync } from "node:child_process";
import {
  lstatSync,
  lutimesSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";

const SIZE_MB = 16;
const TIME = Date.UTC(2026, 0, 1) / 1000;
const DUMMY = "This is a dummy file of a demo image. It is not a program.\n";
const KERNELS = ["6.12.99-demo-v8", "6.12.99-demo-2712"];

const files = {
  "etc/hostname": "raspberrypi\n",
  "etc/fstab":
    "proc            /proc           proc    defaults          0       0\n" +
    "PARTUUID=b0071234-01  /boot/firmware  vfat    defaults          0       2\n" +
    "PARTUUID=b0071234-02  /               ext4    defaults,noatime  0       1\n",
  "etc/hosts": "127.0.0.1\tlocalhost\n127.0.1.1\traspberrypi\n",
  "etc/passwd": "root:x:0:0:root:/root:/bin/sh\n",
  "etc/group": "root:x:0:\n",
  "usr/lib/os-release":
    'PRETTY_NAME="Demo image (no real system)"\nNAME="Demo image"\nID=demo\nID_LIKE=debian\nVERSION_ID="1"\nVERSION_CODENAME=demo\n',
  "usr/sbin/init": DUMMY,
  ...Object.fromEntries(
    KERNELS.flatMap((version) => [
      [`usr/lib/modules/${version}/modules.order`, ""],
      [`usr/lib/modules/${version}/modules.builtin`, "kernel/fs/ext4/ext4.ko\nkernel/drivers/block/nbd.ko\n"],
      [`usr/lib/modules/${version}/modules.dep`, ""],
    ]),
  ),
};
const folders = [
  "boot/firmware",
  "dev",
  "home",
  "mnt",
  "proc",
  "root",
  "run",
  "sys",
  "tmp",
  "usr/bin",
  "var/lib",
  "var/log",
];
const links = { bin: "usr/bin", sbin: "usr/sbin", lib: "usr/lib", "etc/os-release": "../usr/lib/os-release" };

/** Everything gets one time, children before their folder. */
function stamp(path) {
  if (lstatSync(path).isDirectory()) for (const name of readdirSync(path)) stamp(join(path, name));
  if (lstatSync(path).isSymbolicLink()) lutimesSync(path, TIME, TIME);
  else utimesSync(path, TIME, TIME);
}

const work = mkdtempSync(join(tmpdir(), "demo-root-"));
try {
  const tree = join(work, "tree");
  for (const folder of folders) mkdirSync(join(tree, folder), { recursive: true });
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(tree, path)), { recursive: true });
    writeFileSync(join(tree, path), text, { mode: path === "usr/sbin/init" ? 0o755 : 0o644 });
  }
  for (const [path, to] of Object.entries(links)) symlinkSync(to, join(tree, path));
  stamp(tree);
  const image = join(work, "root.ext4");
  const id = "0d0e0a0d-1111-4222-8333-444455556666";
  const options = `root_owner=0:0,hash_seed=${id},lazy_itable_init=0,lazy_journal_init=0`;
  execFileSync(
    "mke2fs",
    [
      "-q",
      "-F",
      "-t",
      "ext4",
      "-L",
      "rootfs",
      "-U",
      id,
      "-b",
      "4096",
      "-J",
      "size=4",
      "-E",
      options,
      "-d",
      tree,
      image,
      `${SIZE_MB}M`,
    ],
    {
      env: {
        ...process.env,
        PATH: `${process.env.PATH}:/usr/sbin:/sbin`,
        E2FSPROGS_FAKE_TIME: String(TIME),
        TZ: "UTC",
      },
    },
  );
  const packed = gzipSync(readFileSync(image), { level: 9 });
  const to = join(dirname(fileURLToPath(import.meta.url)), "../src/storage/fixtures/demo-root.ext4.gz");
  writeFileSync(to, packed);
  console.log(`${to}: ${statSync(to).size} bytes, ${SIZE_MB} MB unpacked`);
} finally {
  rmSync(work, { recursive: true });
}
