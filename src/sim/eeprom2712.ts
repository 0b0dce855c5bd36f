// One network attempt of the BCM2712's EEPROM: it loads the operating system itself, there is no start*.elf.
import { armstubName, kernelCandidates, underPrefix } from "../formats/config-txt/files.ts";
import { type Bench, BootFailure, say } from "./board.ts";
import { readConfig } from "./config-pass.ts";
import type { EepromSettings } from "./eeprom-settings.ts";
import { readBootImage, selfUpdate } from "./eeprom-update.ts";
import { SINCE } from "./firmware.ts";
import type { Run } from "./machine.ts";
import {
  readCmdline,
  readDtb,
  readInitramfs,
  readKernel,
  readOverlayMapFile,
  readOverlays,
  settlePrefix,
} from "./os-files.ts";
import { probe, read } from "./tftp-client.ts";

/** The loader asks "da591740//config.txt" where the stage before asked "da591740/config.txt". */
const doubled = (prefix: string): string => (prefix.endsWith("/") ? `${prefix}/` : prefix);

export function* boot2712(bench: Bench, settings: EepromSettings): Run<void> {
  if (settings.signedBoot) return yield* readBootImage(bench, settings.prefix, { signed: true });
  const first = { stage: "eeprom2712", probes: false, firstPass: true } as const;
  let prefix = settings.prefix;
  let early = yield* readConfig(bench, { ...first, prefix });
  if (!early.found && prefix !== "") {
    prefix = "";
    early = yield* readConfig(bench, { ...first, prefix });
  }
  if (!early.found) throw new BootFailure("no-firmware", "no config.txt, which a Pi 5 must have");
  if (settings.selfUpdate && early.config.bootloaderUpdate) yield* selfUpdate(bench, prefix, "2712");
  if (early.config.bootRamdisk) return yield* readBootImage(bench, prefix, { signed: false });
  yield* loadSystem(bench, prefix);
}

function* loadSystem(bench: Bench, prefix: string): Run<void> {
  const date = bench.pi.firmwareDate;
  const loader = doubled(prefix);
  const pass = { stage: "eeprom2712", prefix: loader, probes: false } as const;
  yield* readConfig(bench, pass);
  const { config } = yield* readConfig(bench, pass);
  const candidates = kernelCandidates(config, bench.board, date);
  const bare = { files: prefix, loader, osPrefix: "", overlays: "", probes: false };
  const places = yield* settlePrefix(bench, config, bare, candidates);
  let kernel: string | undefined;
  for (const name of candidates) {
    if (!(yield* probe(bench, places.files + underPrefix(places.osPrefix, name)))) continue;
    kernel = name;
    break;
  }
  if (kernel === undefined) throw new BootFailure("no-kernel", `no ${candidates.join(" nor ")}`);
  yield* readInitramfs(bench, config, places, kernel);
  if (!(yield* readDtb(bench, config, places))) {
    if (config.osCheck)
      throw new BootFailure(
        "os-check",
        "The installed operating system (OS) does not indicate support for Raspberry Pi 5",
      );
    say(bench, "no device tree");
  }
  const wanted = [
    ...(bench.pi.displays ?? []),
    ...(bench.pi.hats ?? []),
    ...config.overlays.map(({ name }) => name),
  ];
  const lazy = date >= SINCE.overlayMapLazy;
  const map =
    !lazy || wanted.length > 0 || bench.pi.stepping === "D0"
      ? yield* readOverlayMapFile(bench, places, lazy)
      : undefined;
  if (bench.pi.stepping === "D0") yield* readOverlays(bench, places, undefined, ["bcm2712d0"]);
  yield* readOverlays(bench, places, map, wanted);
  const { config: last } = yield* readConfig(bench, pass);
  yield* readCmdline(bench, last, places);
  yield* read(bench, places.files + armstubName(last, bench.board, true));
  yield* readKernel(bench, places.files + underPrefix(places.osPrefix, kernel));
}
