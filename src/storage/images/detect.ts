export type Packing = "raw" | "xz" | "zstd" | "gzip" | "zip";

/** How many bytes `packingOf` wants to see. */
export const MAGIC_BYTES = 6;

/**
 * What a file is by its first bytes; its name does not count.
 * xz 1.2.0 §2.1.1.1, RFC 8878 §3.1.1 and §3.1.2 (a skippable frame may come first), RFC 1952 §2.3.1, APPNOTE.TXT 4.3.7.
 */
export function packingOf(head: Uint8Array): Packing {
  const starts = (...magic: number[]) => magic.every((byte, i) => head[i] === byte);
  if (starts(0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00)) return "xz";
  if (starts(0x28, 0xb5, 0x2f, 0xfd)) return "zstd";
  if (((head[0] ?? 0) & 0xf0) === 0x50 && head[1] === 0x2a && head[2] === 0x4d && head[3] === 0x18)
    return "zstd";
  if (starts(0x1f, 0x8b, 0x08)) return "gzip";
  if (starts(0x50, 0x4b, 0x03, 0x04) || starts(0x50, 0x4b, 0x05, 0x06)) return "zip";
  return "raw";
}

/** Looks at the beginning of a stream without losing it. */
export async function peek(
  chunks: AsyncIterable<Uint8Array>,
): Promise<{ packing: Packing; chunks: AsyncGenerator<Uint8Array> }> {
  const source = chunks[Symbol.asyncIterator]();
  const held: Uint8Array[] = [];
  let size = 0;
  while (size < MAGIC_BYTES) {
    const next = await source.next();
    if (next.done) break;
    held.push(next.value);
    size += next.value.length;
  }
  async function* whole(): AsyncGenerator<Uint8Array> {
    try {
      yield* held;
      for (let next = await source.next(); !next.done; next = await source.next()) yield next.value;
    } finally {
      await source.return?.();
    }
  }
  return { packing: packingOf(Buffer.concat(held)), chunks: whole() };
}
