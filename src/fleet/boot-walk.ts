import { utf8 } from "../base/text.ts";
import { readAll } from "../base/tree.ts";
import { dtbOf, familyOf, isOldBoot } from "../formats/boards.ts";
import {
  armstubName,
  firmwareFiles,
  initramfsNameFor,
  kernelCandidates,
  underPrefix,
} from "../formats/config-txt/files.ts";
import type { Board, Stage } from "../formats/config-txt/filters.ts";
import { type ConfigNote, interpretConfig } from "../formats/config-txt.ts";
import type { BootTree, Origin } from "./boot-tree.ts";

export interface WalkedFile {
  path: string;
  /** What the board takes it for, and who asks. */
  why: string;
  size?: number;
  /** Undefined: the tree has no such file. */
  origin?: Origin;
  /** Without it the board does not boot. */
  needed: boolean;
}

export interface Walk {
  files: WalkedFile[];
  /** Path of the kernel that the board will start; undefined where none of the names exists. */
  kernel?: string;
  initramfs: string[];
  cmdline: string;
  notes: ConfigNote[];
  /** Needed files that the tree does not have. */
  missing: string[];
}

/**
 * What a board of this kind would fetch from a boot tree, and why: the tree's config.txt as the stage that loads the
 * kernel understands it (spec pi-boot.md 1.7, 2.2–2.4). Files that firmware only probes for are left out.
 * @param firmwareDate ISO date of the board's firmware; by default a recent one.
 */
export async function walkBoot(tree: BootTree, board: Board, firmwareDate = "2025-11-01"): Promise<Walk> {
  const family = familyOf(board.model);
  const stage: Stage = family === "bcm2712" ? "eeprom2712" : "start";
  const files: WalkedFile[] = [];
  const text = async (path: string) => {
    const file = await tree.find(path);
    return file ? utf8(await readAll(file, 1 << 20)) : undefined;
  };
  const config = await interpretConfig((await text("config.txt")) ?? "", {
    board,
    stage,
    firmwareDate,
    readInclude: text,
  });
  const add = async (path: string, why: string, needed = true) => {
    const file = await tree.find(path);
    files.push({ path, why, needed, ...(file && { size: file.size, origin: file.origin }) });
    return file !== undefined;
  };
  const first = async (paths: string[]) => {
    for (const path of paths) if (await tree.find(path)) return path;
    return undefined;
  };

  if (isOldBoot(board.model)) await add("bootcode.bin", "the boot ROM's second stage", family === "bcm2837");
  if (family !== "bcm2712") {
    const pairs = firmwareFiles(config, board);
    const start = await first(pairs.map((pair) => pair.start));
    const pair = pairs.find((p) => p.start === start) ?? pairs[0];
    if (pair) {
      await add(pair.start, "the GPU's firmware");
      await add(pair.fixup, "goes with the GPU's firmware");
    }
  }
  await add("config.txt", "settings, read by every stage", family === "bcm2712");
  for (const name of config.includes) await add(name, "included by config.txt", false);

  const dtb = config.deviceTree ?? dtbOf(board.model, board.boardType);
  const wanted = kernelCandidates(config, board, firmwareDate);
  // The prefix holds only where kernel and device tree lie under it; otherwise the firmware drops it.
  const prefixed =
    config.osPrefix !== "" && (await first(wanted.map((name) => underPrefix(config.osPrefix, name))));
  const prefix = prefixed && (await tree.find(underPrefix(config.osPrefix, dtb))) ? config.osPrefix : "";
  const names = wanted.map((name) => underPrefix(prefix, name));
  const kernel = await first(names);
  await add(
    kernel ?? names[0] ?? "kernel8.img",
    `the kernel${names.length > 1 ? ` (the first there is of ${names.join(", ")})` : ""}`,
  );

  const initramfs: string[] = [];
  if (config.initramfs) initramfs.push(...config.initramfs.files.map((name) => underPrefix(prefix, name)));
  else if (config.autoInitramfs && kernel) {
    const name = initramfsNameFor(kernel);
    if (name && (await tree.find(name))) initramfs.push(name);
  }
  for (const path of initramfs) await add(path, "initramfs, loaded behind the kernel");
  if (dtb !== "") await add(underPrefix(prefix, dtb), "the board's device tree");

  const overlays = (await tree.find(`${prefix}${config.overlayPrefix}README`))
    ? prefix + config.overlayPrefix
    : config.overlayPrefix;
  await add(`${overlays}overlay_map.dtb`, "which overlays stand for which", false);
  if (board.stepping === "D0") await add(`${overlays}bcm2712d0.dtbo`, "for the D0 stepping", false);
  for (const { name } of config.overlays) await add(`${overlays}${name}.dtbo`, `dtoverlay=${name}`, false);
  const cmdline = underPrefix(prefix, config.cmdline);
  await add(cmdline, "the kernel's parameters");
  const is64bit = /8\.img$|_2712/.test(kernel ?? "") || config.arm64bit === true;
  if (config.armstub !== undefined)
    await add(underPrefix(prefix, armstubName(config, board, is64bit)), "armstub=");

  return {
    files,
    ...(kernel !== undefined && { kernel }),
    initramfs,
    cmdline,
    notes: config.notes,
    missing: files.filter((file) => file.needed && !file.origin).map((file) => file.path),
  };
}
