// ELF programs and libraries, little-endian, 32 and 64 bit: which other files they need to run (System V ABI, chapter 5).
import { BrambleError } from "../base/errors.ts";
import { latin1 } from "../base/text.ts";

export interface ElfNeeds {
  /** Path of the dynamic loader, where there is one: "/lib/ld-linux-aarch64.so.1". */
  interpreter: string | undefined;
  /** Names of libraries: "libc.so.6". */
  libraries: string[];
}

const PT_LOAD = 1;
const PT_DYNAMIC = 2;
const PT_INTERP = 3;
const DT_NEEDED = 1;
const DT_STRTAB = 5;

interface Segment {
  type: number;
  offset: number;
  address: number;
  size: number;
}

/** Throws FORMAT_VALUE where it is no such file, FORMAT_SHORT where it ends early. */
export function elfNeeds(bytes: Uint8Array): ElfNeeds {
  if (latin1(bytes.subarray(0, 4)) !== "\x7fELF" || bytes[5] !== 1 || (bytes[4] !== 1 && bytes[4] !== 2))
    throw new BrambleError("FORMAT_VALUE", "elf: no little-endian ELF file");
  const wide = bytes[4] === 2;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const inside = (at: number, length: number): number => {
    if (at + length <= bytes.length) return at;
    throw new BrambleError("FORMAT_SHORT", `elf: ends before byte ${at + length}`);
  };
  const u16 = (at: number) => view.getUint16(inside(at, 2), true);
  const u32 = (at: number) => view.getUint32(inside(at, 4), true);
  const word = (at: number) => (wide ? Number(view.getBigUint64(inside(at, 8), true)) : u32(at));
  const text = (at: number) => {
    const end = bytes.indexOf(0, at);
    if (at > bytes.length || end < 0) throw new BrambleError("FORMAT_SHORT", `elf: no text at byte ${at}`);
    return latin1(bytes.subarray(at, end));
  };

  const table = word(wide ? 32 : 28);
  const size = u16(wide ? 54 : 42);
  const segments: Segment[] = Array.from({ length: u16(wide ? 56 : 44) }, (_, i) => {
    const at = table + i * size;
    return wide
      ? { type: u32(at), offset: word(at + 8), address: word(at + 16), size: word(at + 32) }
      : { type: u32(at), offset: u32(at + 4), address: u32(at + 8), size: u32(at + 16) };
  });
  const interp = segments.find(({ type }) => type === PT_INTERP);
  const dynamic = segments.find(({ type }) => type === PT_DYNAMIC);
  const names: number[] = [];
  let strings: number | undefined;
  const step = wide ? 8 : 4;
  for (let at = dynamic?.offset ?? 0; dynamic && at < dynamic.offset + dynamic.size; at += 2 * step) {
    const tag = word(at);
    if (tag === DT_NEEDED) names.push(word(at + step));
    if (tag === DT_STRTAB) strings = fileOffset(segments, word(at + step));
  }
  if (names.length > 0 && strings === undefined)
    throw new BrambleError("FORMAT_VALUE", "elf: a dynamic section without its strings");
  return {
    interpreter: interp && text(interp.offset),
    libraries: names.map((name) => text((strings ?? 0) + name)),
  };
}

/** Where in the file an address of the program lies. */
function fileOffset(segments: readonly Segment[], address: number): number | undefined {
  const home = segments.find(
    (s) => s.type === PT_LOAD && address >= s.address && address < s.address + s.size,
  );
  return home && home.offset + address - home.address;
}
