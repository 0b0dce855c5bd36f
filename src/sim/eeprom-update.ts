// What an EEPROM loads besides the system: a new image of itself (pieeprom.sig, pieeprom.upd), and boot.img.
import { latin1 } from "../base/text.ts";
import { type Bench, BootFailure, say } from "./board.ts";
import type { Run } from "./machine.ts";
import { probe, read } from "./tftp-client.ts";

const SIZE = { 2711: 524_288, 2712: 2_097_152 } as const;

/** The EEPROM flashed itself: the board starts again. */
export class Reflashed extends Error {}

/** Asks for pieeprom.sig; a newer timestamp and a right hash end in Reflashed. Everything else boots on. */
export function* selfUpdate(bench: Bench, prefix: string, soc: "2711" | "2712"): Run<void> {
  const file = yield* read(bench, `${prefix}pieeprom.sig`);
  if (!file) return;
  const text = latin1(file.bytes);
  const sha256 = /^([0-9a-f]{64})\s/m.exec(text)?.[1];
  const stamp = Number(/^ts: (\d+)/m.exec(text)?.[1] ?? Number.NaN);
  const target = /^target-soc: (\d+)/m.exec(text)?.[1];
  if (!sha256 || Number.isNaN(stamp)) return say(bench, "Failed to parse signature file");
  const current = bench.pi.updateTimestamp ?? 0;
  const newer = stamp > current;
  say(bench, `SELF-UPDATE timestamp current ${current} new ${stamp} ${newer ? "newer" : "skip"}`);
  if (!newer || (target !== undefined && target !== soc)) return;
  const image = yield* read(bench, `${prefix}pieeprom.upd`);
  if (!image) return;
  if (image.size !== SIZE[soc])
    return say(bench, `EEPROM image size ${image.size} expected ${SIZE[soc]}. Skipping update.`);
  if (image.sha256 !== sha256) return say(bench, "Failed to validate pieeprom.upd");
  bench.pi.updateTimestamp = stamp;
  say(bench, "EEPROMs updated. Rebooting");
  throw new Reflashed();
}

/** boot_ramdisk or secure boot: one FAT image holds everything, TFTP ends here. */
export function* readBootImage(bench: Bench, prefix: string, { signed }: { signed: boolean }): Run<void> {
  const name = bench.pi.tryboot ? "tryboot" : "boot";
  if (signed && bench.board.model !== "4B" && /^(5|CM5|500)$/.test(bench.board.model)) {
    // An open bug of 2712 images: boot.img is asked for, dropped, and never read (rpi-eeprom issue 857).
    yield* probe(bench, `${prefix}${name}.img`);
    throw new BootFailure("no-firmware", `Error 12 loading ${name}.img`);
  }
  if (signed && !(yield* read(bench, `${prefix}${name}.sig`)))
    throw new BootFailure("no-firmware", `no ${name}.sig`);
  const image = yield* read(bench, `${prefix}${name}.img`);
  if (!image) throw new BootFailure("no-firmware", `no ${name}.img`);
  bench.boot.kernel = {
    path: image.path,
    size: image.size,
    sha256: image.sha256,
    ...(bench.keepBytes && { bytes: image.bytes }),
  };
  throw new BootFailure("boot-img", `${name}.img holds the rest`);
}
