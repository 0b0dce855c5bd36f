// What the two sides agree on before the first block: RFC 2347 (options), 2348, 2349, 7440.
import type { Options } from "./packet.ts";

export interface Terms {
  /** Bytes of the file. */
  size: number;
  blockSize: number;
  /** Blocks that may be under way at once. */
  windowSize: number;
  /** Milliseconds of silence after which we send again. */
  timeoutMs: number;
  /** The client set the timeout itself (RFC 2349): it does not grow from one silence to the next. */
  steady: boolean;
  /** What the OACK says; empty: no OACK, the first DATA follows at once. */
  agreed: Options;
}

/** A Pi 4's start4.elf miscounts blocks that come twice, and bootcode.bin dies of a second OACK: never below one second. */
const TIMEOUT_MS = 1000;

/** Answers a client's options: only those that it asked for, in its order, within what `most` allows. A value that cannot be is left out. */
export function negotiate(
  asked: Options,
  size: number,
  most: { blockSize: number; windowSize: number },
): Terms {
  const terms: Terms = {
    size,
    blockSize: 512,
    windowSize: 1,
    timeoutMs: TIMEOUT_MS,
    steady: false,
    agreed: new Map(),
  };
  const agreed = new Map<string, string>();
  for (const [name, value] of asked) {
    const n = /^\d{1,9}$/.test(value) ? Number(value) : -1;
    if (name === "tsize" && n >= 0) agreed.set(name, String(size));
    else if (name === "blksize" && n >= 8) {
      terms.blockSize = Math.min(n, most.blockSize, 65464);
      agreed.set(name, String(terms.blockSize));
    } else if (name === "timeout" && n >= 1 && n <= 255) {
      terms.timeoutMs = n * 1000;
      terms.steady = true;
      agreed.set(name, value); // accepted as it is or not at all (RFC 2349)
    } else if (name === "windowsize" && n >= 1) {
      terms.windowSize = Math.min(n, most.windowSize);
      agreed.set(name, String(terms.windowSize));
    }
  }
  return { ...terms, agreed };
}
