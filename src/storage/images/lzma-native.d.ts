// The part of lzma-native that we use: the package ships no types.
declare module "lzma-native" {
  import type { Duplex } from "node:stream";

  const lzma: { createDecompressor(): Duplex; createCompressor(): Duplex };
  export default lzma;
}
