import { crc32cRaw } from "../../base/crc32c.ts";
import { BrambleError } from "../../base/errors.ts";
import { u16be, u32be } from "../fields.ts";

export const JOURNAL_MAGIC = Uint8Array.of(0xc0, 0x3b, 0x39, 0x98);
const MAGIC = 0xc03b3998;
export const DESCRIPTOR = 1;
export const COMMIT = 2;
const SUPER_V2 = 4;
export const REVOKE = 5;

/** Incompatible features by bit; those that we can replay say true. */
const INCOMPAT: readonly [bit: number, name: string, known: boolean][] = [
  [0x1, "revoke", true],
  [0x2, "64bit", true],
  [0x4, "async_commit", false],
  [0x8, "csum_v2", true],
  [0x10, "csum_v3", true],
  [0x20, "fast_commit", true],
];

export interface JournalSuper {
  /** Blocks: of the whole journal, first of the log, the first behind the log. */
  length: number;
  first: number;
  last: number;
  /** Where the log starts and with which transaction; 0: the journal is empty. */
  start: number;
  sequence: number;
  /** Version of the checksums, 0 without. */
  checksums: 0 | 2 | 3;
  wide: boolean;
  /** Where checksums start. */
  seed: number;
  fastCommitBlocks: number;
}

const bad = (why: string): BrambleError => new BrambleError("FORMAT_VALUE", `ext4: journal: ${why}`);

/** Block 0 of the journal. FORMAT_VALUE for nonsense, FORMAT_UNSUPPORTED naming features that we cannot replay. */
export function decodeJournalSuper(bytes: Uint8Array, blockSize: number): JournalSuper {
  if (u32be(bytes, 0) !== MAGIC) throw bad("there is no superblock");
  const incompat = u32be(bytes, 4) === SUPER_V2 ? u32be(bytes, 40) : 0;
  for (let bit = 1; bit !== 0; bit = (bit << 1) >>> 0) {
    const feature = INCOMPAT.find(([known]) => known === bit);
    if (!(incompat & bit) || feature?.[2]) continue;
    const name = feature?.[1] ?? `feature 0x${bit.toString(16)}`;
    throw new BrambleError(
      "FORMAT_UNSUPPORTED",
      `ext4: the journal uses ${name}, which Bramble cannot replay`,
    );
  }
  if (u32be(bytes, 12) !== blockSize) throw bad(`blocks of ${u32be(bytes, 12)} bytes`);
  const checksums = incompat & 0x10 ? 3 : incompat & 0x8 ? 2 : 0;
  if (checksums) {
    const blank = bytes.slice(0, 1024);
    blank.fill(0, 0xfc, 0x100);
    if (crc32cRaw(0xffffffff, blank) !== u32be(bytes, 0xfc))
      throw bad("the checksum of its superblock does not match");
  }
  const length = u32be(bytes, 16);
  const first = u32be(bytes, 20);
  const start = u32be(bytes, 28);
  // 256 where the field is still 0 (JBD2_DEFAULT_FAST_COMMIT_BLOCKS).
  const fastCommitBlocks = incompat & 0x20 ? u32be(bytes, 0x54) || 256 : 0;
  const last = length - fastCommitBlocks;
  if (first < 1 || first >= last || (start !== 0 && (start < first || start >= last)))
    throw bad("its log lies outside");
  return {
    length,
    first,
    last,
    start,
    sequence: u32be(bytes, 24),
    checksums,
    wide: (incompat & 0x2) !== 0,
    seed: crc32cRaw(0xffffffff, bytes, 48, 64),
    fastCommitBlocks,
  };
}

/** Does this block belong to the log, as part of this transaction? */
export const isBlock = (bytes: Uint8Array, sequence: number): boolean =>
  u32be(bytes, 0) === MAGIC && u32be(bytes, 8) === sequence;

/** What a data block in the log is for. */
export interface Tag {
  block: number;
  escaped: boolean;
  checksum: number;
}

/** The tags of a descriptor block: one for each data block that follows it. */
export function decodeTags(bytes: Uint8Array, js: JournalSuper): Tag[] {
  const ESCAPED = 1;
  const SAME_UUID = 2;
  const LAST = 8;
  const v3 = js.checksums === 3;
  // journal_tag_bytes(): version 2's two bytes at the end are never used.
  const size = v3 ? 16 : 8 + (js.wide ? 4 : 0) + (js.checksums === 2 ? 2 : 0);
  const end = bytes.length - (js.checksums ? 4 : 0);
  const tags: Tag[] = [];
  for (let at = 12; at + size <= end; ) {
    const flags = v3 ? u32be(bytes, at + 4) : u16be(bytes, at + 6);
    const block = u32be(bytes, at) + (js.wide ? u32be(bytes, at + 8) * 2 ** 32 : 0);
    const checksum = v3 ? u32be(bytes, at + 12) : u16be(bytes, at + 4);
    tags.push({ block, escaped: (flags & ESCAPED) !== 0, checksum });
    at += flags & SAME_UUID ? size : size + 16;
    if (flags & LAST) break;
  }
  return tags;
}

/** The blocks of a revoke block, whose length counts its header of 16 bytes. */
export function decodeRevokes(bytes: Uint8Array, js: JournalSuper): number[] {
  const size = js.wide ? 8 : 4;
  const used = u32be(bytes, 12);
  if (used < 16 || used > bytes.length - (js.checksums ? 4 : 0)) throw bad(`a revoke block of ${used} bytes`);
  const blocks: number[] = [];
  for (let at = 16; at + size <= used; at += size) {
    blocks.push(js.wide ? u32be(bytes, at) * 2 ** 32 + u32be(bytes, at + 4) : u32be(bytes, at));
  }
  return blocks;
}

/** Descriptor and revoke blocks end in their checksum. */
export function tailIsSound(bytes: Uint8Array, js: JournalSuper): boolean {
  if (js.checksums === 0) return true;
  const at = bytes.length - 4;
  return crc32cRaw(crc32cRaw(js.seed, bytes, 0, at), new Uint8Array(4)) === u32be(bytes, at);
}

/** A commit block's checksum is its fifth word. */
export function commitIsSound(bytes: Uint8Array, js: JournalSuper): boolean {
  if (js.checksums === 0) return true;
  const crc = crc32cRaw(crc32cRaw(js.seed, bytes, 0, 16), new Uint8Array(4));
  return crc32cRaw(crc, bytes, 20) === u32be(bytes, 16);
}

/** Seconds since 1970. */
export const commitTime = (bytes: Uint8Array): number => u32be(bytes, 48) * 2 ** 32 + u32be(bytes, 52);
