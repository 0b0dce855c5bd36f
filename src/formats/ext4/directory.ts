import { BrambleError } from "../../base/errors.ts";
import { latin1, toUtf8, utf8 } from "../../base/text.ts";
import { u16, u32 } from "../fields.ts";

export interface Dirent {
  nameBytes: Uint8Array;
  inode: number;
}

/** The bytes at the end of a leaf that hold its checksum look like an entry of this type. */
const TAIL = 0xde;

const bad = (why: string): BrambleError => new BrambleError("FORMAT_VALUE", `ext4: directory: ${why}`);

/**
 * The entries of one directory block (or of an inline directory), without "." and "..". Blocks of the hash tree look like empty
 * ones to this: they hide behind one entry that fills them. Names are copies. FORMAT_VALUE for a damaged block.
 */
export function decodeDirents(bytes: Uint8Array, inodes: number): Dirent[] {
  const found: Dirent[] = [];
  for (let at = 0; at < bytes.length; ) {
    if (at + 8 > bytes.length) throw bad("an entry is cut short");
    const inode = u32(bytes, at);
    const length = recordLength(u16(bytes, at + 4), bytes.length);
    const nameLength = bytes[at + 6] as number;
    if (length < 8 || length % 4 || at + length > bytes.length) throw bad(`a record of ${length} bytes`);
    if (inode !== 0) {
      if (8 + nameLength > length || nameLength === 0) throw bad(`a name of ${nameLength} bytes`);
      if (inode > inodes) throw bad(`inode ${inode} does not exist`);
      const name = bytes.slice(at + 8, at + 8 + nameLength);
      if (!isDots(name)) {
        if (name.includes(0x2f) || name.includes(0)) throw bad("a name with / or NUL in it");
        found.push({ nameBytes: name, inode });
      }
    }
    at += length;
  }
  return found;
}

/** With blocks of 64 KiB a record of the whole block does not fit 16 bits (ext4_rec_len_from_disk). */
const recordLength = (raw: number, blockSize: number): number => {
  if (blockSize < 65536) return raw;
  return raw === 65535 || raw === 0 ? blockSize : (raw & 65532) | ((raw & 3) << 16);
};

const isDots = (name: Uint8Array): boolean =>
  name[0] === 0x2e && (name.length === 1 || (name.length === 2 && name[1] === 0x2e));

/** Does this block end in a checksum? Blocks of the hash tree do not. */
export const hasTail = (block: Uint8Array): boolean => {
  const at = block.length - 12;
  return u32(block, at) === 0 && u16(block, at + 4) === 12 && block[at + 6] === 0 && block[at + 7] === TAIL;
};

/** The block's first entry, or its second ("..") in the first block, fills it: a block of the hash tree. */
export const isHashBlock = (block: Uint8Array, first: boolean): boolean =>
  first
    ? u16(block, 4) === 12 && recordLength(u16(block, 16), block.length) === block.length - 12
    : u32(block, 0) === 0 && recordLength(u16(block, 4), block.length) === block.length;

/** UTF-8 where the bytes are that, else one character per byte: no two names become the same text by loss. */
export function nameText(bytes: Uint8Array): string {
  if (bytes.every((byte) => byte < 0x80)) return latin1(bytes);
  const text = utf8(bytes);
  const back = toUtf8(text);
  return back.length === bytes.length && back.every((byte, i) => byte === bytes[i]) ? text : latin1(bytes);
}
