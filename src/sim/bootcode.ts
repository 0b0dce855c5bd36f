// The boot ROM of BCM2837 boards and bootcode.bin, from a ROM's hands or from a card.
import { firmwareFiles } from "../formats/config-txt/files.ts";
import { type Bench, BootFailure, pause } from "./board.ts";
import { readConfig } from "./config-pass.ts";
import { plainDhcp } from "./dhcp-client.ts";
import { BOOTCODE_HABITS, ROM_HABITS } from "./firmware.ts";
import type { Run } from "./machine.ts";
import { startElf } from "./start-elf.ts";
import { probe, read } from "./tftp-client.ts";

/** An SD card that is not there costs the ROM this long. */
const NO_CARD_MS = 5000;
const USB_MS = 2000;
const FIRST_PORT = 49152;

/** Asks for bootcode.bin and bootsig.bin; after its last DISCOVER it sleeps until the power is cut. */
export function* bootRom(bench: Bench): Run<void> {
  bench.stage = "boot ROM";
  bench.habits = ROM_HABITS;
  bench.countsPorts = false;
  bench.nextPort = FIRST_PORT;
  bench.arpAnswers = true;
  yield* pause(bench, (NO_CARD_MS + USB_MS) * (bench.pi.hardwareWaits ?? 1));
  // The 3B+ ROM is known by its packets of bootcode.bin's form (firmware issue 1605).
  const form = bench.pi.model === "3B+" ? "bootcode" : "rom";
  yield* plainDhcp(bench, form, 5);
  bench.arpAnswers = !bench.pi.bugs?.arpSilent;
  const file = yield* read(bench, "bootcode.bin");
  yield* read(bench, "bootsig.bin");
  yield { do: "release", port: FIRST_PORT };
  bench.arpAnswers = true;
  if (!file) throw new BootFailure("no-firmware", "no bootcode.bin");
}

export function* bootcode(bench: Bench): Run<void> {
  bench.stage = "bootcode.bin";
  bench.habits = BOOTCODE_HABITS;
  bench.countsPorts = true;
  bench.nextPort = FIRST_PORT + 1;
  yield* pause(bench, USB_MS * (bench.pi.hardwareWaits ?? 1));
  yield* plainDhcp(bench, "bootcode");
  const own = `${bench.pi.serial}/`;
  const prefix = (yield* probe(bench, `${own}start.elf`)) ? own : "";
  if (prefix) yield* probe(bench, `${prefix}start.elf`);
  yield* read(bench, `${prefix}autoboot.txt`);
  const { config } = yield* readConfig(bench, { stage: "bootcode", prefix, probes: false });
  yield* read(bench, `${prefix}recovery.elf`);
  for (const { start, fixup } of firmwareFiles(config, bench.board)) {
    const elf = yield* read(bench, prefix + start);
    if (!elf) continue;
    const matching = yield* read(bench, prefix + fixup);
    if (elf.damaged || matching?.damaged)
      throw new BootFailure("damaged", `${start} or ${fixup} was cut short`);
    return yield* startElf(bench, prefix);
  }
  throw new BootFailure("no-firmware", "no start.elf");
}
