// One network attempt of the BCM2711's EEPROM: which directory, config.txt, self-update, start4.elf.
import { firmwareFiles } from "../formats/config-txt/files.ts";
import { type Bench, BootFailure } from "./board.ts";
import { readConfig } from "./config-pass.ts";
import type { EepromSettings } from "./eeprom-settings.ts";
import { readBootImage, selfUpdate } from "./eeprom-update.ts";
import { SINCE } from "./firmware.ts";
import type { Run } from "./machine.ts";
import { startElf } from "./start-elf.ts";
import { probe, read, timedOut } from "./tftp-client.ts";

/** Logs of 2020 lack these requests, one of 2019 and those of 2021 have them. */
const RESCUE_UNCERTAIN = { from: "2020-01-01", to: "2021-01-01" };
/** Only a log of 2019 shows start.elf being tried in the serial's directory. */
const START_ELF_CERTAIN_UNTIL = "2020-01-01";

export function* boot2711(bench: Bench, settings: EepromSettings): Run<void> {
  const date = bench.pi.firmwareDate;
  const prefix = yield* choosePrefix(bench, settings.prefix);
  if (settings.signedBoot) return yield* readBootImage(bench, prefix, { signed: true });
  const { config } = yield* readConfig(bench, { stage: "eeprom2711", prefix, probes: false });
  if (config.bootRamdisk) return yield* readBootImage(bench, prefix, { signed: false });
  if (settings.selfUpdate && config.bootloaderUpdate && date >= SINCE.selfUpdate) {
    if (bench.pi.vl805) yield* read(bench, `${prefix}vl805.sig`);
    yield* selfUpdate(bench, prefix, "2711");
  }
  const uncertain = date >= RESCUE_UNCERTAIN.from && date < RESCUE_UNCERTAIN.to;
  yield* probe(bench, `${prefix}recover4.elf`, { uncertain });
  yield* probe(bench, `${prefix}recovery.elf`, { uncertain });
  for (const { start, fixup } of firmwareFiles(config, bench.board)) {
    const elf = yield* read(bench, prefix + start);
    // Not there is one thing, silence another: then start.elf is not tried.
    if (!elf && timedOut(bench) && date >= SINCE.start4Timeout) break;
    if (!elf) continue;
    yield* read(bench, prefix + fixup);
    return yield* startElf(bench, prefix);
  }
  throw new BootFailure("no-firmware", "no start4.elf");
}

function* choosePrefix(bench: Bench, own: string): Run<string> {
  if (own === "" || (yield* probe(bench, `${own}start4.elf`))) return own;
  const uncertain = bench.pi.firmwareDate >= START_ELF_CERTAIN_UNTIL;
  return (yield* probe(bench, `${own}start.elf`, { uncertain })) ? own : "";
}
