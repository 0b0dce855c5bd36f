import type { Duplex } from "node:stream";
import zlib from "node:zlib";
import { Decompress } from "fzstd";
import { ByteQueue } from "./byte-queue.ts";
import { program, through, throughProgram } from "./through.ts";
import { Xxh64 } from "./xxh64.ts";

/** Who unpacks zstd: Debian's program, Node's own zlib (from 22.15 on), or plain JavaScript, which works everywhere. */
export type ZstdBy = "program" | "zlib" | "javascript";

const createZstd = (zlib as { createZstdDecompress?: () => Duplex }).createZstdDecompress;

/**
 * Unpacks Zstandard (RFC 8878): several frames, skippable ones among them; checksums are verified. Damaged or cut input throws.
 * @param by for tests; by default the fastest that this machine has.
 */
export async function* openZstd(chunks: AsyncIterable<Uint8Array>, by?: ZstdBy): AsyncGenerator<Uint8Array> {
  const zstd = program("zstd");
  if (by === "program" || (by === undefined && zstd)) {
    yield* throughProgram(chunks, zstd ?? "zstd", ["-dcq", "--long=31"]);
    return;
  }
  const queue = new ByteQueue(chunks);
  try {
    while (await frameFollows(queue)) {
      // Node's stream ends after the first frame without a word: each frame gets its own.
      if (by !== "javascript" && createZstd) yield* through(frame(queue), createZstd());
      else yield* inJavascript(frame(queue));
    }
  } finally {
    await queue.close();
  }
}

const FRAME = 0xfd2fb528;
const SKIPPABLE = 0x184d2a50;
const u32 = (bytes: Uint8Array) =>
  new DataView(bytes.buffer, bytes.byteOffset, bytes.length).getUint32(0, true);

/** Reads the next frame's magic and passes over skippable frames (§3.1.2). False at the end of the stream. */
async function frameFollows(queue: ByteQueue): Promise<boolean> {
  for (;;) {
    const start = queue.at;
    const magic = await queue.take(4);
    if (magic.length === 0) return false;
    if (magic.length < 4) throw new Error(`zstd: cut short at byte ${queue.at}`);
    if (u32(magic) === FRAME) return true;
    if ((u32(magic) & 0xfffffff0) >>> 0 !== SKIPPABLE) throw new Error(`zstd: no frame at byte ${start}`);
    const size = u32(await exactly(queue, 4));
    for await (const piece of queue.pass(size)) void piece;
    if (queue.at !== start + 8 + size) throw new Error(`zstd: cut short at byte ${queue.at}`);
  }
}

async function exactly(queue: ByteQueue, size: number): Promise<Uint8Array> {
  const bytes = await queue.take(size);
  if (bytes.length < size) throw new Error(`zstd: cut short at byte ${queue.at}`);
  return bytes;
}

/** The bytes of one frame, whose magic has been read (§3.1.1): header, blocks, checksum. */
async function* frame(queue: ByteQueue): AsyncGenerator<Uint8Array> {
  yield Uint8Array.of(0x28, 0xb5, 0x2f, 0xfd);
  const descriptor = await exactly(queue, 1);
  const flags = descriptor[0] ?? 0;
  const singleSegment = (flags >> 5) & 1;
  yield descriptor;
  const contentSize = [singleSegment, 2, 4, 8][flags >> 6] ?? 0;
  const dictionary = [0, 1, 2, 4][flags & 3] ?? 0;
  yield await exactly(queue, (singleSegment ? 0 : 1) + dictionary + contentSize);
  for (let last = false; !last; ) {
    const header = await exactly(queue, 3);
    const value = (header[0] ?? 0) | ((header[1] ?? 0) << 8) | ((header[2] ?? 0) << 16);
    const type = (value >> 1) & 3;
    if (type === 3) throw new Error(`zstd: no block at byte ${queue.at - 3}`);
    yield header;
    yield await exactly(queue, type === 1 ? 1 : value >> 3); // 1: one byte, repeated
    last = (value & 1) === 1;
  }
  if ((flags >> 2) & 1) yield await exactly(queue, 4);
}

/** One frame by fzstd, which ignores the checksum: we compare it ourselves (the low half of XXH64, §3.1.1). */
async function* inJavascript(frame: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const out: Uint8Array[] = [];
  const sum = new Xxh64();
  const decoder = new Decompress((bytes) => {
    if (bytes.length > 0) out.push(bytes);
  });
  let checked = false;
  let part = 0;
  let last: Uint8Array = new Uint8Array(0);
  for await (const bytes of frame) {
    if (part++ === 1) checked = (((bytes[0] ?? 0) >> 2) & 1) === 1;
    decoder.push(bytes.slice());
    last = bytes;
    for (const piece of out.splice(0)) {
      if (checked) sum.update(piece);
      yield piece;
    }
  }
  if (checked && sum.low() !== u32(last)) throw new Error("zstd: the frame's checksum does not match");
}
