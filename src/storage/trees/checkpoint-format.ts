// A checkpoint: all that a tree has of its own, but for the data. Numbers are little endian.
// "BRC1", length of the header u32, its crc32c u32, header (JSON). Chunks: length u32, crc32c u32, changes (length u32, bytes). The end: a chunk of length 0, its crc32c the number of chunks.

import { crc32c } from "../../base/crc32c.ts";
import { BrambleError } from "../../base/errors.ts";
import { toUtf8, utf8 } from "../../base/text.ts";

const MAGIC = 0x31435242;
const PREFIX = 12;
const CHUNK = 8;
/** A chunk is full with so many bytes. */
export const CHUNK_BYTES = 128 * 1024;

export interface CheckpointHeader {
  id: string;
  /** sha256 of the image below. */
  image: string;
  /** Bytes of its own that it may have. */
  quota?: number;
  /** Grows with each reset and rollback: handles of before are stale. */
  generation: number;
  /** Tells entries of the journal from those of a tree of the same id that is no more. */
  incarnation: number;
  /** The folder beside with its data files. */
  data: string;
  /** Entries of the journal up to this one are in it. */
  entries: number;
  /** Data files are exactly as it says, as long as the journal has nothing later of the tree. */
  isClean: boolean;
  inodes: number;
  ownBytes: number;
  createdMs: number;
}

export function encodeHeader(header: CheckpointHeader): Uint8Array {
  const json = toUtf8(JSON.stringify(header));
  const bytes = new Uint8Array(PREFIX + json.length);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, MAGIC, true);
  view.setUint32(4, json.length, true);
  view.setUint32(8, crc32c(json), true);
  bytes.set(json, PREFIX);
  return bytes;
}

const HINT = "put the file back from a copy; without one, reset the node or roll it back to a snapshot";
const damaged = (path: string, at: number, why: string) =>
  new BrambleError("TREE_DAMAGED", `${path} is damaged at byte ${at}: ${why}`, { hint: HINT });

/** The header at the start of a file of which `bytes` are the first ones, and where the chunks begin. */
export function decodeHeader(path: string, bytes: Uint8Array): { header: CheckpointHeader; at: number } {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes.length < PREFIX || view.getUint32(0, true) !== MAGIC)
    throw damaged(path, 0, "no checkpoint of a tree");
  const end = PREFIX + view.getUint32(4, true);
  const json = bytes.subarray(PREFIX, end);
  if (end > bytes.length || crc32c(json) !== view.getUint32(8, true))
    throw damaged(path, PREFIX, "its header");
  return { header: JSON.parse(utf8(json)) as CheckpointHeader, at: end };
}

/** Gathers changes into chunks. */
export class ChunkWriter {
  #bytes = new Uint8Array(CHUNK_BYTES + 16 * 1024);
  #at = CHUNK;
  #chunks = 0;

  get isFull(): boolean {
    return this.#at >= CHUNK_BYTES;
  }

  add(change: Uint8Array): void {
    const at = this.#at;
    this.#at += 4 + change.length;
    if (this.#at > this.#bytes.length) {
      const more = new Uint8Array(this.#at * 2);
      more.set(this.#bytes.subarray(0, at));
      this.#bytes = more;
    }
    new DataView(this.#bytes.buffer).setUint32(at, change.length, true);
    this.#bytes.set(change, at + 4);
  }

  /** The chunk, until the next add(). */
  take(): Uint8Array {
    const bytes = this.#bytes.subarray(0, this.#at);
    const view = new DataView(bytes.buffer);
    view.setUint32(0, this.#at - CHUNK, true);
    view.setUint32(4, crc32c(bytes.subarray(CHUNK)), true);
    this.#at = CHUNK;
    this.#chunks += 1;
    return bytes;
  }

  get isEmpty(): boolean {
    return this.#at === CHUNK;
  }

  end(): Uint8Array {
    const bytes = new Uint8Array(CHUNK);
    new DataView(bytes.buffer).setUint32(4, this.#chunks, true);
    return bytes;
  }
}

/** The changes of each chunk, windows on `bytes`, which is a whole checkpoint. TREE_DAMAGED names the byte. */
export function* chunksOf(path: string, bytes: Uint8Array, from: number): Generator<Uint8Array[]> {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let chunks = 0;
  for (let at = from; ; chunks++) {
    if (at + CHUNK > bytes.length) throw damaged(path, at, "it is cut short");
    const [length, check] = [view.getUint32(at, true), view.getUint32(at + 4, true)];
    if (length === 0) {
      if (check !== chunks || at + CHUNK !== bytes.length) throw damaged(path, at, "its end");
      return;
    }
    const end = at + CHUNK + length;
    if (end > bytes.length || crc32c(bytes.subarray(at + CHUNK, end)) !== check)
      throw damaged(path, at, "a chunk is not what was written");
    const changes: Uint8Array[] = [];
    for (let change = at + CHUNK; change < end; ) {
      const next = change + 4 + view.getUint32(change, true);
      if (next > end) throw damaged(path, change, "a change is longer than its chunk");
      changes.push(bytes.subarray(change + 4, next));
      change = next;
    }
    yield changes;
    at = end;
  }
}
