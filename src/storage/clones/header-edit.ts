import { BrambleError } from "../../base/errors.ts";
import { latin1, toLatin1, toUtf8 } from "../../base/text.ts";
import { decodeHeader, HEADER_AT, type Qcow2Header, refusal } from "../../formats/qcow2.ts";
import type { HostFile } from "./host-file.ts";

/**
 * Autoclear bits of our own. Whoever else writes to the file clears bits that it does not know (docs/interop/qcow2.rst).
 * OPEN_HERE: the file is, or was when its process died, open for writing here: its journal fits.
 * FROZEN: a layer that others stand on, as we left it: without the bit somebody has written to it.
 */
export const OPEN_HERE = 1n << 62n;
export const FROZEN = 1n << 61n;

const SECTOR = 512;
/** Where the extension with the backing file's format begins in headers of ours, and how much room its value has. */
const FORMAT_AT = 112;
const FORMAT_TYPE = 0xe2792aca;
const FORMAT_ROOM = 8;
/** An extension that everybody looks away from, in the place of one that is not needed any more. */
const NOTHING_TYPE = 0x42524d58;
/** The two places that the backing file's name takes in turn. */
const NAMES_AT = [2048, 3072] as const;

/** FORMAT_UNSUPPORTED names what we do not do. */
export function readHeader(file: HostFile, path: string, write: boolean): Qcow2Header {
  const bytes = new Uint8Array(Math.min(65536, Math.max(file.size(), 1)));
  file.read(bytes, 0);
  const header = decodeHeader(bytes);
  const refused = refusal(header, { write });
  if (refused !== undefined)
    throw new BrambleError("FORMAT_UNSUPPORTED", `${path}: ${refused} is not supported`, {
      hint: "qemu-img convert -O qcow2 makes a plain file of it",
    });
  return header;
}

/** The feature words of the header: bits that we do not know are cleared from the third. */
export function writeFeatures(file: HostFile, incompatible: bigint, autoclear: bigint): void {
  const words = new Uint8Array(8);
  const view = new DataView(words.buffer);
  view.setBigUint64(0, autoclear);
  file.write(words.slice(), HEADER_AT.autoclear);
  view.setBigUint64(0, incompatible);
  file.write(words, HEADER_AT.incompatible);
}

/**
 * Makes a file of ours stand on another one (or, undefined, on nothing): before and after it the file must read the same.
 * The name first, durable, in the place that is not in use; then offset, length and format in one sector.
 */
export async function repoint(file: HostFile, backing: Qcow2Header["backing"]): Promise<void> {
  const sector = new Uint8Array(SECTOR);
  file.read(sector, 0);
  const view = new DataView(sector.buffer);
  const type = view.getUint32(FORMAT_AT);
  if (view.getUint32(100) !== FORMAT_AT || (type !== FORMAT_TYPE && type !== NOTHING_TYPE))
    throw new BrambleError("INTERNAL", `${file.path}: no header of ours`);
  const name = toUtf8(backing?.file ?? "");
  const at = Number(view.getBigUint64(8)) === NAMES_AT[0] ? NAMES_AT[1] : NAMES_AT[0];
  if (name.length > 1023) throw new BrambleError("BAD_INPUT", `the path ${backing?.file} is too long`);
  if (name.length > 0) {
    file.write(name, at);
    await file.sync("contents");
  }
  view.setBigUint64(8, name.length > 0 ? BigInt(at) : 0n);
  view.setUint32(16, name.length);
  view.setUint32(FORMAT_AT, backing ? FORMAT_TYPE : NOTHING_TYPE);
  const format = toLatin1(backing?.format ?? latin1(new Uint8Array(FORMAT_ROOM)));
  view.setUint32(FORMAT_AT + 4, format.length);
  sector.fill(0, FORMAT_AT + 8, FORMAT_AT + 8 + FORMAT_ROOM);
  sector.set(format, FORMAT_AT + 8);
  file.write(sector, 0);
  await file.sync("mapping");
}

/** Size and number of L1 entries, in one write within a sector: the L1 table must have room for them where it is. */
export async function writeSize(file: HostFile, size: number, l1Entries: number): Promise<void> {
  const fields = new Uint8Array(16);
  const view = new DataView(fields.buffer);
  view.setBigUint64(0, BigInt(size));
  view.setUint32(12, l1Entries); // between the two: the crypt method, which is none
  file.write(fields, 24);
  await file.sync("mapping");
}
