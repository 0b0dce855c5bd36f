import { createGunzip } from "node:zlib";
import { BrambleError } from "../../base/errors.ts";
import { latin1 } from "../../base/text.ts";
import type { FileBytes } from "../../base/tree.ts";
import { through } from "./through.ts";
import { openZstd } from "./zstd.ts";

/** No Pi loads a larger kernel; a larger file is none. */
const LARGEST = 128 * 1024 * 1024;
const LARGEST_UNPACKED = 256 * 1024 * 1024;
const PIECE = 1 << 18;
const BANNER = Buffer.from("Linux version ");

/**
 * The version that a kernel says of itself ("6.12.47+rpt-rpi-v8"), from its banner: arm64 Image, the same gzipped, EFI zboot
 * (gzip or zstd), 32-bit zImage with gzip. Undefined where there is no banner to be found.
 */
export async function kernelVersion(file: FileBytes): Promise<string | undefined> {
  if (file.size < 64 || file.size > LARGEST) return undefined;
  const head = new Uint8Array(64);
  await file.read(head, 0);
  if (head[0] === 0x1f && head[1] === 0x8b) return unpackedBanner(through(pieces(file, 0), createGunzip()));
  // EFI zboot header: "MZ", at 4 "zimg", payload's offset and size, at 24 the packing's name (drivers/firmware/efi/libstub/zboot-header.S)
  if (latin1(head.subarray(4, 8)) === "zimg") {
    const view = new DataView(head.buffer);
    const payload = pieces(file, view.getUint32(8, true), view.getUint32(12, true));
    const packing = latin1(head.subarray(24, 32)).replace(/\0.*$/s, "");
    if (packing === "gzip") return unpackedBanner(through(payload, createGunzip()));
    return packing.startsWith("zstd") ? unpackedBanner(openZstd(payload)) : undefined;
  }
  const plain = await search(pieces(file, 0));
  if (plain.version) return plain.version;
  for (const offset of plain.gzips) {
    const version = await unpackedBanner(through(pieces(file, offset), createGunzip()));
    if (version) return version;
  }
  return undefined;
}

async function* pieces(file: FileBytes, from: number, length = file.size): AsyncGenerator<Uint8Array> {
  const end = Math.min(file.size, from + length);
  for (let at = from; at < end; ) {
    const bytes = new Uint8Array(Math.min(PIECE, end - at));
    await file.read(bytes, at);
    at += bytes.length;
    yield bytes;
  }
}

/** What follows the packed part of a zImage is no gzip, and a chance match is none at all: damage means "not here". */
async function unpackedBanner(chunks: AsyncIterable<Uint8Array>): Promise<string | undefined> {
  try {
    return (await search(chunks)).version;
  } catch (error) {
    if (error instanceof BrambleError) throw error; // the disk's fault
    return undefined;
  }
}

/** Looks for the banner, and for what may be the start of a gzip, in a stream. */
async function search(chunks: AsyncIterable<Uint8Array>): Promise<{ version?: string; gzips: number[] }> {
  const gzips: number[] = [];
  let tail = Buffer.alloc(0);
  let at = 0;
  for await (const chunk of chunks) {
    const bytes = Buffer.concat([tail, chunk]);
    const start = at - tail.length;
    for (let hit = bytes.indexOf(BANNER); hit >= 0; hit = bytes.indexOf(BANNER, hit + 1)) {
      const version = /^Linux version (\d[\w.+~-]*) /.exec(latin1(bytes.subarray(hit, hit + 160)))?.[1];
      if (version) return { version, gzips };
    }
    for (let hit = bytes.indexOf("\x1f\x8b\x08\x00", 0, "latin1"); hit >= 0 && gzips.length < 8; ) {
      if (!gzips.includes(start + hit)) gzips.push(start + hit);
      hit = bytes.indexOf("\x1f\x8b\x08\x00", hit + 1, "latin1");
    }
    at += chunk.length;
    if (at > LARGEST_UNPACKED) break;
    tail = Buffer.from(bytes.subarray(Math.max(0, bytes.length - 256)));
  }
  return { gzips };
}
