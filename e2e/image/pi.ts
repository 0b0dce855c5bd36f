import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdir, readdir, rm, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { which } from "../../test/tools.ts";
import { output } from "../bed/commands.ts";
import { cached } from "../cache.ts";
import { bootFiles, pieces } from "./boot-files.ts";
import { fstab, makeDisk } from "./disk.ts";
import { installModules } from "./modules.ts";
import { KEYS, pins, SUITE } from "./packages.ts";

const DISK_ID = "5eed0002";
const PACKAGES =
  "systemd-sysv,udev,kmod,dbus,iproute2,netbase,procps,e2fsprogs,dosfstools,passwd,sudo,openssh-server,network-manager";
const EXCLUDED = ["man", "doc", "locale", "info"];

/** A card like Raspberry Pi OS Lite, out of Debian's packages: systemd, NetworkManager, ssh installed but off, no host keys. */
export async function piImage(): Promise<string> {
  const from = await pieces();
  const tar = await rootTar();
  const folder = await cached(
    "pi-image",
    [from.folder, tar, HOST_KEYS, SLOW, MASKED, OWN_ISCSI, 3],
    async (into) => {
      const boot = join(into, "boot");
      const root = join(into, "root");
      await bootFiles(from, DISK_ID, boot);
      await mkdir(root);
      await output("tar", ["-xpf", tar, "-C", root, "--numeric-owner"]);
      await installModules(from, root);
      await likeRaspberryPiOs(root);
      await makeDisk(join(into, "image.img"), { diskId: DISK_ID, boot, root, bootMb: 128, rootMb: 768 });
      await output("rm", ["-rf", boot, root]);
    },
  );
  return join(folder, "image.img");
}

/** Debian's root file system for arm64, as a tar: minutes of emulated package scripts, so it is kept. */
async function rootTar(): Promise<string> {
  const folder = await cached("pi-root", [SUITE, PACKAGES, EXCLUDED], async (into) => {
    await emulateArm64();
    const { mirror } = await pins();
    const options = EXCLUDED.map((name) => `--dpkgopt=path-exclude=/usr/share/${name}/*`);
    options.push(
      '--aptopt=Acquire::Languages "none"',
      '--aptopt=Apt::Install-Recommends "false"',
      `--include=${PACKAGES}`,
    );
    options.push('--customize-hook=rm -rf "$1"/var/cache/apt/*.bin "$1"/var/lib/apt/lists/*');
    const source = `deb [signed-by=${join(process.cwd(), KEYS)}] ${mirror} ${SUITE} main`;
    await output("mmdebstrap", [
      "--arch=arm64",
      "--variant=minbase",
      ...options,
      SUITE,
      join(into, "root.tar"),
      source,
    ]);
  });
  return join(folder, "root.tar");
}

/** Lets this machine run arm64 programs, unless it does already (qemu-user-static's own package registers itself, containers don't). */
async function emulateArm64(): Promise<void> {
  const table = "/proc/sys/fs/binfmt_misc";
  if (!existsSync(`${table}/register`)) await output("mount", ["-t", "binfmt_misc", "none", table]);
  if (existsSync(`${table}/qemu-aarch64`)) return;
  const magic = "\\x7fELF\\x02\\x01\\x01\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x02\\x00\\xb7\\x00";
  const mask =
    "\\xff\\xff\\xff\\xff\\xff\\xff\\xff\\x00\\xff\\xff\\xff\\xff\\xff\\xff\\xff\\xff\\xfe\\xff\\xff\\xff";
  const program = which("qemu-aarch64-static") ?? "/usr/bin/qemu-aarch64-static";
  await writeFile(`${table}/register`, `:qemu-aarch64:M::${magic}:${mask}:${program}:F`);
}

async function likeRaspberryPiOs(root: string): Promise<void> {
  const etc = join(root, "etc");
  for (const name of await readdir(join(etc, "ssh")))
    if (name.startsWith("ssh_host_")) await rm(join(etc, "ssh", name));
  for (const unit of ["multi-user.target.wants/ssh.service", "sshd.service", "ssh.service.requires"])
    await rm(join(etc, "systemd/system", unit), { force: true, recursive: true });
  await writeFile(join(etc, "systemd/system/regenerate_ssh_host_keys.service"), HOST_KEYS);
  const wants = join(etc, "systemd/system/multi-user.target.wants");
  await mkdir(wants, { recursive: true });
  await symlink("../regenerate_ssh_host_keys.service", join(wants, "regenerate_ssh_host_keys.service"));
  await writeFile(join(etc, "hostname"), "raspberrypi\n");
  await writeFile(join(etc, "hosts"), "127.0.0.1\tlocalhost\n127.0.1.1\traspberrypi\n");
  // the worst that an image can have: one identity for all
  await writeFile(join(etc, "machine-id"), "0123456789abcdef0123456789abcdef\n");
  await writeFile(join(etc, "fstab"), fstab(DISK_ID));
  await mkdir(join(root, "boot/firmware"), { recursive: true });
  // account "pi" without a password, as before anybody has set one
  execFileSync(which("sh") ?? "sh", ["-c", ACCOUNT], { cwd: etc });
  // interpreted instructions: what takes a board a second takes this machine ten, and more beside other work
  await mkdir(join(etc, "systemd/system.conf.d"), { recursive: true });
  await writeFile(join(etc, "systemd/system.conf.d/slow.conf"), SLOW);
  // no keyboard and no screen in this machine, nothing to clean up after LVM
  for (const unit of MASKED) await symlink("/dev/null", join(etc, "systemd/system", unit));
  for (const [name, text] of Object.entries(OWN_ISCSI)) {
    await writeFile(join(root, "usr/lib/systemd/system", name), text);
    await symlink(`/usr/lib/systemd/system/${name}`, join(wants, name));
  }
  // the caches (ld.so, journal catalog, hwdb) are as fresh as the packages: not made again at the first boot
  for (const folder of ["etc", "var"]) await writeFile(join(root, folder, ".updated"), "");
}

const MASKED = ["getty@tty1.service", "e2scrub_reap.service", "apt-daily.timer", "apt-daily-upgrade.timer"];

const SOCKET = "[Socket]\nListenStream=@ISCSIADM_ABSTRACT_NAMESPACE\n";
const touching = (name: string) => `[Service]\nType=oneshot\nExecStart=/bin/touch /var/lib/ran-${name}\n`;
/** What an image with open-iscsi would start; here the units alone, which leave a mark when they run. */
const OWN_ISCSI = {
  "iscsid.socket": SOCKET,
  "iscsid.service": touching("iscsid"),
  "open-iscsi.service": touching("open-iscsi"),
};

const SLOW = "[Manager]\nDefaultDeviceTimeoutSec=600\nDefaultTimeoutStartSec=600\n";

const ACCOUNT = `echo 'pi:x:1000:1000:,,,:/home/pi:/bin/bash' >> passwd
echo 'pi:!:20000:0:99999:7:::' >> shadow
echo 'pi:x:1000:' >> group
echo 'pi:!::' >> gshadow
mkdir -p ../home/pi
cp -a skel/. ../home/pi/
chown -R 1000:1000 ../home/pi
for group in gpio i2c spi; do echo "$group:x:99$((n += 1)):pi" >> group; done`;

/**
 * What Raspberry Pi OS has under this name: host keys at the first boot, then never again. One kind only, since an interpreted machine
 * looks for the primes of an RSA key for a minute; and a condition in place of "systemctl disable", which has systemd read all units again.
 */
const HOST_KEYS = `[Unit]
Description=Regenerate SSH host keys
Before=ssh.service
ConditionPathExists=!/etc/ssh/ssh_host_ed25519_key

[Service]
Type=oneshot
ExecStart=/usr/bin/ssh-keygen -q -t ed25519 -N "" -f /etc/ssh/ssh_host_ed25519_key

[Install]
WantedBy=multi-user.target
`;
