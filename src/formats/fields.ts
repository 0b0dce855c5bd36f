/**
 * Fixed fields of disk structures. Bytes past the end read as zero: callers check a structure's length once, before its fields.
 * Little-endian unless the name says otherwise.
 */
export const u16 = (bytes: Uint8Array, at: number): number =>
  (bytes[at] as number) | ((bytes[at + 1] as number) << 8);

export const u32 = (bytes: Uint8Array, at: number): number =>
  ((bytes[at] as number) |
    ((bytes[at + 1] as number) << 8) |
    ((bytes[at + 2] as number) << 16) |
    ((bytes[at + 3] as number) << 24)) >>>
  0;

/** Above 2^53 the low bits are lost: compare with a limit before use. */
export const u64 = (bytes: Uint8Array, at: number): number => u32(bytes, at + 4) * 2 ** 32 + u32(bytes, at);

export const u16be = (bytes: Uint8Array, at: number): number =>
  ((bytes[at] as number) << 8) | (bytes[at + 1] as number);

export const u32be = (bytes: Uint8Array, at: number): number =>
  ((u16be(bytes, at) << 16) | u16be(bytes, at + 2)) >>> 0;
