// The operating system's files: what start*.elf and the 2712's loader have in common (names, prefixes, what is kept for the end).

import { createHash } from "node:crypto";
import { concat } from "../base/bytes.ts";
import { dtbOf, familyOf, upstreamDtbOf } from "../formats/boards.ts";
import { initramfsNameFor, underPrefix } from "../formats/config-txt/files.ts";
import { type OverlayMap, overlayFor, readOverlayMap } from "../formats/config-txt/overlay-map.ts";
import type { ConfigTxt } from "../formats/config-txt.ts";
import { type Bench, BootFailure, type BootFile, say } from "./board.ts";
import type { Run } from "./machine.ts";
import { type Fetched, probe, probeAndRead, read } from "./tftp-client.ts";

/** Where the files of this boot lie: `files` for kernel and dtb, `loader` for what the 2712's loader asks with a doubled slash. */
export interface Places {
  files: string;
  loader: string;
  osPrefix: string;
  overlays: string;
  /** start*.elf asks for everything twice. */
  probes: boolean;
}

export const get = (bench: Bench, places: Places, path: string): Run<Fetched | undefined> =>
  places.probes ? probeAndRead(bench, path) : read(bench, path);

/** Only what the firmware may use of a file; whether its bytes stay is the caller's wish. */
const kept = (bench: Bench, file: Fetched): BootFile => ({
  path: file.path,
  size: file.size,
  sha256: file.sha256,
  ...(bench.keepBytes && { bytes: file.bytes }),
});

/** os_prefix holds only if kernel and dtb are there; overlays follow it only if there is a README beside them (boot.adoc). */
export function* settlePrefix(
  bench: Bench,
  config: ConfigTxt,
  places: Places,
  kernels: readonly string[],
): Run<Places> {
  const wished = config.osPrefix;
  const plain = { ...places, osPrefix: "", overlays: config.overlayPrefix };
  if (wished === "") return plain;
  let kernel = false;
  for (const name of kernels) {
    kernel = yield* probe(bench, places.files + underPrefix(wished, name));
    if (kernel) break;
  }
  let tree = false;
  for (const name of kernel ? dtbNames(bench, config) : []) {
    tree = yield* probe(bench, places.files + underPrefix(wished, name));
    if (tree) break;
  }
  if (!tree) {
    say(bench, `os_prefix ${wished} is ignored: no ${kernel ? "device tree" : "kernel"} there`);
    return plain;
  }
  const own = wished + config.overlayPrefix;
  const readme = yield* probe(bench, `${places.loader + own}README`);
  return { ...places, osPrefix: wished, overlays: readme ? own : config.overlayPrefix };
}

function dtbNames(bench: Bench, config: ConfigTxt): string[] {
  if (config.deviceTree !== undefined) return config.deviceTree === "" ? [] : [config.deviceTree];
  const own = dtbOf(bench.pi.model, bench.pi.boardType);
  const upstream = config.upstreamKernel ? upstreamDtbOf(bench.pi.model) : undefined;
  return upstream ? [upstream, own] : [own];
}

/** The device tree, if there is one. */
export function* readDtb(bench: Bench, config: ConfigTxt, places: Places): Run<boolean> {
  for (const name of dtbNames(bench, config)) {
    const file = yield* get(bench, places, places.files + underPrefix(places.osPrefix, name));
    if (!file) continue;
    bench.boot.dtb = kept(bench, file);
    return true;
  }
  return config.deviceTree === "";
}

export function* readOverlayMapFile(
  bench: Bench,
  places: Places,
  uncertain: boolean,
): Run<OverlayMap | undefined> {
  const path = `${places.loader + places.overlays}overlay_map.dtb`;
  if (places.probes && !(yield* probe(bench, path, { uncertain }))) return undefined;
  const file = yield* read(bench, path, { uncertain });
  return file && readOverlayMap(file.bytes);
}

export function* readOverlays(
  bench: Bench,
  places: Places,
  map: OverlayMap | undefined,
  names: readonly string[],
): Run<void> {
  const family = familyOf(bench.pi.model);
  for (const name of names) {
    const file = `${overlayFor(map, name, family)}.dtbo`;
    const found = yield* get(bench, places, places.loader + places.overlays + file);
    if (!found) say(bench, `overlay ${name} is not there`);
  }
}

/** initramfs=, or by auto_initramfs the one that goes with the kernel. The parts are put one behind the other. */
export function* readInitramfs(
  bench: Bench,
  config: ConfigTxt,
  places: Places,
  kernel: string | undefined,
): Run<void> {
  const auto = config.autoInitramfs && kernel ? initramfsNameFor(kernel) : undefined;
  const names = config.initramfs?.files ?? (auto ? [auto] : []);
  const parts: Fetched[] = [];
  for (const name of names) {
    const part = yield* get(bench, places, places.files + underPrefix(places.osPrefix, name));
    if (part) parts.push(part);
    else say(bench, `initramfs ${name} is not there`);
  }
  const [first] = parts;
  // A missing part disables it ("Failed to load '%s' - initramfs disabled").
  if (!first || parts.length < names.length) return;
  const bytes = parts.length === 1 ? first.bytes : concat(parts.map((part) => part.bytes));
  const sha256 = parts.length === 1 ? first.sha256 : createHash("sha256").update(bytes).digest("hex");
  bench.boot.initramfs = {
    path: parts.map(({ path }) => path).join(","),
    size: bytes.length,
    sha256,
    ...(bench.keepBytes && { bytes }),
  };
}

export function* readCmdline(bench: Bench, config: ConfigTxt, places: Places): Run<void> {
  const path = places.loader + underPrefix(places.osPrefix, config.cmdline);
  const file = yield* get(bench, places, path);
  if (file) bench.boot.cmdline = kept(bench, file);
}

/** The last file of a boot. */
export function* readKernel(bench: Bench, path: string): Run<void> {
  const file = yield* read(bench, path);
  if (!file) throw new BootFailure("no-kernel", `${path} was there and then was not`);
  bench.boot.kernel = kept(bench, file);
  if (file.damaged) throw new BootFailure("damaged", `${path} was cut short`);
}
