import { chmod, copyFile, mkdir, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { output } from "../bed/commands.ts";
import { cached } from "../cache.ts";
import { bootFiles, type Pieces, pieces } from "./boot-files.ts";
import { fstab, makeDisk } from "./disk.ts";
import { installModules } from "./modules.ts";
import { pins, unpack } from "./packages.ts";

const DISK_ID = "5eed0001";

/** A card whose system is one program: seconds to make, seconds to boot. Otherwise laid out as the big one. */
export async function miniImage(): Promise<string> {
  const from = await pieces();
  const { busybox } = await pins();
  const folder = await cached("mini-image", [from.folder, busybox.sha256, RC, INITTAB, 2], async (into) => {
    const boot = join(into, "boot");
    const root = join(into, "root");
    await bootFiles(from, DISK_ID, boot);
    await miniRoot(from, root, DISK_ID);
    await makeDisk(join(into, "image.img"), { diskId: DISK_ID, boot, root, bootMb: 128, rootMb: 192 });
    await output("rm", ["-r", boot, root]);
  });
  return join(folder, "image.img");
}

/** Fills `root` with a system that is one program, and the kernel's modules. */
export async function miniRoot(from: Pieces, root: string, diskId: string): Promise<void> {
  const { mirror, busybox } = await pins();
  for (const name of [
    "bin",
    "sbin",
    "etc/init.d",
    "proc",
    "sys",
    "dev",
    "run",
    "tmp",
    "root",
    "home",
    "var/lib",
    "usr/bin",
    "boot/firmware",
  ])
    await mkdir(join(root, name), { recursive: true });
  const unpacked = `${root}.busybox`;
  await unpack(mirror, busybox, unpacked);
  await copyFile(join(unpacked, "usr/bin/busybox"), join(root, "bin/busybox"));
  await output("rm", ["-r", unpacked]);
  for (const name of APPLETS) await symlink("busybox", join(root, "bin", name));
  await symlink("../bin/busybox", join(root, "sbin/init"));
  const files: Record<string, string> = {
    "etc/inittab": INITTAB,
    "etc/init.d/rcS": RC,
    "etc/hostname": "raspberrypi\n",
    "etc/hosts": "127.0.0.1\tlocalhost\n",
    "etc/passwd": "root:x:0:0:root:/root:/bin/sh\n",
    "etc/group": "root:x:0:\nsudo:x:27:\n",
    "etc/shadow": "root:*:20000:0:99999:7:::\n",
    "etc/machine-id": "0123456789abcdef0123456789abcdef\n",
    "etc/fstab": fstab(diskId),
  };
  for (const [name, text] of Object.entries(files)) await writeFile(join(root, name), text);
  await chmod(join(root, "etc/init.d/rcS"), 0o755);
  await symlink("usr/lib", join(root, "lib"));
  await mkdir(join(root, "usr/lib"), { recursive: true });
  await installModules(from, root);
}

const APPLETS =
  "sh mount umount ls cat echo ip ps getty poweroff reboot hostname sleep mkdir uname df dmesg dd sync cp rm grep sed awk wget modprobe cut sha256sum httpd date".split(
    " ",
  );

const INITTAB = `::sysinit:/etc/init.d/rcS
console::respawn:-/bin/sh
::ctrlaltdel:/bin/reboot
`;

/** Counts its boots on its own disk, says who it is, and does what /etc/rc.local says, if there is one. */
const RC = `#!/bin/sh
mount -t proc proc /proc 2>/dev/null
mount -o remount,rw /
hostname "$(cat /etc/hostname)"
boots=$(($(cat /var/boots 2>/dev/null) + 1))
echo $boots > /var/boots
sync
echo "ROOT-UP boots=$boots host=$(hostname) id=$(cat /etc/machine-id) root=$(awk '$2 == "/" { print $1, $3 }' /proc/mounts | tail -n 1)"
[ ! -x /etc/rc.local ] || /etc/rc.local
`;
