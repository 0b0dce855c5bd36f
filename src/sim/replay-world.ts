// From a board's log to a board and a boot tree: the files that it found, and what it must have been to ask so.
import { BrambleError } from "../base/errors.ts";
import { toLatin1 } from "../base/text.ts";
import {
  boardOfRevision,
  dtbOf,
  familyOf,
  isOldBoot,
  type Model,
  macOfSerial,
  modelNamed,
} from "../formats/boards.ts";
import { type OverlayMap, writeOverlayMap } from "../formats/config-txt/overlay-map.ts";
import type { SimStage, VirtualPi } from "./board.ts";
import { TODAY } from "./firmware.ts";
import type { Trace, TraceWorld } from "./trace.ts";

export interface ReplayWorld {
  pi: VirtualPi;
  files: Map<string, Uint8Array>;
  /** Files that a partial log cannot show, and without which no board comes to the part that it shows. */
  added: Set<string>;
  compare: "order" | "set";
}

const STAGES: Record<string, SimStage> = {
  rom3: "rom3",
  bootcode: "bootcode",
  eeprom4: "eeprom4",
  eeprom5: "eeprom5",
};

/** BAD_INPUT for a board that cannot boot from the network. */
export function replayWorld(trace: Trace): ReplayWorld {
  const world = trace.world ?? guessWorld(trace);
  const model = modelNamed(world.model);
  if (!model) throw new BrambleError("BAD_INPUT", `no virtual board is a ${world.model}`);
  const pi = boardOf(trace, world, model);
  const files = new Map<string, Uint8Array>();
  const seen = new Set(trace.lines.map(({ path }) => path));
  for (const { path, outcome } of trace.lines)
    if (outcome === "found") files.set(path, content(trace, world, path));
  const added = new Set<string>();
  if (!trace.whole)
    for (const path of neededBefore(trace, model, pi.serial))
      if (!seen.has(path)) {
        added.add(path);
        files.set(path, content(trace, world, path));
      }
  return { pi, files, added, compare: world.compare };
}

function boardOf(trace: Trace, world: TraceWorld, model: Model): VirtualPi {
  const serial = trace.serial ?? "10000001";
  const mac = trace.mac ?? (isOldBoot(model) ? macOfSerial(serial) : "dc:a6:32:00:00:01");
  const stages = world.stages?.split(",").map((name) => STAGES[name.trim()]);
  if (stages?.includes(undefined))
    throw new BrambleError("BAD_INPUT", `unknown boot stages in the trace's world: ${world.stages}`);
  return {
    model,
    serial,
    mac,
    firmwareDate: world.firmwareDate ?? TODAY,
    ...(stages && { stages: stages as SimStage[] }),
    ...(/^(B0|C1|D0)$/.test(world.stepping ?? "") && { stepping: world.stepping as "D0" }),
    hats: world.hats,
    displays: world.displays,
    vl805: world.vl805 ?? false,
    hardwareWaits: 0,
    patienceMs: 60_000,
    eepromConfig: eepromConfig(trace, mac, serial),
  };
}

/** Settings that show in the requests: the directory, signed boot, and tries again where the log is a part of many. */
function eepromConfig(trace: Trace, mac: string, serial: string): string {
  const first = trace.lines[0]?.path ?? "";
  const folder = /^(.*\/)[^/]+$/.exec(first)?.[1] ?? "";
  const lines = ["BOOT_ORDER=0xe2"];
  if (folder === `${mac.replaceAll(":", "-")}/`) lines.push("TFTP_PREFIX=2");
  else if (folder !== "" && folder !== `${serial}/` && folder !== "overlays/" && folder.length <= 32)
    lines.push("TFTP_PREFIX=1", `TFTP_PREFIX_STR=${folder}`);
  if (/(^|\/)boot\.img$/.test(first)) lines.push("SIGNED_BOOT=1");
  if (!trace.whole) lines.push("NET_BOOT_MAX_RETRIES=2");
  return lines.join("\n");
}

/** What stands in the tree under this name. Only config.txt and overlay_map.dtb mean something. */
function content(trace: Trace, world: TraceWorld, path: string): Uint8Array {
  const name = path.replace(/^.*\//, "");
  if (name === "config.txt" || name === "tryboot.txt") return toLatin1(world.configTxt.join("\n"));
  if (name === "overlay_map.dtb") return writeOverlayMap(renamed(trace, world));
  if (name.endsWith(".txt")) return new Uint8Array(0);
  if (name.endsWith(".sig")) return toLatin1(`${"0".repeat(64)}\nts: 0\n`);
  const size = Math.min(trace.sizes[path] ?? 5000, 100_000);
  return toLatin1(`${path}\n`.repeat(Math.ceil(size / (path.length + 1)))).slice(0, size);
}

/** dtoverlay=vc4-kms-v3d that was asked for as vc4-kms-v3d-pi5.dtbo: the board's overlay_map.dtb said so. */
function renamed(trace: Trace, world: TraceWorld): OverlayMap {
  const map: OverlayMap = new Map();
  const asked = trace.lines
    .map(({ path }) => /([^/]+)\.dtbo$/.exec(path)?.[1])
    .filter((name) => name !== undefined);
  const names = world.configTxt.map((line) => /^\s*dtoverlay=([^,:\s]+)/.exec(line)?.[1]);
  for (const name of names) {
    if (!name || asked.includes(name)) continue;
    const other = asked.find((candidate) => candidate.startsWith(`${name}-`) && !names.includes(candidate));
    if (other) map.set(name, new Map(["bcm2835", "bcm2711", "bcm2712"].map((soc) => [soc, other])));
  }
  return map;
}

function neededBefore(trace: Trace, model: Model, serial: string): string[] {
  const inOwn = trace.lines.filter(
    ({ path, outcome }) => outcome === "found" && path.startsWith(`${serial}/`),
  );
  const inRoot = trace.lines.filter(
    ({ path, outcome }) => outcome === "found" && !path.startsWith(`${serial}/`),
  );
  // Nothing at all was found: then that is the story.
  if (inOwn.length + inRoot.length === 0 && trace.lines.every(({ outcome }) => outcome === "asked"))
    return [];
  const prefix = inOwn.length > 0 ? `${serial}/` : "";
  const family = familyOf(model);
  if (family === "bcm2712") return ["config.txt", dtbOf(model)].map((name) => prefix + name);
  if (family === "bcm2711") return ["start4.elf", "fixup4.dat"].map((name) => prefix + name);
  return ["bootcode.bin", `${prefix}start.elf`, `${prefix}fixup.dat`];
}

/** Names that need no setting to be asked for. */
const USUAL = /^(recovery.*|kernel(8|8-32|7l?|_2712)?\.img|boot\.img)$/;

/** A log without a world: read it out of the requests and the log's date. */
function guessWorld(trace: Trace): TraceWorld {
  const names = trace.lines.map(({ path }) => path.replace(/^[0-9a-f]{8}\//, ""));
  const model = modelNamed(trace.model) ?? boardOfRevision(Number.parseInt(trace.model, 16)).model;
  const configTxt: string[] = [];
  for (const name of new Set(names)) {
    const overlay = /^overlays\/(.+)\.dtbo$/.exec(name)?.[1];
    if (overlay && overlay !== "bcm2712d0") configTxt.push(`dtoverlay=${overlay}`);
    if (/^initramfs/.test(name)) configTxt.push("auto_initramfs=1");
    if (/\.dtb$/.test(name) && !name.includes("/") && model && name !== dtbOf(model))
      configTxt.push(`device_tree=${name}`);
    if (/(^vmlinu|^kernel.*|\.img$)/.test(name) && !name.includes("/") && !USUAL.test(name))
      configTxt.push(`kernel=${name}`);
  }
  const date = dateIn(trace.about);
  const old = model && familyOf(model) !== "bcm2712" && !names.includes("pieeprom.sig");
  const noMap = names.some((name) => name.endsWith(".dtbo")) && !names.includes("overlays/overlay_map.dtb");
  return {
    model: trace.model,
    firmwareDate: date ?? (old ? (noMap ? "2020-01-01" : "2020-04-01") : TODAY),
    ...(names.includes("overlays/bcm2712d0.dtbo") && { stepping: "D0" }),
    configTxt,
    hats: [],
    displays: [],
    compare: trace.fromProse ? "set" : "order",
  };
}

/** The most exact date in the text: 2019-12 before 2021. */
function dateIn(text: string): string | undefined {
  const dates = text.match(/\b20[12]\d(-\d\d(-\d\d)?)?\b/g)?.sort((a, b) => b.length - a.length);
  return (
    dates?.[0] && `${dates[0]}-06-01`.slice(0, dates[0].length === 4 ? 10 : dates[0].length).padEnd(10, "-01")
  );
}
