import { execFileSync } from "node:child_process";
import { chmod, cp, mkdir, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { debPath, lockedPackages } from "../../src/storage/agent-lock.ts";
import { which } from "../../test/tools.ts";
import { output } from "../bed/commands.ts";
import { cached, cacheFolder } from "../cache.ts";
import { bootFiles, pieces } from "./boot-files.ts";
import { makeDisk } from "./disk.ts";
import { miniRoot } from "./mini.ts";
import { KEYS, pins } from "./packages.ts";

const DISK_ID = "5eed0003";
const WANTED = ["docker.io", "docker-cli", "iptables"];
/** For the packages' own installation scripts only, which nobody runs here. */
const WITHOUT = ["debconf", "gcc-14-base", "adduser", "perl-base", "init-system-helpers", "sysvinit-utils"];
const DROPPED = [
  "usr/share/doc",
  "usr/share/man",
  "usr/share/locale",
  "usr/share/lintian",
  "usr/lib/systemd",
];

/** The mini system with Debian's dockerd, unpacked and not installed, and a container's root file system as a tar. */
export async function dockerImage(): Promise<string> {
  const from = await pieces();
  const { busybox } = await pins();
  const debs = await dockerDebs();
  const recipe = [from.folder, busybox.sha256, debs, DROPPED, RC_END, 1];
  const folder = await cached("docker-image", recipe, async (into) => {
    const boot = join(into, "boot");
    const root = join(into, "root");
    await bootFiles(from, DISK_ID, boot);
    await miniRoot(from, root, DISK_ID);
    for (const deb of debs) await output("dpkg-deb", ["-x", deb, root]);
    for (const name of DROPPED) await rm(join(root, name), { recursive: true, force: true });
    for (const name of ["iptables", "ip6tables"])
      await symlink("xtables-nft-multi", join(root, "usr/sbin", name));
    await symlink("../bin/busybox", join(root, "sbin/modprobe")); // where the kernel looks for it
    await mkdir(join(root, "var/log"), { recursive: true });
    await boxTar(root, join(into, "box"));
    const rc = join(root, "etc/init.d/rcS");
    const text = (await readFile(rc, "utf8")).split("\n");
    const last = text.findIndex((line) => line.includes("/etc/rc.local"));
    text.splice(last, 0, ...RC_END.trim().split("\n"));
    await writeFile(rc, text.join("\n"));
    await chmod(rc, 0o755);
    await makeDisk(join(into, "image.img"), { diskId: DISK_ID, boot, root, bootMb: 128, rootMb: 1024 });
    await output("rm", ["-rf", boot, root, join(into, "box")]);
  });
  return join(folder, "image.img");
}

/** Paths of the packages, kept in the cache. */
async function dockerDebs(): Promise<string[]> {
  const folder = join(cacheFolder(), "docker-packages");
  const keys = await readFile(KEYS, "utf8");
  const packages = await lockedPackages({ folder, arch: "arm64", wanted: WANTED, without: WITHOUT, keys });
  return packages.map((one) => debPath(folder, one));
}

/** /root/box.tar: what `docker import` makes an image of. One program, and a page that it serves. */
async function boxTar(root: string, box: string): Promise<void> {
  await mkdir(join(box, "bin"), { recursive: true });
  await mkdir(join(box, "www"), { recursive: true });
  await cp(join(root, "bin/busybox"), join(box, "bin/busybox"));
  await symlink("busybox", join(box, "bin/sh"));
  await writeFile(join(box, "www/index.html"), "a file of the container's own image\n");
  execFileSync(which("tar") ?? "tar", ["-cf", join(root, "root/box.tar"), "-C", box, "."]);
}

/** What a distribution's units do before dockerd, and dockerd. */
const RC_END = `
export PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root
mount -t sysfs sysfs /sys 2>/dev/null
mount -t cgroup2 cgroup2 /sys/fs/cgroup
mkdir -p /dev/pts /dev/shm /run/lock
mount -t devpts devpts /dev/pts 2>/dev/null
mount -t tmpfs tmpfs /dev/shm
ip link set lo up
modprobe overlay
mkdir -p /etc/docker
[ -e /etc/docker/daemon.json ] || echo '{"bridge":"none","iptables":false,"ip6tables":false,"storage-driver":"overlay2","exec-opts":["native.cgroupdriver=cgroupfs"]}' > /etc/docker/daemon.json
# as a unit would: on a machine that is slow just then it gives up waiting for its containerd
(while :; do dockerd; sleep 2; done) > /var/log/dockerd.log 2>&1 &
`;
