import { Reader, Writer } from "../base/bytes.ts";
import { BrambleError } from "../base/errors.ts";
import { toUtf8, utf8 } from "../base/text.ts";

/** The qcow2 header (QEMU's docs/interop/qcow2.rst, "Header"), versions 2 and 3. Entries of tables: qcow2-tables.ts. */
const MAGIC = 0x514649fb;
const EXTENSION_BACKING_FORMAT = 0xe2792aca;
const LENGTH_V2 = 72;
const LENGTH_V3 = 104;
/** Bounds that QEMU has too (block/qcow2.h): a header cannot make us allocate gigabytes. */
const MAX_L1_BYTES = 32 * 1024 * 1024;
const MAX_REFCOUNT_TABLE_BYTES = 8 * 1024 * 1024;

export const INCOMPATIBLE = { dirty: 1n, corrupt: 2n, dataFile: 4n, compression: 8n, extendedL2: 16n };
export const AUTOCLEAR = { bitmaps: 1n, rawData: 2n };
/** Where fields lie that are rewritten in place. */
export const HEADER_AT = { refcountTable: 48, incompatible: 72, autoclear: 88 };

export interface HeaderExtension {
  type: number;
  bytes: Uint8Array;
}

export interface Qcow2Header {
  version: number;
  clusterBits: number;
  /** Of the virtual disk, bytes. */
  size: number;
  backing?: { file: string; format?: string };
  l1Entries: number;
  l1Offset: number;
  refcountTableOffset: number;
  refcountTableClusters: number;
  /** A refcount is 2^refcountOrder bits wide. */
  refcountOrder: number;
  snapshots: number;
  cryptMethod: number;
  compressionType: number;
  incompatible: bigint;
  compatible: bigint;
  autoclear: bigint;
  /** All but the backing format. */
  extensions: HeaderExtension[];
}

const bad = (why: string) => new BrambleError("FORMAT_VALUE", `qcow2 header: ${why}`);

function safe(value: bigint, field: string): number {
  if (value > BigInt(Number.MAX_SAFE_INTEGER)) throw bad(`${field} is ${value}`);
  return Number(value);
}

const aligned = (length: number) => Math.ceil(length / 8) * 8;

/** The first cluster of a file, or its first 64 KiB. FORMAT_VALUE or WIRE_SHORT where it is no qcow2 header. */
export function decodeHeader(bytes: Uint8Array): Qcow2Header {
  const r = new Reader("qcow2 header", bytes);
  if (r.u32("magic") !== MAGIC) throw bad("this is no qcow2 file");
  const version = r.u32("version");
  if (version !== 2 && version !== 3)
    throw new BrambleError("FORMAT_UNSUPPORTED", `qcow2 version ${version}; known are 2 and 3`);
  const backingOffset = safe(r.u64("backing file offset"), "backing file offset");
  const backingLength = r.u32("backing file name length");
  const clusterBits = r.u32("cluster bits");
  const size = safe(r.u64("size"), "size");
  const cryptMethod = r.u32("crypt method");
  const l1Entries = r.u32("L1 entries");
  const l1Offset = safe(r.u64("L1 offset"), "L1 offset");
  const refcountTableOffset = safe(r.u64("refcount table offset"), "refcount table offset");
  const refcountTableClusters = r.u32("refcount table clusters");
  const snapshots = r.u32("snapshots");
  r.u64("snapshots offset");
  const v3 = version === 3;
  const incompatible = v3 ? r.u64("incompatible features") : 0n;
  const compatible = v3 ? r.u64("compatible features") : 0n;
  const autoclear = v3 ? r.u64("autoclear features") : 0n;
  const refcountOrder = v3 ? r.u32("refcount order") : 4;
  const length = v3 ? r.u32("header length") : LENGTH_V2;
  const compressionType = length > LENGTH_V3 ? r.u8("compression type") : 0;
  if (length < (v3 ? LENGTH_V3 : LENGTH_V2) || length > bytes.length) throw bad(`header length ${length}`);
  const { format, extensions } = readExtensions(bytes, length, backingOffset);
  const header: Qcow2Header = {
    ...{ version, clusterBits, size, l1Entries, l1Offset, refcountTableOffset, refcountTableClusters },
    ...{ refcountOrder, snapshots, cryptMethod, compressionType, incompatible, compatible, autoclear },
    extensions,
  };
  if (backingOffset !== 0) {
    if (backingLength > 1023 || backingOffset + backingLength > bytes.length)
      throw bad("the backing file's name is outside the first cluster");
    const file = utf8(bytes.subarray(backingOffset, backingOffset + backingLength));
    header.backing = format === undefined ? { file } : { file, format };
  }
  checkBounds(header);
  return header;
}

function readExtensions(bytes: Uint8Array, from: number, backingOffset: number) {
  const end = backingOffset > from ? Math.min(backingOffset, bytes.length) : bytes.length;
  const r = new Reader("qcow2 header extension", bytes.subarray(from, end));
  const extensions: HeaderExtension[] = [];
  let format: string | undefined;
  while (r.left >= 8) {
    const type = r.u32("type");
    if (type === 0) break;
    const length = r.u32("length");
    const data = r.view(length, "data");
    r.view(Math.min(aligned(length) - length, r.left), "padding");
    if (type === EXTENSION_BACKING_FORMAT) format = utf8(data);
    else extensions.push({ type, bytes: data.slice() });
  }
  return { format, extensions };
}

function checkBounds(h: Qcow2Header): void {
  if (h.clusterBits < 9 || h.clusterBits > 21) throw bad(`cluster bits ${h.clusterBits}`);
  const cluster = 2 ** h.clusterBits;
  if (h.refcountOrder > 6) throw bad(`refcount order ${h.refcountOrder}`);
  const extended = (h.incompatible & INCOMPATIBLE.extendedL2) !== 0n;
  if (extended && h.clusterBits < 14) throw bad("subclusters need clusters of 16 KiB or more");
  const needed = Math.ceil(Math.ceil(h.size / cluster) / (cluster / (extended ? 16 : 8)));
  if (h.l1Entries < needed || h.l1Entries * 8 > MAX_L1_BYTES) throw bad(`${h.l1Entries} L1 entries`);
  if (h.refcountTableClusters * cluster > MAX_REFCOUNT_TABLE_BYTES)
    throw bad(`${h.refcountTableClusters} clusters of refcount table`);
  if (h.l1Offset % cluster || h.refcountTableOffset % cluster)
    throw bad("a table is not at a cluster's start");
}

/** A version 3 header with its extensions and the backing file's name; the caller pads it to a cluster. */
export function encodeHeader(h: Qcow2Header): Uint8Array<ArrayBuffer> {
  const extensions = new Writer(4096);
  const add = (type: number, bytes: Uint8Array) =>
    extensions
      .u32(type)
      .u32(bytes.length)
      .bytes(bytes)
      .zeros(aligned(bytes.length) - bytes.length);
  if (h.backing?.format !== undefined) add(EXTENSION_BACKING_FORMAT, toUtf8(h.backing.format));
  for (const { type, bytes } of h.extensions) add(type, bytes);
  extensions.u32(0).u32(0);
  const length = LENGTH_V3 + 8;
  const name = toUtf8(h.backing?.file ?? "");
  const out = new Writer(4096).u32(MAGIC).u32(3);
  out.u64(name.length ? BigInt(length + extensions.length) : 0n).u32(name.length);
  out.u32(h.clusterBits).u64(BigInt(h.size)).u32(h.cryptMethod).u32(h.l1Entries).u64(BigInt(h.l1Offset));
  out.u64(BigInt(h.refcountTableOffset)).u32(h.refcountTableClusters).u32(h.snapshots).u64(0n);
  out.u64(h.incompatible).u64(h.compatible).u64(h.autoclear).u32(h.refcountOrder).u32(length);
  out.u8(h.compressionType).zeros(7);
  return out.bytes(extensions.done()).bytes(name).done();
}

/** Names what we do not do; undefined where the file is ours to read (or to write). */
export function refusal(h: Qcow2Header, how: { write: boolean }): string | undefined {
  const has = (bit: bigint) => (h.incompatible & bit) !== 0n;
  if (h.cryptMethod === 2) return "LUKS encryption";
  if (h.cryptMethod !== 0) return "AES encryption";
  if (has(INCOMPATIBLE.dataFile)) return "an external data file";
  if (has(INCOMPATIBLE.compression) || h.compressionType !== 0)
    return h.compressionType === 1 ? "zstd compression" : `compression type ${h.compressionType}`;
  if (h.snapshots > 0) return "internal snapshots";
  const unknown = h.incompatible & ~31n;
  if (unknown !== 0n) return `unknown incompatible features 0x${unknown.toString(16)}`;
  if (h.backing && h.backing.format === undefined) return "a backing file without its format";
  if (!how.write) return undefined;
  if (has(INCOMPATIBLE.corrupt)) return "writing to a file that is marked corrupt";
  if (h.version < 3) return "writing to version 2";
  if (h.refcountOrder !== 4) return `writing with refcounts of ${2 ** h.refcountOrder} bits`;
  if ((h.autoclear & AUTOCLEAR.bitmaps) !== 0n) return "writing to a file with persistent bitmaps";
  return undefined;
}
