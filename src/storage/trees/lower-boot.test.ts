import assert from "node:assert/strict";
import * as fs from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { scratch } from "../../../test/readers.ts";
import { rootImage } from "../../../test/tree-image.ts";
import { readAll } from "../../base/tree.ts";
import { type Credentials, STABLE } from "../../wire/nfs/tree.ts";
import { makeFat32 } from "../demo-image-fat.ts";
import { MemoryKeep, memoryTree } from "./keep-testing.ts";
import { bootPlace } from "./lower-boot.ts";
import { openImageLower } from "./lower-image.ts";

const root: Credentials = { uid: 0, gid: 0, gids: [] };

test("fstab says where the boot partition shows: /boot/firmware or /boot, if it is a FAT", () => {
  assert.equal(
    bootPlace("# x\nUUID=1 / ext4 defaults\n  LABEL=b\t/boot/firmware\tvfat defaults 0 2"),
    "boot/firmware",
  );
  assert.equal(bootPlace("UUID=1 /boot vfat defaults 0 2"), "boot");
  assert.equal(bootPlace("UUID=1 /boot ext4 defaults 0 2"), undefined);
  assert.equal(bootPlace("#UUID=1 /boot vfat\nUUID=1 /efi vfat x\n/boot\n"), undefined);
});

test("the boot partition shows where the image mounts it, and is the node's to change", async (t) => {
  const ext4 = rootImage(t);
  if (!ext4) return;
  const files = new Map(
    ["config.txt", "overlays/a.dtbo", "overlays/b.dtbo", "Ünicode ⚓.txt"].map((name) => [
      name,
      Buffer.from(name.repeat(300)),
    ]),
  );
  const fat = await makeFat32({ size: 36 << 20, label: "BOOT", volumeId: 1, files });
  const path = join(scratch(t), "whole.img");
  fs.writeFileSync(path, Buffer.concat([fat, ext4]));
  const partitions = {
    boot: { offset: 0, size: fat.length },
    root: { offset: fat.length, size: ext4.length },
  };
  const open = async () => {
    const { lower, close } = await openImageLower(path, partitions);
    t.after(close);
    return lower;
  };
  const keep = new MemoryKeep();
  const { tree } = memoryTree(await open(), keep);
  const names = async (where: string) => (await tree.inside.list(where)).map(({ name }) => name).sort();
  assert.deepEqual(
    await names("boot/firmware"),
    ["config.txt", "overlays", Buffer.from("Ünicode ⚓.txt").toString("latin1")].sort(),
  );
  const config = await tree.inside.look("boot/firmware/config.txt");
  assert.ok(config && config.ino > 2 ** 32 - 100 && config.mode === 0o755 && config.uid === 0);
  assert.equal((await tree.inside.look("boot/firmware"))?.nlink, 3);
  assert.equal(
    (await tree.inside.look("boot/firmware/overlays/.."))?.ino,
    (await tree.inside.look("boot/firmware"))?.ino,
  );
  for (const [name, bytes] of files) {
    const file = await tree.inside.open(`boot/firmware/${name}`);
    assert.ok(file && bytes.equals(await readAll(file)), name);
  }
  // The same numbers in each process: handles and changes hold on to them.
  assert.equal(
    (await memoryTree(await open()).tree.inside.look("boot/firmware/config.txt"))?.ino,
    config.ino,
  );
  await tree.write(root, config.ino, 0, Buffer.from("new"), STABLE.fileSync);
  await tree.inside.put("boot/firmware/overlays/c.dtbo", Buffer.from("c"), { mode: 0o755, uid: 0, gid: 0 });
  await tree.inside.remove("boot/firmware/overlays/a.dtbo");
  const again = memoryTree(await open(), keep).tree.inside;
  assert.deepEqual((await again.list("boot/firmware/overlays")).map(({ name }) => name).sort(), [
    "b.dtbo",
    "c.dtbo",
  ]);
  const file = await again.open("boot/firmware/config.txt");
  assert.ok(file);
  assert.equal(Buffer.from(await readAll(file)).toString(), `new${"config.txt".repeat(300).slice(3)}`);
});
