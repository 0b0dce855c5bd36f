import { copyFile, mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { memoryFile } from "../../src/fleet/boot-tree.ts";
import { kernelVersion } from "../../src/storage/images/kernel-version.ts";
import { output } from "../bed/commands.ts";
import { cached } from "../cache.ts";
import { bootFiles, pieces } from "./boot-files.ts";
import { makeDisk } from "./disk.ts";
import { miniRoot } from "./mini.ts";
import { packageNamed, pins, unpack } from "./packages.ts";

const DISK_ID = "5eed0003";
/** Debian's kernels have neither NFS root nor ip=dhcp built in; Raspberry Pi's have both. */
const SOURCE = "linux-source-6.12";

/** Everything that a root over NFS needs, and nothing as a module: 11 minutes of one core. */
const CONFIG = `
64BIT PRINTK BUG FUTEX EPOLL SIGNALFD TIMERFD EVENTFD SHMEM AIO ADVISE_SYSCALLS MEMBARRIER POSIX_TIMERS MULTIUSER FHANDLE
FILE_LOCKING HIGH_RES_TIMERS SYSFS PROC_FS PROC_SYSCTL TMPFS TMPFS_XATTR DEVTMPFS DEVTMPFS_MOUNT TTY UNIX98_PTYS
SERIAL_AMBA_PL011 SERIAL_AMBA_PL011_CONSOLE BINFMT_ELF BINFMT_SCRIPT BLK_DEV_INITRD RD_GZIP INOTIFY_USER CGROUPS NAMESPACES
ARM_PSCI_FW PCI PCI_HOST_GENERIC VIRTIO_MENU VIRTIO_PCI VIRTIO_MMIO NET PACKET UNIX INET IP_PNP IP_PNP_DHCP NETDEVICES NET_CORE
VIRTIO_NET NETWORK_FILESYSTEMS NFS_FS NFS_V3 NFS_V3_ACL ROOT_NFS OVERLAY_FS CRYPTO CRYPTO_CRC32C RTC_CLASS RTC_DRV_PL031 POWER_RESET
CC_OPTIMIZE_FOR_SIZE DEBUG_INFO_NONE
`;
const OFF = ["RANDOMIZE_BASE", "WATCHDOG"];

/** An arm64 kernel that mounts its root over NFS by itself: `Image` and `config`. */
async function nfsKernel(): Promise<string> {
  return cached("nfs-kernel", [SOURCE, CONFIG, OFF], async (into) => {
    const { mirror, found } = await packageNamed(SOURCE);
    await unpack(mirror, found, join(into, "source"));
    await output("tar", ["-xf", join(into, `source/usr/src/${SOURCE}.tar.xz`), "-C", into]);
    const tree = join(into, SOURCE);
    const on = CONFIG.trim().split(/\s+/);
    const lines = [...on.map((name) => `CONFIG_${name}=y`), ...OFF.map((name) => `CONFIG_${name}=n`)];
    await writeFile(join(tree, "kernel/configs/nfsroot.config"), `${lines.join("\n")}\n`);
    const make = ["-s", "-C", tree, "ARCH=arm64", "CROSS_COMPILE=aarch64-linux-gnu-"];
    await output("make", [...make, "allnoconfig", "nfsroot.config"]);
    await output("make", [...make, "-j2", "Image"]);
    await copyFile(join(tree, "arch/arm64/boot/Image"), join(into, "Image"));
    await copyFile(join(tree, ".config"), join(into, "config"));
    for (const name of ["source", SOURCE]) await rm(join(into, name), { recursive: true });
  });
}

/** The mini image with that kernel: no initramfs in it, as on a card of a person who made it for NFS. */
export async function nfsKernelImage(): Promise<string> {
  const from = await pieces();
  const { busybox } = await pins();
  const kernel = await nfsKernel();
  const folder = await cached("nfs-kernel-image", [from.folder, busybox.sha256, kernel, 1], async (into) => {
    const boot = join(into, "boot");
    const root = join(into, "root");
    await bootFiles(from, DISK_ID, boot);
    const image = await readFile(join(kernel, "Image"));
    await writeFile(join(boot, "kernel8.img"), image);
    await miniRoot(from, root, DISK_ID);
    const version = await kernelVersion(memoryFile(image));
    await mkdir(join(root, "boot"), { recursive: true });
    await copyFile(join(kernel, "config"), join(root, `boot/config-${version}`));
    await makeDisk(join(into, "image.img"), { diskId: DISK_ID, boot, root, bootMb: 128, rootMb: 192 });
    await rm(boot, { recursive: true });
    await rm(root, { recursive: true });
  });
  return join(folder, "image.img");
}
