import { mkdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { makeDisk } from "./disk.ts";

export const SMALL_KERNEL = "6.12.0-small";

const filler = (name: string, bytes: number, first = ""): Buffer =>
  Buffer.alloc(bytes, `${first}${name} is a name and nothing else. `, "latin1");

/**
 * A card of a few MB that only virtual Pis boot: every file is a dummy, but partitions, file systems, names and the
 * folder of kernel modules are as on a real one. Made in a second.
 */
export async function smallImage(into: string): Promise<string> {
  const [boot, root] = [join(into, "small-boot"), join(into, "small-root")];
  const image = join(into, "small-1.img");
  const modules = join(root, "usr/lib/modules", SMALL_KERNEL);
  for (const folder of [
    join(boot, "overlays"),
    join(boot, "EFI/BOOT"),
    join(root, "etc"),
    join(root, "sbin"),
    modules,
  ])
    await mkdir(folder, { recursive: true });
  const sizes: Record<string, number> = {
    "bootcode.bin": 52_476,
    "start.elf": 40_000,
    "fixup.dat": 7_303,
    "start4.elf": 40_000,
    "fixup4.dat": 5_436,
    "bcm2710-rpi-3-b.dtb": 3_000,
    "bcm2710-rpi-3-b-plus.dtb": 3_000,
    "bcm2711-rpi-4-b.dtb": 3_000,
    "bcm2712-rpi-5-b.dtb": 3_000,
    "overlays/overlay_map.dtb": 1_000,
    "overlays/README": 100,
    "EFI/BOOT/BOOTAA64.EFI": 20_000,
  };
  for (const [name, size] of Object.entries(sizes)) await writeFile(join(boot, name), filler(name, size));
  for (const name of ["kernel8.img", "kernel_2712.img"])
    await writeFile(
      join(boot, name),
      filler(name, 60_000, `Linux version ${SMALL_KERNEL} (nobody@nowhere) `),
    );
  await writeFile(join(boot, "config.txt"), "arm_64bit=1\n");
  await writeFile(join(boot, "cmdline.txt"), "console=tty1 root=PARTUUID=5eed0002-02 rootwait\n");
  for (const name of ["modules.dep", "modules.builtin", "modules.alias", "modules.order"])
    await writeFile(join(modules, name), "");
  await writeFile(join(root, "etc/os-release"), 'ID=small\nPRETTY_NAME="Small"\n');
  await makeDisk(image, { diskId: "5eed0002", boot, root, bootMb: 36, rootMb: 8 });
  await rm(boot, { recursive: true });
  await rm(root, { recursive: true });
  return image;
}
