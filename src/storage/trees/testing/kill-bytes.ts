/** Sectors of one value. */
export function fill(sectors: number, value: number): Uint8Array {
  const bytes = new Uint8Array(sectors * 512);
  new Uint32Array(bytes.buffer).fill(value);
  return bytes;
}
