// Which boards can start from a set of boot files: the request orders of their boot stages, as lists (Raspberry Pi's boot.adoc and
// config_txt/boot.adoc, the boot folder of raspberrypi/firmware, traces of boards).
import { boardTypeOf, dtbOf, familyOf, MODELS, type Model, upstreamDtbOf } from "./boards.ts";
import { firmwareFiles, kernelCandidates, underPrefix } from "./config-txt/files.ts";
import type { Board } from "./config-txt/filters.ts";
import { type ConfigTxt, interpretConfig } from "./config-txt.ts";

export interface ModelFiles {
  model: Model;
  /** Nothing is missing. */
  boots: boolean;
  /** Files without which this board does not reach a kernel; "a | b" where one of them would do. */
  missing: string[];
  /** Files that it asks for and does without, or that Bramble writes itself (config.txt, cmdline.txt). */
  lacks: string[];
}

export interface BootFiles {
  /** Paths on the boot partition, "overlays/disable-bt.dtbo"; case does not count, as on FAT. */
  files: Iterable<string>;
  /** The text of config.txt and of what it includes; undefined where there is no such file. */
  readText(name: string): Promise<string | undefined>;
}

/** Build date that firmware and EEPROM are taken to have: old ones choose other kernels only where they are told nothing. */
const FIRMWARE_DATE = "2025-01-01";

/** For every model with a wired port: can it boot from these files over the network, and what is missing? */
export async function bootableModels({ files, readText }: BootFiles): Promise<ModelFiles[]> {
  const there = new Set([...files].map((path) => path.toLowerCase()));
  const has = (path: string) => there.has(path.toLowerCase());
  const text = (await readText("config.txt")) ?? "";
  const models: ModelFiles[] = [];
  for (const model of [...MODELS].sort((a, b) => boardTypeOf(a) - boardTypeOf(b))) {
    const board: Board = { model };
    const stage = familyOf(model) === "bcm2712" ? "eeprom2712" : "start";
    const config = await interpretConfig(text, { board, stage, readInclude: readText });
    const missing = [...firmwareMissing(config, board, has), ...systemMissing(config, board, has)];
    models.push({ model, boots: missing.length === 0, missing, lacks: lacking(config, board, has) });
  }
  return models;
}

/** The kernel that a board would take, as a path; undefined where there is none. */
function kernelFor(config: ConfigTxt, board: Board, has: (path: string) => boolean): string | undefined {
  const prefix = prefixFor(config, board, has);
  return kernelCandidates(config, board, FIRMWARE_DATE)
    .map((name) => underPrefix(prefix, name))
    .find(has);
}

/** "" where none is wanted; a Pi 5 with os_check refuses to start a system without its device tree. */
function dtbName(config: ConfigTxt, board: Board): string {
  const must = familyOf(board.model) === "bcm2712" && config.osCheck;
  const wished = config.deviceTree === "" && must ? undefined : config.deviceTree;
  return wished ?? (config.upstreamKernel ? upstreamDtbOf(board.model) : undefined) ?? dtbOf(board.model);
}

/** os_prefix counts only where kernel and device tree exist under it (boot.adoc, os_prefix). */
function prefixFor(config: ConfigTxt, board: Board, has: (path: string) => boolean): string {
  const kernel = kernelCandidates(config, board, FIRMWARE_DATE).some((name) =>
    has(underPrefix(config.osPrefix, name)),
  );
  const dtb = dtbName(config, board);
  return kernel && (dtb === "" || has(underPrefix(config.osPrefix, dtb))) ? config.osPrefix : "";
}

/** bootcode.bin for boards that fetch it by TFTP, start*.elf and its fixup*.dat for all before the Pi 5. */
function firmwareMissing(config: ConfigTxt, board: Board, has: (path: string) => boolean): string[] {
  const family = familyOf(board.model);
  if (family === "bcm2712") return [];
  // A 1B or 2B has its bootcode.bin on an SD card: its ROM cannot boot from the network.
  const first = family === "bcm2837" && !has("bootcode.bin") ? ["bootcode.bin"] : [];
  const pairs = firmwareFiles(config, board);
  const pair = pairs.find(({ start }) => has(start)) ?? pairs[0];
  return pair ? [...first, ...[pair.start, pair.fixup].filter((name) => !has(name))] : first;
}

function systemMissing(config: ConfigTxt, board: Board, has: (path: string) => boolean): string[] {
  const prefix = prefixFor(config, board, has);
  const missing: string[] = [];
  if (!kernelFor(config, board, has)) {
    missing.push(kernelCandidates(config, board, FIRMWARE_DATE).join(" | "));
  }
  const dtb = dtbName(config, board);
  if (dtb !== "" && !has(underPrefix(prefix, dtb))) {
    const lite = board.model === "CM5" ? dtbOf("CM5", 0x1a) : undefined; // a CM5 Lite asks for its own
    if (!lite || !has(underPrefix(prefix, lite))) missing.push(underPrefix(prefix, dtb));
  }
  return missing;
}

function lacking(config: ConfigTxt, board: Board, has: (path: string) => boolean): string[] {
  const wished = ["config.txt", config.cmdline, `${config.overlayPrefix}overlay_map.dtb`];
  if (familyOf(board.model) === "bcm2712") wished.push(`${config.overlayPrefix}bcm2712d0.dtbo`); // D0 stepping
  return wished.filter((name) => !has(name) && !has(underPrefix(config.osPrefix, name)));
}
