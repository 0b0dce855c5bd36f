import { BrambleError } from "../../base/errors.ts";
import type { Entry } from "../../base/tree.ts";
import { u16, u32 } from "../fields.ts";

export interface FatEntry extends Entry {
  /** The 8.3 name, which finds the file too. */
  shortName: string;
  /** First cluster; 0 for an empty file. */
  cluster: number;
}

const LABEL = 0x08;
const DIRECTORY = 0x10;
const LONG_NAME = 0x0f;
/** Code page 437, Linux's default for short names. */
const HIGH =
  "ÇüéâäàåçêëèïîìÄÅÉæÆôöòûùÿÖÜ¢£¥₧ƒáíóúñÑªº¿⌐¬½¼¡«»░▒▓│┤╡╢╖╕╣║╗╝╜╛┐└┴┬├─┼╞╟╚╔╩╦╠═╬╧╨╤╥╙╘╒╓╫╪┘┌█▄▌▐▀αßΓπΣσµτΦΘΩδ∞φε∩≡±≥≤⌠⌡÷≈°∙·√ⁿ²■\u00a0";
/** Where the thirteen UTF-16 units of a long-name record lie. */
const UNITS = [1, 3, 5, 7, 9, 14, 16, 18, 20, 22, 24, 28, 30];

/** The records of a directory, 32 bytes each, up to the end mark: files and directories, and the volume's label. */
export function decodeDirectory(bytes: Uint8Array): { entries: FatEntry[]; label: string | undefined } {
  const entries: FatEntry[] = [];
  let label: string | undefined;
  let long = new LongName();
  for (let at = 0; at + 32 <= bytes.length; at += 32) {
    const first = bytes[at];
    if (first === 0) break;
    const record = bytes.subarray(at, at + 32);
    const attributes = record[11] as number;
    if (first === 0xe5) long = new LongName();
    else if ((attributes & 0x3f) === LONG_NAME) long.add(record);
    else {
      const name = long.finish(record);
      long = new LongName();
      if (attributes & LABEL) label ??= text83(record.subarray(0, 11)).trimEnd();
      else if (first !== 0x2e) entries.push(decodeEntry(record, name));
    }
  }
  return { entries, label };
}

function decodeEntry(record: Uint8Array, longName: string | undefined): FatEntry {
  const shortName = shortNameOf(record);
  const name = longName ?? shortName;
  if (/[/\0]/.test(name) || /^\.{0,2}$/.test(name)) {
    throw new BrambleError("FORMAT_VALUE", `FAT: a file cannot be called ${JSON.stringify(name)}`);
  }
  const directory = ((record[11] as number) & DIRECTORY) !== 0;
  return {
    name,
    shortName,
    kind: directory ? "directory" : "file",
    size: directory ? 0 : u32(record, 28),
    mode: 0o755,
    uid: 0,
    gid: 0,
    mtimeMs: timeMs(u16(record, 24), u16(record, 22)),
    cluster: u16(record, 20) * 65536 + u16(record, 26),
  };
}

/** Gathers the records of one long name, which come last part first and carry the short name's checksum. */
class LongName {
  #text = "";
  #next = 0;
  #sum = -1;

  add(record: Uint8Array): void {
    const order = record[0] as number;
    if (order & 0x40) {
      this.#text = "";
      this.#next = order & 0x3f;
      this.#sum = record[13] as number;
    } else if (order !== this.#next || record[13] !== this.#sum) this.#sum = -1;
    this.#next -= 1;
    let part = "";
    for (const at of UNITS) {
      const unit = u16(record, at);
      if (unit === 0) break;
      part += String.fromCharCode(unit);
    }
    this.#text = part + this.#text;
  }

  /** The name, if it is whole and belongs to this short entry. */
  finish(record: Uint8Array): string | undefined {
    if (this.#next !== 0 || this.#sum < 0 || this.#text === "") return undefined;
    let sum = 0;
    for (let i = 0; i < 11; i++) sum = (((sum & 1) << 7) + (sum >> 1) + (record[i] as number)) & 0xff;
    return sum === this.#sum ? this.#text : undefined;
  }
}

function shortNameOf(record: Uint8Array): string {
  const raw = record.slice(0, 11);
  if (raw[0] === 0x05) raw[0] = 0xe5;
  // Windows NT's flags for names that are all lower case: bit 3 the base, bit 4 the extension.
  const flags = record[12] as number;
  const part = (from: number, to: number, lower: boolean): string => {
    const text = text83(raw.subarray(from, to)).trimEnd();
    return lower ? text.toLowerCase() : text;
  };
  const base = part(0, 8, (flags & 0x08) !== 0);
  const extension = part(8, 11, (flags & 0x10) !== 0);
  return extension ? `${base}.${extension}` : base;
}

function text83(bytes: Uint8Array): string {
  let text = "";
  for (const byte of bytes) text += byte < 0x80 ? String.fromCharCode(byte) : (HIGH[byte - 0x80] ?? "?");
  return text;
}

/** FAT keeps local time without a zone, to two seconds: taken as UTC. 0 where there is none. */
function timeMs(date: number, time: number): number {
  if (date === 0) return 0;
  return Date.UTC(
    1980 + (date >> 9),
    ((date >> 5) & 15) - 1,
    date & 31,
    time >> 11,
    (time >> 5) & 63,
    (time & 31) * 2,
  );
}
