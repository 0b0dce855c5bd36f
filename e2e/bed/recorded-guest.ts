import { statSync } from "node:fs";
import { join } from "node:path";
import { toUtf8 } from "../../src/base/text.ts";
import { type CpioEntry, writeCpio } from "../../src/formats/cpio.ts";
import { serveNbd } from "../../src/serve/nbd.ts";
import { planModules, readModules } from "../../src/storage/agent-modules.ts";
import { createClone, openClone } from "../../src/storage/clones/clone.ts";
import type { Stage } from "../scenario.ts";
import { bytesOf, openCard } from "./card.ts";
import { recording, type Step } from "./disk-record.ts";
import { fsyncLoad } from "./fsync-load.ts";
import { bootGuest } from "./guest.ts";
import { makeNetwork } from "./network.ts";

export interface RecordedDisk {
  image: { path: string; size: number; sha256: string };
  /** The disk is larger than its image, bytes. */
  size: number;
  /** Where the root file system begins, bytes; it goes up to the image's end. */
  rootOffset: number;
  steps: Step[];
}

/** Bytes behind the image that the guest has no partition on. */
export const TAIL = 17 << 20;
const INIT = `#!/bin/busybox sh
/bin/busybox --install -s /bin
mount -t devtmpfs dev /dev; mount -t proc proc /proc
modprobe virtio_blk; modprobe crc32c_generic; modprobe ext4
until [ -b /dev/vda2 ]; do sleep 0.1; done
mount -t ext4 -o noatime,discard /dev/vda2 /root
cp /load.sh /root/etc/rc.local; chmod 755 /root/etc/rc.local
mount --move /dev /root/dev; umount /proc
exec switch_root /root /sbin/init
`;

/** What a real kernel with ext4 asks of its disk from its first mount on, while it does `turns` of the load: QEMU's NBD client, our server, a clone. */
export async function recordGuest(t: Stage, folder: string, turns: number): Promise<RecordedDisk> {
  const path = t.asset("mini-image");
  const card = await openCard(path);
  const [kernelFolder] = await card.root.list("usr/lib/modules");
  const version = kernelFolder?.name ?? "";
  const plan = await planModules(card.root, { version, modules: `usr/lib/modules/${version}` }, [
    "virtio_blk",
    "ext4",
    "crc32c_generic",
  ]);
  const file = (name: string, bytes: Uint8Array): CpioEntry => ({
    kind: "file",
    path: name,
    mode: 0o755,
    bytes,
  });
  const initramfs = writeCpio([
    ...(await readModules(card.root, plan)),
    file("bin/busybox", await bytesOf(card.root, "bin/busybox")),
    file("init", toUtf8(INIT)),
    file("load.sh", toUtf8(fsyncLoad(turns))),
    ...["dev", "proc", "sys", "root"].map(
      (name) => ({ kind: "directory", path: name, mode: 0o755 }) as const,
    ),
  ]);
  const kernel = await bytesOf(card.boot, "kernel8.img");
  card.close();

  const image = { path, size: statSync(path).size, sha256: "0".repeat(64) };
  const size = image.size + TAIL;
  const recorded = join(folder, "recorded.qcow2");
  await createClone({ path: recorded, image, size });
  const clone = await openClone(recorded);
  const steps: Step[] = [];
  const disk = recording(clone, steps);
  const session = { opened: () => {}, closed: () => {} };
  const find = () => ({ disk, readOnly: false, name: "recorded", session });
  const network = await makeNetwork();
  const server = await serveNbd({ host: "127.0.0.1", port: 0, find });
  t.atEnd(() => server.close());
  const guest = await bootGuest({
    name: "recorded",
    folder: t.folder,
    network,
    mac: "52:54:00:00:00:01",
    kernel,
    initramfs,
    cmdline: toUtf8("console=ttyAMA0,115200 panic=-1 quiet"),
    drive: `file=nbd://127.0.0.1:${server.port}/recorded,format=raw,if=virtio,cache=writeback,discard=unmap,detect-zeroes=off`,
  });
  t.atEnd(() => guest.stop());
  for (let turn = 1; turn <= turns; turn++) {
    await guest.saw(new RegExp(`TOLD ${turn}\\s`), 120);
    steps.push({ do: "told", turn });
    guest.type("go");
  }
  await guest.saw(/LOAD-DONE/, 60);
  await guest.ended;
  await server.close();
  await clone.close();
  return { image, size, rootOffset: card.rootOffset, steps };
}
