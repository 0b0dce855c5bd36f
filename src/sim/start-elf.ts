// start.elf and start4.elf: from the second reading of config.txt to the kernel (order of requests as boards were seen to make them).
import { familyOf } from "../formats/boards.ts";
import {
  armstubName,
  EARLY_KERNEL_SEARCH,
  kernelCandidates,
  underPrefix,
  wants64bit,
} from "../formats/config-txt/files.ts";
import type { ConfigTxt } from "../formats/config-txt.ts";
import { type Bench, BootFailure, say } from "./board.ts";
import { readConfig } from "./config-pass.ts";
import { SINCE, startElfHabits } from "./firmware.ts";
import type { Run } from "./machine.ts";
import {
  type Places,
  readCmdline,
  readDtb,
  readInitramfs,
  readKernel,
  readOverlayMapFile,
  readOverlays,
  settlePrefix,
} from "./os-files.ts";
import { probe, probeAndRead } from "./tftp-client.ts";

/** `prefix` is where the stage before found start*.elf. Ends with the kernel read whole, or throws BootFailure. */
export function* startElf(bench: Bench, prefix: string): Run<void> {
  bench.stage = familyOf(bench.pi.model) === "bcm2711" ? "start4.elf" : "start.elf";
  bench.habits = startElfHabits(bench.pi.firmwareDate, bench.habits.fileTimeoutMs);
  const date = bench.pi.firmwareDate;
  yield* probe(bench, `${prefix}recovery.elf`);
  const pass = { stage: "start", prefix, probes: true } as const;
  yield* readConfig(bench, pass);
  yield* probeAndRead(bench, `${prefix}dt-blob.bin`);
  yield* probe(bench, `${prefix}recovery.elf`);
  const { config } = yield* readConfig(bench, pass);
  yield* probeAndRead(bench, `${prefix}bootcfg.txt`);

  const candidates = kernelCandidates(config, bench.board, date);
  const bare = { files: prefix, loader: prefix, osPrefix: "", overlays: "", probes: true };
  const places = yield* settlePrefix(bench, config, bare, candidates);
  const early = date >= EARLY_KERNEL_SEARCH;
  let choice = early ? yield* findKernel(bench, config, places) : undefined;
  yield* readInitramfs(bench, config, places, choice?.name);
  if (!(yield* readDtb(bench, config, places))) say(bench, "no device tree");
  const map = date >= SINCE.overlayMap ? yield* readOverlayMapFile(bench, places, false) : undefined;
  yield* readOverlays(bench, places, undefined, [...(bench.pi.displays ?? []), ...(bench.pi.hats ?? [])]);
  const { config: last } = yield* readConfig(bench, pass);
  yield* readOverlays(
    bench,
    places,
    map,
    last.overlays.map(({ name }) => name),
  );
  yield* readCmdline(bench, last, places);
  choice ??= yield* findKernel(bench, last, places);
  yield* launch(bench, last, places, choice);
}

interface Choice {
  name: string | undefined;
  is64bit: boolean;
}

/** Looks for recovery*.img and the kernels in the firmware's order. With kernel= it looks for nothing. */
function* findKernel(bench: Bench, config: ConfigTxt, places: Places): Run<Choice> {
  const { board, pi } = bench;
  const wants = wants64bit(config, board, pi.firmwareDate);
  if (config.kernel !== undefined)
    return { name: config.kernel, is64bit: wants === true || wants === "if-found" };
  const there = (name: string) => probe(bench, places.files + underPrefix(places.osPrefix, name));
  const family = familyOf(pi.model);
  const lpae = family === "bcm2711" ? ["7l"] : [];
  const old = family === "bcm2835" ? [""] : ["7", ""];
  const narrow = family === "bcm2835" || family === "bcm2836" ? old : ["8-32", ...lpae, ...old];
  if (family === "bcm2837" || family === "bcm2711") {
    yield* there("recovery8.img");
    if (wants !== false && (yield* there("kernel8.img"))) return { name: "kernel8.img", is64bit: true };
    if (wants === true) return { name: undefined, is64bit: true };
  }
  for (const kind of narrow) yield* there(`recovery${kind}.img`);
  // It is asked for, and not taken, where 32 bits are wanted.
  if (wants === false && (family === "bcm2837" || family === "bcm2711")) yield* there("kernel8.img");
  for (const kind of narrow)
    if (yield* there(`kernel${kind}.img`)) return { name: `kernel${kind}.img`, is64bit: false };
  return { name: undefined, is64bit: false };
}

function* launch(bench: Bench, config: ConfigTxt, places: Places, choice: Choice): Run<void> {
  const armstub = places.files + armstubName(config, bench.board, choice.is64bit);
  if (choice.name === undefined) {
    // An armstub of one's own may be all that there is: UEFI boots that way.
    if (config.armstub === undefined || !(yield* probe(bench, armstub)))
      throw new BootFailure("no-kernel", "no kernel image was found");
    return yield* readKernel(bench, armstub);
  }
  const path = places.files + underPrefix(places.osPrefix, choice.name);
  yield* probeAndRead(bench, armstub);
  if (!(yield* probe(bench, path))) throw new BootFailure("no-kernel", `${choice.name} is not there`);
  yield* readKernel(bench, path);
}
