// config.txt as each boot stage understands it (what_is_config_txt.adoc, boot.adoc, conditional.adoc).
import { type Board, Filters, type Stage } from "./config-txt/filters.ts";

/** A line that was not taken as written, or only by an assumption. */
export interface ConfigNote {
  /** 1 is the first line of the file named in `file`. */
  line: number;
  text: string;
  why: string;
  /** "" for config.txt itself, else the included file. */
  file: string;
}

export interface ConfigTxt {
  /** Every `key=value` that applies; the last one of a key counts. Without dtoverlay and dtparam. */
  settings: Map<string, string>;
  overlays: { name: string; params: string[] }[];
  /** Parameters of the base device tree. */
  dtparams: string[];
  initramfs?: { files: string[]; address: string };
  /** As wished: the firmware drops it unless kernel and dtb exist there. Also set by upstream_kernel=1. */
  osPrefix: string;
  overlayPrefix: string;
  kernel?: string;
  cmdline: string;
  armstub?: string;
  arm64bit?: boolean;
  autoInitramfs: boolean;
  /** "" = no device tree at all. */
  deviceTree?: string;
  startFile?: string;
  fixupFile?: string;
  bootRamdisk: boolean;
  /** 2712 only: refuse an OS that does not name the board. */
  osCheck: boolean;
  bootloaderUpdate: boolean;
  upstreamKernel: boolean;
  /** Names of the included files, in the order in which the stage asks for them (missing ones too). */
  includes: string[];
  notes: ConfigNote[];
}

export interface ConfigContext {
  board: Board;
  stage: Stage;
  /** The one-shot tryboot flag is set: [tryboot]. */
  tryboot?: boolean;
  /** Build date of the stage, ISO. */
  firmwareDate?: string;
  /** The first look of an EEPROM, before the OS loader: no includes. */
  firstPass?: boolean;
}

/** Characters past this one are ignored (what_is_config_txt.adoc). */
const LINE_LIMIT = 98;
const INCLUDE_DEPTH = 8;

/** Reads `text` (without BOM trouble: bytes as latin1 or utf-8 are both fine). Never throws: what is odd becomes a note. */
export async function interpretConfig(
  text: string,
  context: ConfigContext & { readInclude(name: string): Promise<string | undefined> },
): Promise<ConfigTxt> {
  const steps = interpretation(text, context);
  let step = steps.next(undefined);
  while (!step.done) step = steps.next(await context.readInclude(step.value));
  return step.value;
}

/** The same as facts in, orders out: yields the names of files to include, wants their text (undefined: not there). */
export function* interpretation(
  text: string,
  context: ConfigContext,
): Generator<string, ConfigTxt, string | undefined> {
  const config: ConfigTxt = {
    settings: new Map(),
    overlays: [],
    dtparams: [],
    osPrefix: "",
    overlayPrefix: "overlays/",
    cmdline: "cmdline.txt",
    autoInitramfs: false,
    bootRamdisk: false,
    osCheck: true,
    bootloaderUpdate: true,
    upstreamKernel: false,
    includes: [],
    notes: [],
  };
  const filters = new Filters({ ...context, tryboot: context.tryboot ?? false });
  yield* readLines({ text, file: "", depth: 0, config, filters, context, scope: {} });
  return conclude(config);
}

interface Reading {
  text: string;
  file: string;
  depth: number;
  config: ConfigTxt;
  filters: Filters;
  context: ConfigContext;
  /** The overlay whose parameters dtparam= sets; none = the base tree. */
  scope: { overlay?: { name: string; params: string[] } };
}

function* readLines(reading: Reading): Generator<string, void, string | undefined> {
  const { config, filters, context } = reading;
  for (const [index, raw] of reading.text
    .replace(/^\ufeff/, "")
    .split("\n")
    .entries()) {
    const note = (why: string) =>
      config.notes.push({ line: index + 1, text: raw.trim(), why, file: reading.file });
    const whole = raw.replace(/\r$/, "");
    const line = whole.slice(0, LINE_LIMIT).trim();
    if (line === "" || line.startsWith("#")) continue;
    if (whole.trimEnd().length > LINE_LIMIT) note(`cut after ${LINE_LIMIT} characters`);
    const filter = /^\[(.*)\]/.exec(line);
    if (filter) {
      const why = filters.enter(filter[1] ?? "");
      if (why) note(`${why}: its section is taken as not meant`);
      continue;
    }
    if (!filters.open) continue;
    const include = /^include\s+(\S+)/.exec(line);
    if (include) {
      const name = include[1] ?? "";
      if (context.stage === "bootcode" || context.stage === "eeprom2711" || context.firstPass)
        note("this stage does not read includes");
      else if (reading.depth >= INCLUDE_DEPTH) note("includes are nested too deeply");
      else yield* includeFile({ ...reading, file: name, depth: reading.depth + 1 }, note);
      continue;
    }
    const complaint = takeLine(line, reading);
    if (complaint) note(complaint);
  }
}

function* includeFile(reading: Reading, note: (why: string) => void) {
  reading.config.includes.push(reading.file);
  const text: string | undefined = yield reading.file;
  if (text === undefined) note("the included file is not there");
  else yield* readLines({ ...reading, text });
}

function takeLine(line: string, { config, scope }: Reading): string | undefined {
  const initramfs = /^initramfs\s+(\S+)(?:\s+(\S+))?/.exec(line);
  if (initramfs) {
    config.initramfs = { files: list(initramfs[1]), address: initramfs[2] ?? "followkernel" };
    return undefined;
  }
  const equals = line.indexOf("=");
  if (equals < 0) return "no property=value";
  const key = line.slice(0, equals).trim();
  const value = line.slice(equals + 1).trim();
  if (key === "dtoverlay") {
    delete scope.overlay;
    const [, name = "", rest = ""] = /^([^,:]*)[,:]?(.*)$/.exec(value) ?? [];
    if (name === "") return undefined; // "dtoverlay=" ends the scope of the one before
    scope.overlay = { name, params: list(rest) };
    config.overlays.push(scope.overlay);
  } else if (key === "dtparam") {
    (scope.overlay?.params ?? config.dtparams).push(...list(value));
  } else {
    config.settings.set(key, value);
  }
  return undefined;
}

const list = (text: string | undefined): string[] => (text ?? "").split(",").filter((part) => part !== "");

/** Decimal or 0x…; undefined where absent or no number. */
const number = (config: ConfigTxt, key: string): number | undefined => {
  const value = config.settings.get(key);
  return value === undefined || Number.isNaN(Number(value)) ? undefined : Number(value);
};

function conclude(config: ConfigTxt): ConfigTxt {
  const { settings } = config;
  const text = <K extends "kernel" | "armstub" | "deviceTree" | "startFile" | "fixupFile">(
    field: K,
    key: string,
  ) => {
    const value = settings.get(key);
    if (value) config[field] = value;
  };
  text("kernel", "kernel");
  text("armstub", "armstub");
  text("deviceTree", "device_tree");
  text("startFile", "start_file");
  text("fixupFile", "fixup_file");
  if (settings.get("device_tree") === "") config.deviceTree = "";
  config.cmdline = settings.get("cmdline") || config.cmdline;
  config.overlayPrefix = settings.get("overlay_prefix") ?? config.overlayPrefix;
  config.upstreamKernel = number(config, "upstream_kernel") === 1;
  config.osPrefix = settings.get("os_prefix") ?? (config.upstreamKernel ? "upstream/" : "");
  config.autoInitramfs = (number(config, "auto_initramfs") ?? 0) !== 0;
  config.bootRamdisk = (number(config, "boot_ramdisk") ?? 0) !== 0;
  config.osCheck = (number(config, "os_check") ?? 1) !== 0;
  config.bootloaderUpdate = (number(config, "bootloader_update") ?? 1) !== 0;
  // arm_control is the deprecated way: bit 0x200 is the same wish.
  const arm64 = number(config, "arm_64bit");
  const armControl = number(config, "arm_control");
  if (arm64 !== undefined) config.arm64bit = arm64 !== 0;
  else if (armControl !== undefined && (armControl & 0x200) !== 0) config.arm64bit = true;
  const ramfs = settings.get("ramfsfile");
  if (ramfs && !config.initramfs)
    config.initramfs = { files: list(ramfs), address: settings.get("ramfsaddr") ?? "followkernel" };
  return config;
}
