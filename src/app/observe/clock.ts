// Does the kernel take its clock for right? Asked by adjtimex(2), which needs no privilege to read.

export type ClockState = "synchronised" | "not synchronised" | "unknown";

/** struct timex of 64-bit Linux is 208 bytes; modes = 0 reads only. */
const TIMEX_BYTES = 208;
const STATUS_AT = 40;
/** <linux/timex.h>: STA_UNSYNC in `status`; TIME_ERROR is the answer of a clock that is not synchronised. */
const [STA_UNSYNC, TIME_ERROR] = [0x40, 5];

let asking: Promise<((buffer: Buffer) => number) | undefined> | undefined;

async function adjtimex(): Promise<((buffer: Buffer) => number) | undefined> {
  if (process.platform !== "linux" || !["x64", "arm64"].includes(process.arch)) return undefined;
  try {
    const { default: koffi } = await import("koffi");
    return koffi.load(null).func("int adjtimex(void*)") as (buffer: Buffer) => number;
  } catch {
    return undefined; // no koffi for this machine, or another C library
  }
}

export async function clockState(): Promise<ClockState> {
  asking ??= adjtimex();
  const ask = await asking;
  if (!ask) return "unknown";
  const timex = Buffer.alloc(TIMEX_BYTES);
  const state = ask(timex);
  if (state < 0) return "unknown"; // a container's filter may forbid the call
  return state === TIME_ERROR || (timex.readInt32LE(STATUS_AT) & STA_UNSYNC) !== 0
    ? "not synchronised"
    : "synchronised";
}
