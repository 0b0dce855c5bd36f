import assert from "node:assert/strict";
import { join } from "node:path";
import type { CloneView, VolumeView } from "../../src/api/contract.ts";
import { lookAtClone } from "../bed/clone-look.ts";
import { output } from "../bed/commands.ts";
import { bootNode, type Fleet, nodeName, pi4, reached, sha256, standUp } from "../bed/fleet.ts";
import { ada, type Shell, SSH } from "../bed/ssh.ts";
import { WRITING, writesOf, wrote } from "../bed/writer.ts";
import { QEMU, type Scenario, type Stage } from "../scenario.ts";

const PI = pi4(1);
const MIB = 1 << 20;
/** In MiB: while it runs, and again while it is off. */
const ROOT = [1200, 1600];
const VOLUME = [96, 160];

/** Disks grow under a stock systemd image, while it runs and while it is off: its own growpart and resize2fs make use of it. */
export const scenario: Scenario = {
  name: "grow",
  tier: "full",
  budgetSeconds: 700,
  needs: [
    QEMU,
    SSH,
    { tool: "qemu-img", package: "qemu-utils" },
    { tool: "debugfs", package: "e2fsprogs" },
    { tool: "sfdisk", package: "fdisk" },
  ],
  assets: ["pi-image", "agent-packages", "growpart"],
  async run(t) {
    const fleet = await standUp(t, "pi-image");
    await fleet.bramble.cli("profile", "set", "--root", "iscsi", "--volume", "data:64M:ext4:/srv/data");
    const shellOn = await ada(t, fleet.bramble);
    const sum = await whileRunning(t, fleet, shellOn);
    await resize(fleet, 1);
    await afterReboot(t, fleet, shellOn, sum);
    const [volume] = await fleet.bramble.cli<VolumeView[]>("volume", "list");
    await fleet.bramble.server.stop();
    await fromOutside(t, fleet, volume?.path ?? "", sum);
  },
};

async function boot(t: Stage, fleet: Fleet, shellOn: (address: string) => Shell) {
  const { fetched, guest } = await bootNode(t, fleet, PI, { memoryMb: 1024, cores: 2 });
  await reached(fleet, PI, "booted", 400);
  return { guest, shell: shellOn(fetched.boot.address ?? "") };
}

async function resize(fleet: Fleet, step: 0 | 1): Promise<void> {
  const clone = await fleet.bramble.cli<CloneView>("clone", "resize", nodeName(PI), `${ROOT[step]}M`);
  assert.equal(clone.size, (ROOT[step] ?? 0) * MIB);
  const [volume] = await fleet.bramble.cli<VolumeView[]>("volume", "list");
  const grown = await fleet.bramble.cli<VolumeView>(
    "volume",
    "resize",
    volume?.name ?? "",
    `${VOLUME[step]}M`,
  );
  assert.equal(grown.size, (VOLUME[step] ?? 0) * MIB);
}

/** What the kernel has for sizes, in MiB. */
const sizes = async (shell: Shell): Promise<number[]> =>
  (await shell.ask("cat /sys/block/sda/size /sys/block/sdb/size"))
    .trim()
    .split("\n")
    .map((n) => (Number(n) * 512) / MIB);

/** Partition and file systems, by the programs of the image's distribution. */
async function grow(shell: Shell, step: 0 | 1): Promise<void> {
  const text = await shell.ask(
    "sudo growpart /dev/sda 2 && sudo resize2fs /dev/sda2 2>&1 && sudo resize2fs /dev/sdb 2>&1",
  );
  assert.match(text, /^CHANGED: partition=2 /);
  assert.match(await shell.ask("sudo growpart /dev/sda 2 || true"), /^NOCHANGE: /);
  const [root = 0, volume = 0] = (
    await shell.ask("df --output=size -BM / /srv/data | sed 1d | tr -dc '0-9\\n'")
  )
    .split("\n")
    .map(Number);
  assert.ok(
    root > (ROOT[step] ?? 0) - 128 - 120,
    `a file system of ${root} MiB on / (128 are the boot partition's)`,
  );
  assert.ok(volume > (VOLUME[step] ?? 0) - 24, `a file system of ${volume} MiB on /srv/data`);
}

/** Gives the checksum of /large, which would not have fitted before. */
async function whileRunning(t: Stage, fleet: Fleet, shellOn: (address: string) => Shell): Promise<string> {
  const { guest, shell } = await boot(t, fleet, shellOn);
  await unpackGrowpart(t, shell);
  const [rootBefore = 0, volumeBefore] = await sizes(shell);
  assert.equal(volumeBefore, 64);
  const room = Number(await shell.ask("df --output=avail -BM / | sed 1d | tr -dc 0-9"));
  const writer = shell.start(`sudo sh -c '${WRITING.replaceAll("'", `'\\''`)}'`);
  await wrote(writer, 10, 120);
  await resize(fleet, 0);
  await wrote(writer, 10, 120);
  await shell.ask("sudo touch /srv/data/mark; sync");
  const told = /Capacity data has changed/;
  const log = () => shell.ask("sudo dmesg");
  assert.match(await log(), told);
  assert.deepEqual(await sizes(shell), [rootBefore, 64], "a kernel takes a new size when it is told to look");
  await shell.ask("for d in sda sdb; do echo 1 | sudo tee /sys/block/$d/device/rescan; done");
  assert.deepEqual(await sizes(shell), [ROOT[0], VOLUME[0]]);
  assert.match(await log(), /sda: detected capacity change/);
  await grow(shell, 0);
  await shell.ask(`sudo dd if=/dev/urandom of=/large bs=1M count=${room + 16} conv=fsync status=none`);
  const sum = (await shell.ask("sha256sum /large")).slice(0, 64);
  await wrote(writer, 5, 120);
  await shell.ask("sudo touch /stop");
  await writer.saw(/STOPPED/, 60);
  assert.equal(writesOf(writer.text()).failed, 0);
  t.say(
    `while it ran: ${rootBefore} to ${ROOT[0]} MiB, a volume from 64 to ${VOLUME[0]}; ${writesOf(writer.text()).acknowledged.length} writes meanwhile, no error`,
  );
  await shell.ask("sudo systemctl reboot").catch(() => {}); // the connection may end first
  assert.equal(await guest.ended, 0);
  assert.doesNotMatch(guest.text(), /I\/O error/);
  return sum;
}

async function afterReboot(
  t: Stage,
  fleet: Fleet,
  shellOn: (address: string) => Shell,
  sum: string,
): Promise<void> {
  const { guest, shell } = await boot(t, fleet, shellOn);
  assert.deepEqual(await sizes(shell), [ROOT[1], VOLUME[1]], "from the first moment");
  assert.equal((await shell.ask("sha256sum /large")).slice(0, 64), sum);
  await grow(shell, 1);
  t.say(
    `while it was off: to ${ROOT[1]} MiB and ${VOLUME[1]}, there at its next boot; growpart and resize2fs took both`,
  );
  await shell.ask("sudo systemctl poweroff").catch(() => {});
  assert.equal(await guest.ended, 0);
  assert.doesNotMatch(guest.text(), /I\/O error/);
}

/** A tar of Debian's own packages, without their installation scripts. */
async function unpackGrowpart(t: Stage, shell: Shell): Promise<void> {
  await shell.put(t.asset("growpart"), "/tmp/growpart.tar");
  await shell.ask("sudo tar -C / --keep-directory-symlink -xf /tmp/growpart.tar && sudo ldconfig");
}

async function fromOutside(t: Stage, fleet: Fleet, volume: string, sum: string): Promise<void> {
  const clone = await lookAtClone(t, fleet, PI.serial); // qemu-img check, e2fsck
  assert.ok(clone.wasClean);
  assert.equal(sha256(await clone.cat("/large")), sum);
  const raw = join(t.folder, `${PI.serial}.raw`);
  const { partitiontable: table } = JSON.parse(await output("sfdisk", ["--json", raw])) as Table;
  const [, last] = table.partitions;
  assert.ok(last);
  const left = ((ROOT[1] ?? 0) * MIB) / 512 - last.start - last.size;
  assert.ok(
    left >= 0 && left < 64,
    `${left} sectors behind the last partition: growpart leaves room for a GPT`,
  );
  const unused = last.size * 512 - (await ext4Bytes(join(t.folder, `${PI.serial}.root`)));
  assert.ok(unused >= 0 && unused < 4096, `${unused} bytes of it behind the file system`);
  await output("qemu-img", ["check", "-q", volume]);
  await output("qemu-img", ["convert", "-f", "qcow2", "-O", "raw", volume, `${raw}.volume`]);
  await output("e2fsck", ["-fn", `${raw}.volume`]);
  assert.equal(await ext4Bytes(`${raw}.volume`), (VOLUME[1] ?? 0) * MIB);
}

interface Table {
  partitiontable: { partitions: { start: number; size: number }[] };
}

async function ext4Bytes(path: string): Promise<number> {
  const text = await output("dumpe2fs", ["-h", path]);
  const field = (name: string) => Number(new RegExp(`^${name}: +(\\d+)$`, "m").exec(text)?.[1]);
  return field("Block count") * field("Block size");
}
