import { BrambleError } from "../base/errors.ts";
import { latin1 } from "../base/text.ts";

export interface ArMember {
  /** "debian-binary", "control.tar.xz", "data.tar.xz": without the trailing slash that some writers add. */
  name: string;
  bytes: Uint8Array;
}

const MAGIC = "!<arch>\n";
const HEADER = 60;

/**
 * The members of a Debian package (an `ar` archive, deb(5) and ar(5)), in order; their bytes are windows on `bytes`.
 * Throws FORMAT_VALUE where it is no archive, FORMAT_SHORT where it ends early.
 */
export function readDeb(bytes: Uint8Array): ArMember[] {
  if (latin1(bytes.subarray(0, MAGIC.length)) !== MAGIC)
    throw new BrambleError("FORMAT_VALUE", "deb: does not begin as an ar archive");
  const members: ArMember[] = [];
  let at = MAGIC.length;
  while (at < bytes.length) {
    const header = latin1(bytes.subarray(at, at + HEADER));
    if (header.length < HEADER)
      throw new BrambleError("FORMAT_SHORT", `deb: the member header at byte ${at} ends early`);
    const size = /^\d+ *$/.exec(header.slice(48, 58))?.[0].trim();
    if (size === undefined || header.slice(58) !== "`\n")
      throw new BrambleError("FORMAT_VALUE", `deb: no member header at byte ${at}`);
    const start = at + HEADER;
    const end = start + Number(size);
    const name = header.slice(0, 16).trimEnd().replace(/\/$/, "");
    if (end > bytes.length)
      throw new BrambleError(
        "FORMAT_SHORT",
        `deb: ${name} needs ${size} bytes, ${bytes.length - start} left`,
      );
    members.push({ name, bytes: bytes.subarray(start, end) });
    at = end + (end % 2);
  }
  return members;
}
