// tar as POSIX has it (IEEE Std 1003.1-2017, pax "ustar Interchange Format" and "pax Interchange Format"), extended attributes as star and GNU tar keep them.
import { concat } from "../base/bytes.ts";
import { latin1, toLatin1 } from "../base/text.ts";

export const TAR_BLOCK = 512;
/** PAX keyword before the name of an extended attribute; the value is bytes as they are. */
export const XATTR = "SCHILY.xattr.";

export const TAR_KIND = {
  file: "0",
  link: "1",
  symlink: "2",
  character: "3",
  block: "4",
  directory: "5",
  fifo: "6",
} as const;
export type TarKind = keyof typeof TAR_KIND;

/** Paths and targets have one character for each byte. */
export interface TarEntry {
  /** Without slashes at its ends; "" is the folder that was packed. */
  path: string;
  kind: TarKind;
  /** 0o7777. */
  mode: number;
  uid: number;
  gid: number;
  /** Bytes that follow: files only. */
  size: number;
  mtime: { s: number; ns: number };
  /** Devices. */
  major: number;
  minor: number;
  /** Of a symlink; of a link the path of the entry that it is another name of. */
  target: string;
  xattrs: ReadonlyMap<string, Uint8Array>;
}

/** Two empty blocks. */
export const TAR_END: Uint8Array = new Uint8Array(2 * TAR_BLOCK);
/** Zeros behind the bytes of a file. */
export const tarPadding = (size: number): Uint8Array =>
  new Uint8Array((TAR_BLOCK - (size % TAR_BLOCK)) % TAR_BLOCK);

/** Everything that stands before an entry's bytes: with a PAX header where the old fields are too short, or cannot say it. */
export function encodeTarHeader(entry: TarEntry): Uint8Array<ArrayBuffer> {
  const { kind, target, mtime, xattrs } = entry;
  const path = kind === "directory" ? `${entry.path}/`.replace(/^\/$/, "./") : entry.path;
  const records = new Map<string, Uint8Array>();
  const more = (key: string, value: string) => records.set(key, toLatin1(value));
  if (tooLong(path, 100)) more("path", path);
  if (tooLong(target, 100)) more("linkpath", target);
  if (entry.size >= 8 ** 11) more("size", `${entry.size}`);
  if (entry.uid >= 8 ** 7) more("uid", `${entry.uid}`);
  if (entry.gid >= 8 ** 7) more("gid", `${entry.gid}`);
  if (mtime.ns !== 0 || mtime.s < 0 || mtime.s >= 8 ** 11) more("mtime", timeText(mtime));
  for (const [name, value] of xattrs) records.set(XATTR + name, value);
  const main = head({ ...entry, path }, TAR_KIND[kind]);
  if (records.size === 0) return main;
  const body = concat([...records].map(([key, value]) => paxRecord(key, value)));
  const about = { ...entry, path: `PaxHeaders/${entry.path.slice(-80)}`, target: "", mode: 0o644 };
  const before = head({ ...about, size: body.length, uid: 0, gid: 0, major: 0, minor: 0 }, "x");
  return concat([before, body, tarPadding(body.length), main]);
}

/** What readers without PAX make of bytes above 127 differs: such names go into both. */
const tooLong = (text: string, room: number): boolean => text.length > room || /[^\x20-\x7e]/.test(text);

/** "-1.5" is half a second before -1. */
function timeText({ s, ns }: TarEntry["mtime"]): string {
  const whole = s < 0 && ns > 0 ? s + 1 : s;
  const rest = s < 0 && ns > 0 ? 1_000_000_000 - ns : ns;
  const sign = s < 0 && whole === 0 ? "-" : "";
  return `${sign}${whole}${rest ? `.${`${rest}`.padStart(9, "0")}` : ""}`;
}

/** "LENGTH key=value\n", where LENGTH counts itself. */
function paxRecord(key: string, value: Uint8Array): Uint8Array {
  const rest = key.length + value.length + 3;
  let length = rest;
  while (length !== rest + `${length}`.length) length = rest + `${length}`.length;
  return concat([toLatin1(`${length} ${key}=`), value, toLatin1("\n")]);
}

function head(
  entry: Pick<TarEntry, "path" | "mode" | "uid" | "gid" | "size" | "mtime" | "major" | "minor" | "target">,
  type: string,
): Uint8Array<ArrayBuffer> {
  const out = new Uint8Array(TAR_BLOCK);
  const text = (at: number, room: number, value: string) => out.set(toLatin1(value.slice(0, room)), at);
  /** Octal, ended by NUL; what does not fit stands in the PAX header. */
  const number = (at: number, room: number, value: number) =>
    text(at, room, (value >= 0 && value < 8 ** (room - 1) ? value : 0).toString(8).padStart(room - 1, "0"));
  text(0, 100, entry.path);
  number(100, 8, entry.mode);
  number(108, 8, entry.uid);
  number(116, 8, entry.gid);
  number(124, 12, entry.size);
  number(136, 12, entry.mtime.s);
  text(148, 8, "        ");
  text(156, 1, type);
  text(157, 100, entry.target);
  text(257, 8, "ustar\0" + "00");
  number(329, 8, entry.major);
  number(337, 8, entry.minor);
  number(148, 7, tarSum(out));
  return out;
}

/** The header's checksum: its bytes, with spaces in the place of the sum. */
export function tarSum(block: Uint8Array): number {
  let sum = 8 * 32;
  for (let i = 0; i < TAR_BLOCK; i++) if (i < 148 || i >= 156) sum += block[i] as number;
  return sum;
}

/** Is this the first block of a tar file? */
export const isTar = (block: Uint8Array): boolean =>
  block.length >= TAR_BLOCK && latin1(block.subarray(257, 262)) === "ustar";
