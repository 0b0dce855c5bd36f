// The journal (jbd2): Linux's Documentation/filesystems/ext4/journal.rst and fs/jbd2/recovery.c. Big-endian. Read, never written.

import { crc32cRaw } from "../../base/crc32c.ts";
import type { ReadableDisk } from "../../base/disk.ts";
import { BrambleError } from "../../base/errors.ts";
import { u16, u32, u32be } from "../fields.ts";
import type { Inode } from "./inode.ts";
import {
  COMMIT,
  commitIsSound,
  commitTime,
  DESCRIPTOR,
  decodeJournalSuper,
  decodeRevokes,
  decodeTags,
  isBlock,
  JOURNAL_MAGIC,
  type JournalSuper,
  REVOKE,
  type Tag,
  tailIsSound,
} from "./journal-blocks.ts";
import type { Volume } from "./volume.ts";

/** Newer contents of blocks, where they lie in the journal. */
export interface Replay {
  transactions: number;
  /** File system block → byte offset of its newer contents. */
  blocks: Map<number, number>;
  /** Those whose first four bytes the journal blanked, since they look like its own magic number. */
  escaped: Set<number>;
}

/** Larger journals than mke2fs would ever make are refused: what a replay holds stays bounded. */
const MAX_BLOCKS = 1 << 20;

const bad = (why: string): BrambleError => new BrambleError("FORMAT_VALUE", `ext4: journal: ${why}`);

/** What recovery would write. FORMAT_VALUE for a damaged journal, FORMAT_UNSUPPORTED for one that lies elsewhere. */
export async function readJournal(volume: Volume): Promise<Replay> {
  const { journalInode, blockSize } = volume.superblock;
  if (journalInode === 0) {
    throw new BrambleError("FORMAT_UNSUPPORTED", "ext4: the journal is dirty and lies on another device");
  }
  const inode = await volume.inode(journalInode);
  if (inode.kind !== "file" || inode.size < blockSize) throw bad("its inode is no file");
  const first = new Uint8Array(blockSize);
  await volume.readBlocks(inode, first, 0);
  const js = decodeJournalSuper(first, blockSize);
  if (js.length > MAX_BLOCKS || js.length * blockSize > inode.size) throw bad(`${js.length} blocks long`);
  const log = new Log(volume, inode, js);
  return js.start === 0 ? { transactions: 0, blocks: new Map(), escaped: new Set() } : log.replay();
}

interface Record {
  type: "tags" | "revokes";
  at: number;
  sequence: number;
}

class Log {
  readonly #volume: Volume;
  readonly #inode: Inode;
  readonly #super: JournalSuper;

  constructor(volume: Volume, inode: Inode, js: JournalSuper) {
    this.#volume = volume;
    this.#inode = inode;
    this.#super = js;
  }

  async replay(): Promise<Replay> {
    const { records, transactions } = await this.#scan();
    const revoked = new Map<number, number>();
    for (const { at, sequence } of records.filter((record) => record.type === "revokes")) {
      for (const block of decodeRevokes(await this.#block(at), this.#super)) {
        const before = revoked.get(block);
        if (before === undefined || newer(sequence, before)) revoked.set(block, sequence);
      }
    }
    const replay: Replay = { transactions, blocks: new Map(), escaped: new Set() };
    for (const { at, sequence } of records.filter((record) => record.type === "tags")) {
      const tags = decodeTags(await this.#block(at), this.#super);
      let data = at;
      for (const tag of tags) {
        data = this.#after(data);
        const last = revoked.get(tag.block);
        // A block that this or a later transaction revoked was freed: its old contents must not come back.
        if (last === undefined || newer(sequence, last)) await this.#take(replay, tag, data, sequence);
      }
    }
    return replay;
  }

  async #take(replay: Replay, tag: Tag, at: number, sequence: number): Promise<void> {
    const { superblock } = this.#volume;
    if (tag.block >= superblock.blocks) throw bad(`block ${tag.block} lies outside the file system`);
    const bytes = await this.#block(at);
    if (!tagIsSound(bytes, tag, sequence, this.#super)) {
      throw bad(`transaction ${sequence}: the checksum of block ${tag.block} does not match`);
    }
    const { physical } = await this.#volume.locate(this.#inode, at);
    if (physical === 0) throw bad("a hole");
    replay.blocks.set(tag.block, physical * superblock.blockSize);
    if (tag.escaped) replay.escaped.add(tag.block);
    else replay.escaped.delete(tag.block);
  }

  /** The descriptor and revoke blocks of every transaction that was committed. */
  async #scan(): Promise<{ records: Record[]; transactions: number }> {
    const records: Record[] = [];
    let committed = 0;
    let transactions = 0;
    let sequence = this.#super.sequence;
    let at = this.#super.start;
    let suspicious = false;
    let lastCommit = 0;
    // Each block of the ring once at most: no log, however damaged, is followed in circles.
    for (let visited = 0; visited < this.#super.length; visited++) {
      const bytes = await this.#block(at);
      if (!isBlock(bytes, sequence)) break;
      const type = u32be(bytes, 4);
      if (type === DESCRIPTOR) {
        // Perhaps a stale block of an earlier life of the log: the time of its commit will tell.
        suspicious ||= !tailIsSound(bytes, this.#super);
        records.push({ type: "tags", at, sequence });
        const count = decodeTags(bytes, this.#super).length;
        visited += count;
        for (let i = 0; i < count; i++) at = this.#after(at);
      } else if (type === REVOKE) {
        suspicious ||= !tailIsSound(bytes, this.#super);
        records.push({ type: "revokes", at, sequence });
      } else if (type === COMMIT) {
        const time = commitTime(bytes);
        const sound = !suspicious && commitIsSound(bytes, this.#super);
        if (!sound && time < lastCommit) break;
        if (!sound) throw bad(`transaction ${sequence}: its checksum does not match`);
        lastCommit = time;
        committed = records.length;
        transactions += 1;
        sequence = (sequence + 1) >>> 0;
      } else break;
      at = this.#after(at);
    }
    if (this.#super.fastCommitBlocks > 0) await this.#refuseFastCommits(sequence);
    return { records: records.slice(0, committed), transactions };
  }

  /** The area behind the log that newer kernels write small changes to, valid for the transaction that would come next. */
  async #refuseFastCommits(sequence: number): Promise<void> {
    const HEAD = 0x09;
    const bytes = await this.#block(this.#super.last);
    if (u16(bytes, 0) !== HEAD || u32(bytes, 8) !== sequence) return;
    throw new BrambleError(
      "FORMAT_UNSUPPORTED",
      "ext4: the journal ends in fast commits, which Bramble cannot replay",
      { hint: "mount the file system once, or run e2fsck on it" },
    );
  }

  /** A copy of one block of the journal. */
  async #block(at: number): Promise<Uint8Array> {
    const bytes = new Uint8Array(this.#volume.superblock.blockSize);
    await this.#volume.readBlocks(this.#inode, bytes, at * bytes.length);
    return bytes;
  }

  #after(at: number): number {
    return at + 1 >= this.#super.last ? this.#super.first : at + 1;
  }
}

/** Sequence numbers wrap. */
const newer = (a: number, b: number): boolean => ((a - b) | 0) > 0;

function tagIsSound(bytes: Uint8Array, tag: Tag, sequence: number, js: JournalSuper): boolean {
  if (js.checksums === 0) return true;
  const number = Uint8Array.of(sequence >>> 24, sequence >>> 16, sequence >>> 8, sequence);
  const crc = crc32cRaw(crc32cRaw(js.seed, number), bytes);
  return tag.checksum === (js.checksums === 3 ? crc : crc & 0xffff);
}

/** The disk as it would be after recovery. The disk itself is never written. */
export function replayed(disk: ReadableDisk, replay: Replay, blockSize: number): ReadableDisk {
  const { blocks, escaped } = replay;
  const readNewer = async (into: Uint8Array, offset: number): Promise<void> => {
    await disk.read(into, offset);
    const end = offset + into.length;
    for (let block = Math.floor(offset / blockSize); block * blockSize < end; block++) {
      const source = blocks.get(block);
      if (source === undefined) continue;
      const from = Math.max(offset, block * blockSize);
      const to = Math.min(end, (block + 1) * blockSize);
      const part = into.subarray(from - offset, to - offset);
      const inside = from - block * blockSize;
      await disk.read(part, source + inside);
      if (escaped.has(block))
        for (let i = inside; i < 4 && i - inside < part.length; i++)
          part[i - inside] = JOURNAL_MAGIC[i] as number;
    }
  };
  return {
    size: disk.size,
    read(into, offset) {
      const end = offset + into.length;
      for (let block = Math.floor(offset / blockSize); block * blockSize < end; block++)
        if (blocks.has(block)) return readNewer(into, offset);
      return disk.read(into, offset);
    },
  };
}
