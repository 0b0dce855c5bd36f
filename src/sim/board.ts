// The board that boots: what it is, what it has found so far, and what its log says.
import type { Model } from "../formats/boards.ts";
import type { Board } from "../formats/config-txt/filters.ts";
import type { ConfigNote } from "../formats/config-txt.ts";
import type { Fact, Frame, Run } from "./machine.ts";

/** rom3: the boot ROM of a 3B (or 3B+); bootcode: bootcode.bin, from a card where no rom3 is before it. */
export type SimStage = "rom3" | "bootcode" | "eeprom4" | "eeprom5";

/** Firmware's bugs and limits (reliability table of the boot specification), each a switch. */
export interface Bugs {
  /** Row 2: a ROM loses answers that come sooner than this after its DISCOVER, ms. 0: none. */
  earlyReplyLostMs?: number;
  /** Row 3: ROM and bootcode.bin drop an OFFER unless another broadcast came since the DISCOVER. */
  flush?: boolean;
  /** Row 4: a ROM answers no ARP during TFTP. */
  arpSilent?: boolean;
  /** Row 5: a ROM takes no answer that went through a relay, and no server of another subnet. */
  noRelay?: boolean;
  /** Row 6: the text in option 43 needs its three trailing spaces. */
  strictOption43?: boolean;
  /** Row 12: a second OACK cuts the file short. */
  duplicateOack?: boolean;
}

export interface VirtualPi {
  model: Model;
  /** 8 hex digits. */
  serial: string;
  mac: string;
  revision?: number;
  /** Default: what the model has. */
  stages?: readonly SimStage[];
  /** ISO date of EEPROM and start*.elf. */
  firmwareDate?: string;
  /** Text of bootconf.txt. */
  eepromConfig?: string;
  bugs?: Bugs;
  /** Overlays that a HAT's or a display's presence asks for. */
  hats?: readonly string[];
  displays?: readonly string[];
  /** The USB controller has its own EEPROM (4B up to revision 1.3). */
  vl805?: boolean;
  stepping?: "B0" | "C1" | "D0";
  boardType?: number;
  gpio?: ReadonlyMap<number, 0 | 1>;
  edid?: readonly string[];
  tryboot?: boolean;
  /** Of the last EEPROM update, Unix seconds. */
  updateTimestamp?: number;
  /** Dice: xids, source ports. */
  seed?: number;
  /** Stretches waits for hardware (link, absent cards); 0 skips them. Waits for the network are never touched. Default 1. */
  hardwareWaits?: number;
  /** The end of patience for the whole boot, ms. Default 15 minutes. */
  patienceMs?: number;
}

export interface SimRequest {
  path: string;
  /** read: all of it; probe: it is there. */
  result: "read" | "probe" | "missing" | "timeout" | "too-large";
  bytes: number;
  /** Of what was received. */
  sha256?: string;
  stage: string;
  /** On the net's clock, ms. */
  at: number;
  ms: number;
  /** Records of boards disagree whether this firmware asks for it. */
  uncertain?: boolean;
}

export interface BootFile {
  path: string;
  size: number;
  sha256: string;
  /** Only where bytes are kept. */
  bytes?: Uint8Array;
}

export interface SimBoot {
  outcome:
    | "kernel"
    | "boot-img"
    | "no-dhcp"
    | "no-firmware"
    | "no-kernel"
    | "os-check"
    | "damaged"
    | "stopped"
    | "gave-up";
  /** In words. */
  reason: string;
  requests: SimRequest[];
  address?: string;
  server?: string;
  kernel?: BootFile;
  /** All parts, as the firmware puts them one behind the other. */
  initramfs?: BootFile;
  cmdline?: BootFile;
  dtb?: BootFile;
  /** Every file that was read whole, by name without the board's own prefix: the last reading of each. */
  files: Map<string, BootFile>;
  attempts: number;
  ms: number;
  log: string[];
  notes: ConfigNote[];
}

/** Settings of a TFTP client, which differ by stage and age. */
export interface TftpHabits {
  blockSize: number | undefined;
  options: boolean;
  wraps: boolean;
  acksDuplicates: boolean;
  fileTimeoutMs: number;
}

/** All that the stages of one boot share. */
export interface Bench {
  readonly pi: VirtualPi & { revision: number; firmwareDate: string };
  readonly board: Board;
  readonly now: () => number;
  readonly random: () => number;
  readonly keepBytes: boolean;
  readonly boot: SimBoot;
  readonly onRequest: (request: SimRequest) => void;
  stage: string;
  habits: TftpHabits;
  nextPort: number;
  /** false: every request of this stage leaves from the same port. */
  countsPorts: boolean;
  address: string;
  server: string;
  arpAnswers: boolean;
  broadcastsHeard: number;
}

/** A stage's end that ends the boot or the attempt. */
export class BootFailure extends Error {
  readonly outcome: SimBoot["outcome"];
  constructor(outcome: SimBoot["outcome"], reason: string) {
    super(reason);
    this.outcome = outcome;
  }
}

export const say = (bench: Bench, line: string): void => {
  bench.boot.log.push(`${(bench.now() / 1000).toFixed(3)} ${bench.stage}: ${line}`);
};

/** Waits for hardware, answering ARP meanwhile. */
export function* pause(bench: Bench, ms: number): Run<void> {
  const until = bench.now() + ms;
  while (bench.now() < until) yield* listen(bench, until);
}

/** The next datagram, or undefined at `until`. ARP is dealt with underneath. */
export function* listen(bench: Bench, until: number): Run<Frame | undefined> {
  while (true) {
    const fact: Fact = yield { do: "receive", until };
    if (fact.fact !== "frame") {
      if (bench.now() >= until) return undefined;
      continue;
    }
    const { frame } = fact;
    if (frame.broadcast) bench.broadcastsHeard++;
    if (frame.kind === "udp") return frame;
    if (frame.what === "request" && frame.target === bench.address && bench.address !== "0.0.0.0") {
      if (bench.arpAnswers) yield { do: "arp", what: "reply", target: frame.sender, targetMac: frame.mac };
      continue;
    }
    if (frame.what === "reply") return frame;
  }
}
