// The kernel's netconsole over UDP (Linux Documentation/networking/netconsole.rst), and the Pi bootloader's, which sends plain text.
import { utf8 } from "../../base/text.ts";

export interface NetconsolePart {
  /** 0 emergency … 7 debug; only the extended format says it. */
  severity?: number;
  /** The kernel's own number of the message: a gap is a message that was lost. */
  sequence?: number;
  /** Microseconds since the kernel started. */
  uptimeUs?: number;
  text: string;
  /** The line goes on in the next packet. */
  open: boolean;
}

/** "6,2553,1234567,-,ncfrag=0/960;text": priority, sequence, time, flag, and the text up to a line end. */
const EXTENDED = /^(\d{1,3}),(\d{1,20}),(\d{1,20}),([-c+])((?:,[^;\n]*)?);/;
const FRAGMENT = /,ncfrag=(\d+)\/(\d+)/;

/** Any bytes are text. A packet may hold a part of a line or several lines. */
export function parseNetconsole(bytes: Uint8Array): NetconsolePart[] {
  const whole = utf8(bytes).replace(/\0+$/, "");
  const extended = EXTENDED.exec(whole);
  if (extended) {
    const [head, priority, sequence, time, flag, more = ""] = extended;
    const fragment = FRAGMENT.exec(more);
    // After the text come lines of a dictionary, each with a blank before it: of no use to people.
    const text = whole.slice(head.length).split("\n")[0] ?? "";
    const end = Number(fragment?.[1] ?? 0) + bytes.length - head.length;
    return [
      {
        severity: Number(priority) & 7,
        sequence: Number(sequence),
        uptimeUs: Number(time),
        text,
        open: flag === "c" || (fragment !== null && end < Number(fragment[2])),
      },
    ];
  }
  const lines = whole.split(/\r\n|\n|\r/);
  const last = lines.pop() ?? "";
  return [
    ...lines.map((text) => ({ text, open: false })),
    ...(last === "" ? [] : [{ text: last, open: true }]),
  ];
}
