// A virtual Raspberry Pi from power-on to the kernel's last byte.
import { isOldBoot } from "../formats/boards.ts";
import { type Bench, BootFailure, type SimBoot, type SimRequest, type VirtualPi } from "./board.ts";
import { bootcode, bootRom } from "./bootcode.ts";
import { dice } from "./dice.ts";
import { eeprom } from "./eeprom.ts";
import { BOOTCODE_HABITS, revisionOfPi, stagesOf, TODAY } from "./firmware.ts";
import { drive, type Run, type SimNet } from "./machine.ts";

export interface BootOptions {
  /** Keep the bytes of the files in the result (to hand them to QEMU). */
  keepBytes?: boolean;
  /** Called as each request ends. */
  onRequest?(request: SimRequest): void;
  /** Switches the board off: the promise fails with the signal's reason. */
  signal?: AbortSignal;
}

/** Boots once. Resolves with what happened, good or bad; fails only for the net's own errors and for `signal`. */
export function bootPi(pi: VirtualPi, net: SimNet, options: BootOptions = {}): Promise<SimBoot> {
  return drive(net, pi.mac, (now) => powerOn(pi, now, options), options.signal);
}

function* powerOn(pi: VirtualPi, now: () => number, options: BootOptions): Run<SimBoot> {
  const started = now();
  const boot: SimBoot = {
    outcome: "kernel",
    reason: "",
    requests: [],
    files: new Map(),
    attempts: 0,
    ms: 0,
    log: [],
    notes: [],
  };
  const known = { ...pi, revision: revisionOfPi(pi), firmwareDate: pi.firmwareDate ?? TODAY };
  const bench: Bench = {
    pi: known,
    board: {
      model: pi.model,
      serial: pi.serial,
      revision: known.revision,
      ...(pi.stepping && { stepping: pi.stepping }),
      ...(pi.boardType !== undefined && { boardType: pi.boardType }),
      ...(pi.gpio && { gpio: pi.gpio }),
      ...(pi.edid && { edid: pi.edid }),
    },
    now,
    random: dice(pi.seed ?? Number.parseInt(pi.serial, 16)),
    keepBytes: options.keepBytes ?? false,
    boot,
    onRequest: options.onRequest ?? (() => {}),
    stage: "power on",
    habits: BOOTCODE_HABITS,
    nextPort: 49153,
    countsPorts: true,
    address: "0.0.0.0",
    server: "0.0.0.0",
    arpAnswers: true,
    broadcastsHeard: 0,
  };
  try {
    if (isOldBoot(pi.model)) {
      boot.attempts = 1;
      for (const stage of stagesOf(pi)) yield* stage === "rom3" ? bootRom(bench) : bootcode(bench);
    } else {
      yield* eeprom(bench);
    }
    boot.reason = `${boot.kernel?.path ?? "the kernel"} was read whole`;
  } catch (error) {
    if (!(error instanceof BootFailure)) throw error;
    boot.outcome = error.outcome;
    boot.reason = error.message;
  }
  boot.ms = now() - started;
  return boot;
}
