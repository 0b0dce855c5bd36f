// CRC-32C (Castagnoli: ext4, jbd2, iSCSI), CRC-32 (GPT, gzip, zip) and CRC-16 (ext4's older group checksums), by table.

function table(polynomial: number): Uint32Array {
  // Four tables: four bytes a step (slicing-by-4).
  const tables = new Uint32Array(1024);
  for (let i = 0; i < 256; i++) {
    let crc = i;
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ polynomial : crc >>> 1;
    tables[i] = crc;
  }
  for (let i = 256; i < 1024; i++) {
    const before = tables[i - 256] as number;
    tables[i] = (before >>> 8) ^ (tables[before & 0xff] as number);
  }
  return tables;
}

const CASTAGNOLI = table(0x82f63b78);
const ETHERNET = table(0xedb88320);
const IBM = table(0xa001);

function update(tables: Uint32Array, crc: number, bytes: Uint8Array, from: number, to: number): number {
  let c = crc;
  let i = from;
  for (; i + 4 <= to; i += 4) {
    c ^=
      (bytes[i] as number) |
      ((bytes[i + 1] as number) << 8) |
      ((bytes[i + 2] as number) << 16) |
      ((bytes[i + 3] as number) << 24);
    c =
      (tables[768 + (c & 0xff)] as number) ^
      (tables[512 + ((c >>> 8) & 0xff)] as number) ^
      (tables[256 + ((c >>> 16) & 0xff)] as number) ^
      (tables[c >>> 24] as number);
  }
  for (; i < to; i++) c = (c >>> 8) ^ (tables[(c ^ (bytes[i] as number)) & 0xff] as number);
  return c >>> 0;
}

/** The CRC-32C of RFC 3720 B.4: start and end inverted. `before` is the value of the bytes that came before. */
export const crc32c = (bytes: Uint8Array, before = 0): number => ~crc32cRaw(~before >>> 0, bytes) >>> 0;

/** Without the inversions, as Linux's crc32c(): ext4 and jbd2 start at 0xffffffff and chain the result. Bytes `from` up to `to`. */
export const crc32cRaw = (crc: number, bytes: Uint8Array, from = 0, to = bytes.length): number =>
  update(CASTAGNOLI, crc, bytes, from, to);

/** The CRC-32 of GPT (UEFI 5.3.2), gzip and zip. `before` is the value of the bytes that came before. */
export const crc32 = (bytes: Uint8Array, before = 0): number =>
  ~update(ETHERNET, ~before >>> 0, bytes, 0, bytes.length) >>> 0;

/** Linux's crc16(): no inversions, 16 bits. */
export const crc16 = (crc: number, bytes: Uint8Array): number => update(IBM, crc, bytes, 0, bytes.length);
