// Reads tar files that lie on a disk: ustar, PAX, and what GNU tar adds (long names, base-256 numbers).
import type { ReadableDisk } from "../base/disk.ts";
import { BrambleError } from "../base/errors.ts";
import { latin1 } from "../base/text.ts";
import { TAR_BLOCK, TAR_KIND, type TarEntry, type TarKind, tarSum, XATTR } from "./tar.ts";

/** `at`: where the entry's bytes begin. */
export type TarFound = TarEntry & { at: number };

/** A PAX header, or a long name, in memory. */
const MAX_EXTRA = 1 << 20;
const KINDS = new Map<string, TarKind>([
  ...Object.entries(TAR_KIND).map(([kind, type]) => [type, kind as TarKind] as const),
  ["\0", "file"],
  ["7", "file"], // contiguous: as any file
]);

/** In order, as they stand there: a path that comes again replaces the one before. Throws FORMAT_VALUE, FORMAT_SHORT, FORMAT_UNSUPPORTED. */
export async function* readTar(disk: ReadableDisk): AsyncGenerator<TarFound> {
  const block = new Uint8Array(TAR_BLOCK);
  let global = new Map<string, Uint8Array>();
  let own = new Map<string, Uint8Array>();
  for (let at = 0; at + TAR_BLOCK <= disk.size; ) {
    await disk.read(block, at);
    if (block.every((byte) => byte === 0)) return;
    if (number(block, 148, 8, at) !== tarSum(block)) throw bad(at, "a header whose sum is wrong");
    const type = latin1(block.subarray(156, 157));
    const pax = own.size > 0 ? new Map([...global, ...own]) : global;
    const size = decimal(pax, "size") ?? number(block, 124, 12, at);
    const data = at + TAR_BLOCK;
    if (data + size > disk.size) throw short(at);
    at = data + Math.ceil(size / TAR_BLOCK) * TAR_BLOCK;
    if (type === "x" || type === "g") {
      const records = paxRecords(await extra(disk, data, size), data);
      if (type === "x") own = records;
      else global = new Map([...global, ...records]);
    } else if (type === "L" || type === "K") {
      const name = (await extra(disk, data, size)).subarray(0, -1);
      own.set(type === "L" ? "path" : "linkpath", name);
    } else {
      const found = entry(block, pax, data, type);
      if (found.kind !== "file")
        at = data; // only files have bytes, whatever the size says
      else found.size = size;
      own = new Map();
      yield found;
    }
  }
}

function entry(block: Uint8Array, pax: ReadonlyMap<string, Uint8Array>, at: number, type: string): TarFound {
  const sparse = type === "S" || [...pax.keys()].some((key) => key.startsWith("GNU.sparse."));
  if (sparse)
    throw new BrambleError("FORMAT_UNSUPPORTED", "tar: a sparse file", { hint: "pack it without --sparse" });
  const ustar = latin1(block.subarray(257, 263)) === "ustar\0";
  const prefix = ustar ? text(block, 345, 155) : "";
  const name = text(block, 0, 100);
  const raw = textOf(pax, "path") ?? (prefix ? `${prefix}/${name}` : name);
  const known = KINDS.get(type);
  if (!known) throw new BrambleError("FORMAT_UNSUPPORTED", `tar: an entry of type ${JSON.stringify(type)}`);
  // before there were types a folder was a name that ends with a slash
  const kind = known === "file" && raw.endsWith("/") ? "directory" : known;
  const target = textOf(pax, "linkpath") ?? text(block, 157, 100);
  const device = kind === "block" || kind === "character";
  const xattrs = new Map<string, Uint8Array>();
  for (const [key, value] of pax) if (key.startsWith(XATTR)) xattrs.set(key.slice(XATTR.length), value);
  return {
    path: clean(raw, at),
    kind,
    mode: number(block, 100, 8, at) & 0o7777,
    uid: decimal(pax, "uid") ?? number(block, 108, 8, at),
    gid: decimal(pax, "gid") ?? number(block, 116, 8, at),
    size: 0,
    mtime: time(textOf(pax, "mtime")) ?? { s: number(block, 136, 12, at), ns: 0 },
    major: device ? number(block, 329, 8, at) : 0,
    minor: device ? number(block, 337, 8, at) : 0,
    target: kind === "link" ? clean(target, at) : target,
    xattrs,
    at,
  };
}

/** "./a//b/" is "a/b". Nothing leads upwards. */
function clean(path: string, at: number): string {
  const parts = path.split("/").filter((part) => part !== "" && part !== ".");
  const wrong = parts.find((part) => part === ".." || part.length > 255 || part.includes("\0"));
  if (wrong !== undefined) throw bad(at, `a path with ${JSON.stringify(wrong.slice(0, 40))} in it`);
  return parts.join("/");
}

async function extra(disk: ReadableDisk, at: number, size: number): Promise<Uint8Array> {
  if (size > MAX_EXTRA) throw bad(at, `a header of ${size} bytes`);
  const bytes = new Uint8Array(size);
  await disk.read(bytes, at);
  return bytes;
}

function paxRecords(bytes: Uint8Array, at: number): Map<string, Uint8Array> {
  const records = new Map<string, Uint8Array>();
  for (let from = 0; from < bytes.length; ) {
    const space = bytes.indexOf(0x20, from);
    const length = space > from && space - from < 9 ? Number(latin1(bytes.subarray(from, space))) : 0;
    const equals = bytes.indexOf(0x3d, space);
    const end = from + length;
    if (!(length > 0) || equals < 0 || equals >= end || end > bytes.length || bytes[end - 1] !== 0x0a)
      throw bad(at, "a PAX header that cannot be read");
    const key = latin1(bytes.subarray(space + 1, equals));
    const value = bytes.subarray(equals + 1, end - 1);
    if (value.length > 0) records.set(key, value);
    else records.delete(key); // an empty value: the old field counts
    from = end;
  }
  return records;
}

const textOf = (pax: ReadonlyMap<string, Uint8Array>, key: string): string | undefined => {
  const value = pax.get(key);
  return value && latin1(value);
};

function decimal(pax: ReadonlyMap<string, Uint8Array>, key: string): number | undefined {
  const value = textOf(pax, key);
  if (value === undefined) return undefined;
  if (!/^\d{1,15}$/.test(value))
    throw new BrambleError("FORMAT_VALUE", `tar: ${key} is ${value.slice(0, 40)}`);
  return Number(value);
}

function time(value: string | undefined): TarEntry["mtime"] | undefined {
  const [, sign = "", whole = "", rest = ""] = /^(-?)(\d{1,15})(?:\.(\d*))?$/.exec(value ?? "") ?? [];
  if (whole === "") return undefined;
  const ns = Number(rest.slice(0, 9).padEnd(9, "0"));
  if (!sign) return { s: Number(whole), ns };
  return ns > 0 ? { s: -Number(whole) - 1, ns: 1_000_000_000 - ns } : { s: -Number(whole), ns: 0 };
}

/** Octal text, or base-256 where the first bit is set (GNU). */
function number(block: Uint8Array, from: number, room: number, at: number): number {
  const first = block[from] as number;
  if (first & 0x80) {
    let value = first === 0xff ? -1 : first & 0x7f;
    for (let i = 1; i < room; i++) value = value * 256 + (block[from + i] as number);
    if (!Number.isSafeInteger(value)) throw bad(at, "a number that is too large");
    return value;
  }
  const digits = text(block, from, room).trim();
  if (digits !== "" && !/^[0-7]+$/.test(digits)) throw bad(at, "a number that is none");
  return Number.parseInt(digits || "0", 8);
}

function text(block: Uint8Array, from: number, room: number): string {
  const field = block.subarray(from, from + room);
  const end = field.indexOf(0);
  return latin1(end < 0 ? field : field.subarray(0, end));
}

const bad = (at: number, what: string) => new BrambleError("FORMAT_VALUE", `tar: ${what}, at byte ${at}`);
const short = (at: number) => new BrambleError("FORMAT_SHORT", `tar: it ends within the entry at byte ${at}`);
