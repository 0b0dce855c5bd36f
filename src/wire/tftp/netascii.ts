// Transfer mode netascii, RFC 1350 section 1 and RFC 764: lines end in CR LF, a CR that ends none is CR NUL.
const LF = 10;
const CR = 13;

/** `bytes` of a host whose lines end in LF, as the wire wants them: at most twice as long. */
export function toNetascii(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  let more = 0;
  for (const byte of bytes) if (byte === LF || byte === CR) more += 1;
  const out = new Uint8Array(bytes.length + more);
  let at = 0;
  for (const byte of bytes) {
    if (byte === LF) out[at++] = CR;
    out[at++] = byte;
    if (byte === CR) out[at++] = 0;
  }
  return out;
}
