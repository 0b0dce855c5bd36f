// The walk of BOOT_ORDER: what an EEPROM tries, how often, and what it does when all has failed (eeprom-bootloader.adoc).
import { familyOf } from "../formats/boards.ts";
import { type Bench, BootFailure, pause, say } from "./board.ts";
import { eepromDhcp, useAddress } from "./dhcp-client.ts";
import { type EepromSettings, eepromSettings } from "./eeprom-settings.ts";
import { Reflashed } from "./eeprom-update.ts";
import { boot2711 } from "./eeprom2711.ts";
import { boot2712 } from "./eeprom2712.ts";
import { eepromHabits, SINCE } from "./firmware.ts";
import type { Run } from "./machine.ts";

/** What a medium that is not there costs, ms. Card and NVMe fail fast, USB waits for devices (USB_MSD_DISCOVER_TIMEOUT). */
const ABSENT: Record<number, readonly [what: string, ms: number]> = {
  1: ["SD", 500],
  3: ["RPIBOOT", 1000],
  4: ["USB-MSD", 20_000],
  5: ["BCM-USB-MSD", 20_000],
  6: ["NVME", 500],
  7: ["HTTP", 1000],
};
const NETWORK = 2;
const STOP = 0xe;
const RESTART = 0xf;
const LINK_MS = 3000;
const RESET_MS = 1000;

/** Ends by the kernel (or boot.img), or throws BootFailure: "stopped", or "gave-up" at the end of patience. */
export function* eeprom(bench: Bench): Run<void> {
  const family = familyOf(bench.pi.model) === "bcm2711" ? "bcm2711" : "bcm2712";
  const patience = bench.now() + (bench.pi.patienceMs ?? 900_000);
  bench.nextPort = 32768 + Math.floor(bench.random() * 28000);
  let restarts = 0;
  let last = "nothing was tried";
  while (true) {
    bench.stage = "EEPROM";
    const settings = yield* eepromSettings(bench, family);
    let order = settings.bootOrder === 0n ? 0xf41n : settings.bootOrder;
    for (; order > 0n; order >>= 4n) {
      const mode = Number(order & 15n);
      if (bench.now() >= patience) throw new BootFailure("gave-up", `out of patience: ${last}`);
      if (mode === STOP) throw new BootFailure("stopped", `BOOT_ORDER says stop: ${last}`);
      if (mode === RESTART) break;
      if (mode === NETWORK) {
        const failure = yield* network(bench, family, settings, patience);
        if (failure === undefined) return;
        last = failure;
        continue;
      }
      const [what, ms] = ABSENT[mode] ?? ["SD", 500]; // "Unknown boot mode %h. Trying SD."
      say(bench, `Boot mode: ${what}, nothing there`);
      yield* pause(bench, ms * (bench.pi.hardwareWaits ?? 1));
    }
    // The end of the list without STOP or RESTART stops as well.
    if (order === 0n) throw new BootFailure("stopped", last);
    restarts++;
    say(bench, `Restart ${restarts} max ${settings.maxRestarts}`);
    if (settings.maxRestarts >= 0 && restarts > settings.maxRestarts) {
      restarts = 0;
      say(bench, "watchdog reset");
    }
    yield* pause(bench, RESET_MS); // never skipped: it keeps a board that finds nothing from flooding the network
  }
}

/** The attempts of one NETWORK nibble. Undefined: booted. */
function* network(
  bench: Bench,
  family: "bcm2711" | "bcm2712",
  settings: EepromSettings,
  patience: number,
): Run<string | undefined> {
  const { pi, boot } = bench;
  const renewed = pi.firmwareDate >= SINCE.retryPause;
  let reason = "";
  let connected = false;
  for (let retry = 0; settings.networkRetries < 0 || retry <= settings.networkRetries; retry++) {
    if (bench.now() >= patience) break;
    boot.attempts++;
    bench.stage = "EEPROM";
    bench.habits = eepromHabits(family, pi.firmwareDate, settings.fileTimeoutMs);
    try {
      if (family === "bcm2712" && boot.attempts > 1 && pi.firmwareDate < SINCE.secondNetworkTry)
        throw new BootFailure("no-dhcp", "the first images of the Pi 5 manage only one network attempt");
      if (!connected) {
        yield* pause(bench, LINK_MS * (pi.hardwareWaits ?? 1));
        yield* connect(bench, settings);
      }
      connected = !renewed;
      yield* family === "bcm2711" ? boot2711(bench, settings) : boot2712(bench, settings);
      return undefined;
    } catch (error) {
      if (error instanceof Reflashed) {
        retry = -1;
        connected = false;
        yield* pause(bench, RESET_MS);
        continue;
      }
      if (!(error instanceof BootFailure)) throw error;
      if (error.outcome === "boot-img" || error.outcome === "damaged") throw error;
      reason = error.message;
      say(bench, `${error.outcome}: ${reason}`);
      const tftpFailed = error.outcome !== "no-dhcp";
      // start4.elf has taken over: it shows its error and stays, or starts the board again.
      if (bench.stage !== "EEPROM") throw error;
      if (tftpFailed && retry < settings.networkRetries && renewed) yield* pause(bench, 5000);
      else yield* pause(bench, 14); // seen between two rounds in 2019
    }
  }
  return reason;
}

function* connect(bench: Bench, settings: EepromSettings): Run<void> {
  bench.address = "0.0.0.0";
  if (settings.fixed) return yield* useAddress(bench, settings.fixed);
  yield* eepromDhcp(bench, settings.dhcp);
  // TFTP_IP overrides what DHCP said.
  if (settings.dhcp.server) {
    bench.server = settings.dhcp.server;
    bench.boot.server = settings.dhcp.server;
  }
}
