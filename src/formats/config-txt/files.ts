// Which file names follow from a config.txt: firmware, kernel, initramfs, armstub (boot.adoc; names as in the firmware's own tables).
import { boardOfRevision, familyOf } from "../boards.ts";
import type { ConfigTxt } from "../config-txt.ts";
import type { Board } from "./filters.ts";

/** Since then a Pi 4 takes a 64-bit kernel unless told otherwise, and the kernel is looked for before the device tree. */
const ARM64_DEFAULT_2711 = "2023-03-01";
/** Since then auto_initramfs exists, and a Pi 3 takes kernel8.img where it finds it. */
export const EARLY_KERNEL_SEARCH = "2023-06-01";

/** start*.elf with its fixup*.dat, best first: the first pair whose start file exists is taken. */
export function firmwareFiles(config: ConfigTxt, board: Board): { start: string; fixup: string }[] {
  const { startFile, fixupFile } = config;
  const suffix = firmwareSuffix(config.settings, board);
  const old = { start: `start${suffix && `_${suffix}`}.elf`, fixup: `fixup${suffix && `_${suffix}`}.dat` };
  const four = { start: `start4${suffix}.elf`, fixup: `fixup4${suffix}.dat` };
  const pairs = familyOf(board.model) === "bcm2711" ? [four, old] : [old];
  if (startFile === undefined && fixupFile === undefined) return pairs;
  const first = pairs[0] ?? old;
  return [{ start: startFile ?? first.start, fixup: fixupFile ?? first.fixup }];
}

function firmwareSuffix(settings: ReadonlyMap<string, string>, board: Board): "" | "cd" | "db" | "x" {
  const memoryMb = board.revision === undefined ? undefined : boardOfRevision(board.revision).memoryMb;
  const bySize = (memoryMb ?? 1024) >= 1024 ? "gpu_mem_1024" : `gpu_mem_${memoryMb}`;
  const gpuMem = settings.get(bySize) ?? settings.get("gpu_mem");
  if (gpuMem !== undefined && Number(gpuMem) <= 16) return "cd";
  if (Number(settings.get("start_debug") ?? 0)) return "db";
  return Number(settings.get("start_x") ?? 0) ? "x" : "";
}

/** Does the firmware start a 64-bit kernel, as far as the configuration says? "if-found": when kernel8.img is there. */
export function wants64bit(config: ConfigTxt, board: Board, firmwareDate: string): boolean | "if-found" {
  const family = familyOf(board.model);
  if (family === "bcm2712") return true;
  if (family === "bcm2835" || family === "bcm2836") return false;
  // "if the name given in an explicit kernel option matches one of the known kernels then arm_64bit will be set accordingly"
  const name = config.kernel?.replace(/^.*\//, "");
  if (name === "kernel8.img") return true;
  if (name && /^kernel(8-32|7l?)?\.img$/.test(name)) return false;
  if (config.arm64bit !== undefined) return config.arm64bit;
  if (family === "bcm2711") return firmwareDate >= ARM64_DEFAULT_2711 ? "if-found" : false;
  return firmwareDate >= EARLY_KERNEL_SEARCH && config.autoInitramfs ? "if-found" : false;
}

/**
 * Names of the kernel without os_prefix, best first: the firmware boots the first that exists. One name where kernel= is
 * given. `firmwareDate` is ISO: the build of start*.elf, or of the EEPROM on a Pi 5.
 */
export function kernelCandidates(config: ConfigTxt, board: Board, firmwareDate: string): string[] {
  if (config.kernel !== undefined) return [config.kernel];
  const family = familyOf(board.model);
  if (family === "bcm2712") return ["kernel_2712.img", "kernel8.img"];
  if (family === "bcm2835") return ["kernel.img"];
  if (family === "bcm2836") return ["kernel7.img", "kernel.img"];
  const lpae = family === "bcm2711" ? ["kernel7l.img"] : [];
  const narrow = ["kernel8-32.img", ...lpae, "kernel7.img", "kernel.img"];
  const wide = wants64bit(config, board, firmwareDate);
  if (wide === true) return ["kernel8.img"];
  return wide ? ["kernel8.img", ...narrow] : narrow;
}

/** kernel8.img → initramfs8, kernel_2712.img → initramfs_2712, kernel.img → initramfs; undefined for a name of another form. */
export function initramfsNameFor(kernel: string): string | undefined {
  const parts = /^(.*\/)?kernel([^/]*)\.img$/.exec(kernel);
  return parts ? `${parts[1] ?? ""}initramfs${parts[2] ?? ""}` : undefined;
}

/** The armstub that the firmware asks for right before the kernel. */
export function armstubName(config: ConfigTxt, board: Board, is64bit: boolean): string {
  if (config.armstub !== undefined) return config.armstub;
  const family = familyOf(board.model);
  if (family === "bcm2712") return "armstub8-2712.bin";
  if (family === "bcm2835") return "armstub.bin";
  if (family === "bcm2836") return "armstub7.bin";
  const gic = family === "bcm2711" && config.settings.get("enable_gic") !== "0" ? "-gic" : "";
  return `armstub8${is64bit ? "" : "-32"}${gic}.bin`;
}

/** A name under os_prefix; a leading slash takes it out of the prefix (boot.adoc, os_prefix). */
export const underPrefix = (prefix: string, name: string): string =>
  name.startsWith("/") ? name.slice(1) : prefix + name;
