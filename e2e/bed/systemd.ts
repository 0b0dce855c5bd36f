import { realpathSync } from "node:fs";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Stage } from "../scenario.ts";
import { output, start } from "./commands.ts";

const HOUSE = fileURLToPath(new URL("../../../", import.meta.url));
/** Of this machine: what would take its terminals, devices and clock, or needs hardware. */
const MASKED =
  "getty.target systemd-networkd.service systemd-logind.service systemd-udevd.service systemd-udev-trigger.service systemd-timesyncd.service systemd-resolved.service systemd-update-utmp.service dbus.socket";

/**
 * systemd as the first process of namespaces of its own, on this machine's files with a layer in memory above them: it starts
 * `bramble.service`, whose text `unit` prints, then the lines of `probe` as root. Gives back what they print. `eth0` is 10.9.0.1/24.
 */
export async function underSystemd(t: Stage, unit: string[], probe: string): Promise<string> {
  const out = join(t.folder, "out");
  await mkdir(out);
  await writeFile(join(t.folder, "probe.sh"), `${probe}\n`);
  const script = join(t.folder, "systemd.sh");
  await writeFile(script, first(t.folder, unit));
  const groups = join(t.folder, "cgroup");
  const mine = join(groups, `bramble-e2e-${process.pid}`);
  const enter = `set -e; mkdir ${groups}; mount -t cgroup2 cgroup2 ${groups}; mkdir ${mine}; echo $$ > ${mine}/cgroup.procs; exec unshare -m -p -f -i -u -n -C --kill-child sh ${script}`;
  // the kernel keeps groups whose processes have ended
  const remove = `find ${mine} -depth -type d -exec rmdir {} ";"; umount ${groups}`;
  t.atEnd(() => output("sh", ["-c", remove]));
  const running = start("sh", ["-c", enter]);
  t.atEnd(() => running.stop("SIGKILL"));
  await running.ended;
  const printed = await readFile(join(out, "probe.log"), "utf8").catch(() => "");
  if (!/^PROBED$/m.test(printed))
    throw new Error(`systemd did not come to the end: ${running.text()}\n${printed}`);
  return printed;
}

const first = (folder: string, unit: string[]): string => `set -e
mount --make-rprivate /
mkdir -p ${folder}/memory ${folder}/root
mount -t tmpfs tmpfs ${folder}/memory
mkdir ${folder}/memory/upper ${folder}/memory/work
root=${folder}/root
mount -t overlay -o lowerdir=/,upperdir=${folder}/memory/upper,workdir=${folder}/memory/work overlay $root
mkdir -p $root/opt/bramble/node_modules $root/out $root/sys/fs/cgroup
cp -r ${["dist", "agent", "profiles", "package.json"].map((name) => join(HOUSE, name)).join(" ")} $root/opt/bramble/
mount --bind ${realpathSync(join(HOUSE, "node_modules"))} $root/opt/bramble/node_modules
mount --bind ${folder}/out $root/out
cp ${folder}/probe.sh $root/probe.sh
mount -t proc proc $root/proc
mount -t sysfs sysfs $root/sys
mount -t cgroup2 cgroup2 $root/sys/fs/cgroup
for place in run tmp; do mount -t tmpfs tmpfs $root/$place; done
mount --rbind /dev $root/dev
units=$root/etc/systemd/system
rm -rf $units/*.wants
for unit in ${MASKED}; do ln -sf /dev/null $units/$unit; done
chroot $root ${process.execPath} /opt/bramble/dist/src/app/main.js service -- ${unit.join(" ")} > $units/bramble.service
printf '[Unit]\\nRequires=basic.target\\nAfter=basic.target\\nWants=bramble.service probe.service\\n' > $units/try.target
printf '[Unit]\\nAfter=bramble.service\\n[Service]\\nType=oneshot\\nExecStart=/bin/sh /probe.sh\\nExecStopPost=/bin/systemctl poweroff --force --force\\nStandardOutput=file:/out/probe.log\\nStandardError=inherit\\n' > $units/probe.service
ip link set lo up
ip link add eth0 type veth peer name eth1
ip addr add 10.9.0.1/24 dev eth0
ip link set eth0 up
ip link set eth1 up
export container=bramble-e2e
exec chroot $root /lib/systemd/systemd --system --unit=try.target --log-target=console
`;
