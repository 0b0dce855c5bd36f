import { BrambleError } from "../base/errors.ts";

/**
 * Entries of qcow2's L1 and L2 tables (docs/interop/qcow2.rst, "Cluster mapping", "Extended L2 Entries").
 * In memory both kinds of L2 table look alike: a plain cluster is one that has a single subcluster.
 */
export interface Geometry {
  readonly clusterBits: number;
  readonly clusterSize: number;
  readonly extended: boolean;
  /** Entries of one L2 table. */
  readonly entries: number;
  readonly entryBytes: number;
  readonly subclusterBits: number;
  /** A bit for each subcluster: 32 of them, or one. */
  readonly all: number;
}

export function geometry(clusterBits: number, extended: boolean): Geometry {
  const clusterSize = 2 ** clusterBits;
  const entryBytes = extended ? 16 : 8;
  return {
    ...{ clusterBits, clusterSize, extended, entryBytes, entries: clusterSize / entryBytes },
    subclusterBits: extended ? clusterBits - 5 : clusterBits,
    all: extended ? 0xffffffff : 1,
  };
}

/** `host`: cluster number in the file, 0 = none. `alloc`, `zero`: a bit for each subcluster, never both; neither = backing. */
export interface L2Entries {
  readonly host: Uint32Array;
  readonly alloc: Uint32Array;
  readonly zero: Uint32Array;
}

/** Where a compressed cluster lies: deflated bytes, `length` is an upper bound. */
export interface Packed {
  offset: number;
  length: number;
}

const COPIED = 0x80000000;
const COMPRESSED = 0x40000000;
const HIGH_OFFSET = 0x00ffffff;
const bad = (why: string) => new BrambleError("FORMAT_VALUE", `qcow2 L2 table: ${why}`);

/** Fills `into` from a whole table; compressed clusters come back apart, by their index. */
export function decodeL2(bytes: Uint8Array, g: Geometry, into: L2Entries): Map<number, Packed> {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const packed = new Map<number, Packed>();
  for (let i = 0; i < g.entries; i++) {
    const at = i * g.entryBytes;
    const high = view.getUint32(at);
    const low = view.getUint32(at + 4);
    let alloc = g.extended ? view.getUint32(at + 12) : 0;
    const zero = g.extended ? view.getUint32(at + 8) : low & 1;
    if (high & COMPRESSED) {
      packed.set(i, decodePacked(high, low, g.clusterBits));
      continue;
    }
    const offset = (high & HIGH_OFFSET) * 0x1_0000_0000 + ((low & ~0x1ff) >>> 0);
    const host = offset / g.clusterSize;
    if (!Number.isInteger(host) || host > 0xffffffff) throw bad(`entry ${i} points at byte ${offset}`);
    if (!g.extended) alloc = host && !zero ? 1 : 0;
    if (alloc & zero) throw bad(`entry ${i} has subclusters that are data and zero at once`);
    if (alloc && !host) throw bad(`entry ${i} has data and no cluster`);
    into.host[i] = host;
    into.alloc[i] = alloc;
    into.zero[i] = zero;
  }
  return packed;
}

/** "Compressed Clusters Descriptor": the offset takes 70 - clusterBits bits, then the number of further 512 byte sectors. */
function decodePacked(high: number, low: number, clusterBits: number): Packed {
  const descriptor = (BigInt(high & 0x3fffffff) << 32n) | BigInt(low);
  const split = BigInt(70 - clusterBits);
  const offset = Number(descriptor & ((1n << split) - 1n));
  const sectors = Number(descriptor >> split) + 1;
  return { offset, length: sectors * 512 - (offset & 511) };
}

/** Entries `from` up to `to` as bytes. The host clusters' refcount must be 1: the COPIED flag says so. */
export function encodeL2(
  table: L2Entries,
  g: Geometry,
  range: { from: number; to: number },
): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array((range.to - range.from) * g.entryBytes);
  const view = new DataView(bytes.buffer);
  for (let i = range.from, at = 0; i < range.to; i++, at += g.entryBytes) {
    const host = table.host[i] ?? 0;
    const zero = table.zero[i] ?? 0;
    const offset = host * g.clusterSize;
    if (host) view.setUint32(at, (Math.floor(offset / 0x1_0000_0000) | COPIED) >>> 0);
    view.setUint32(at + 4, ((offset >>> 0) | (g.extended ? 0 : zero)) >>> 0);
    if (g.extended) {
      view.setUint32(at + 8, zero);
      view.setUint32(at + 12, table.alloc[i] ?? 0);
    }
  }
  return bytes;
}

/** Host offsets in an L1 or refcount table of 8-byte entries; flags are dropped. */
export function decodeOffsets(bytes: Uint8Array, clusterSize: number): Float64Array {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const offsets = new Float64Array(bytes.length >>> 3);
  for (let i = 0; i < offsets.length; i++) {
    const offset =
      (view.getUint32(i * 8) & HIGH_OFFSET) * 0x1_0000_0000 + ((view.getUint32(i * 8 + 4) & ~0x1ff) >>> 0);
    if (offset % clusterSize) throw bad(`the table above points at byte ${offset}`);
    offsets[i] = offset;
  }
  return offsets;
}

/** One entry of a table of offsets; `copied` as L1 entries have it (refcount exactly 1), refcount table entries do not. */
export function encodeOffset(offset: number, copied: boolean): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(8);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, (Math.floor(offset / 0x1_0000_0000) | (copied ? COPIED : 0)) >>> 0);
  view.setUint32(4, offset >>> 0);
  return bytes;
}
