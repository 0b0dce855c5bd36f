// Fields of command descriptor blocks, by offset (SPC-4 4.2.2). CDBs are 16 bytes or more here: shorter ones are padded with zeros.

export const u16 = (b: Uint8Array, at: number): number => ((b[at] as number) << 8) | (b[at + 1] as number);

export const u32 = (b: Uint8Array, at: number): number =>
  (((b[at] as number) << 24) |
    ((b[at + 1] as number) << 16) |
    ((b[at + 2] as number) << 8) |
    (b[at + 3] as number)) >>>
  0;

/** 64 bits as a number. From 2^53 on it is not exact, and larger than any disk: range checks refuse it all the same. */
export const u64 = (b: Uint8Array, at: number): number => u32(b, at) * 0x1_0000_0000 + u32(b, at + 4);

/** Where a block command's LBA and its number of blocks lie, by the opcode's group (SPC-4 4.2.5.1). */
export const lba = (cdb: Uint8Array): number => {
  switch ((cdb[0] as number) >> 5) {
    case 0:
      return (((cdb[1] as number) & 0x1f) << 16) | u16(cdb, 2);
    case 4:
      return u64(cdb, 2);
    default:
      return u32(cdb, 2);
  }
};

/** TRANSFER LENGTH and its likes, in blocks; READ(6) and WRITE(6) mean 256 by 0 (SBC-3 5.10). */
export const blocks = (cdb: Uint8Array): number => {
  switch ((cdb[0] as number) >> 5) {
    case 0:
      return (cdb[4] as number) || 256;
    case 4:
      return u32(cdb, 10);
    case 5:
      return u32(cdb, 6);
    default:
      return u16(cdb, 7);
  }
};
