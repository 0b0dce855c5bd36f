import { createGunzip } from "node:zlib";
import type { Packing } from "./detect.ts";
import { through } from "./through.ts";
import { openXz } from "./xz.ts";
import { openZstd } from "./zstd.ts";

/** Takes the packing off a stream; .zip needs its file (openZip). Damage throws, whatever the library's own error. */
export function unpack(
  packing: Exclude<Packing, "zip">,
  chunks: AsyncIterable<Uint8Array>,
): AsyncIterable<Uint8Array> {
  switch (packing) {
    case "raw":
      return chunks;
    case "xz":
      return openXz(chunks);
    case "zstd":
      return openZstd(chunks);
    case "gzip":
      return through(chunks, createGunzip({ chunkSize: 1 << 18 })); // reads all members (RFC 1952 §2.2)
  }
}
