// What a file is called on the wire (nfs_fh3, RFC 1813 2.6): 24 bytes that survive restarts, renames and copy-up.
import { crc32c, crc32cRaw } from "../../base/crc32c.ts";
import type { XdrReader, XdrWriter } from "../xdr.ts";
import type { Ino } from "./tree.ts";

/** "BRM", version 1. */
const MAGIC = 0x42_52_4d_01;
export const HANDLE_BYTES = 24;
/** FHSIZE of MOUNT versions 1 and 2: zeros fill it up. U-Boot (2023.01) mounts by version 2 and speaks NFS version 3 with that. */
const OLD_BYTES = 32;
/** NFS3_FHSIZE. */
const MOST_BYTES = 64;

/** What the handles of one export have in common. */
export interface HandleFacts {
  /** The export's number, 32 bits; never used for another one. Clients see it as the file system's id. */
  export: number;
  /** 32 bits; another one after reset and rollback: handles of before are stale. */
  generation: number;
  /** 32 random bits, the export's own for good, never told: without them nobody guesses the handles of another export. */
  salt: number;
}

/** A handle as it came: claims, until isOf() has said yes. */
export interface Handle {
  export: number;
  ino: Ino;
  generation: number;
  check: number;
}

const scratch = new Uint8Array(HANDLE_BYTES);
const view = new DataView(scratch.buffer);

function checkOf(exported: number, ino: Ino, generation: number, salt: number): number {
  view.setUint32(0, MAGIC);
  view.setUint32(4, exported);
  const high = Math.floor(ino / 2 ** 32);
  view.setUint32(8, high);
  view.setUint32(12, ino - high * 2 ** 32);
  view.setUint32(16, generation);
  view.setUint32(20, salt);
  // A second round over its own result: a CRC alone is linear, whoever has two handles could make others of them for other exports.
  const once = crc32cRaw(salt, scratch);
  view.setUint32(20, Math.imul(once ^ (once >>> 15) ^ salt, 0x2c1b3c6d));
  return crc32c(scratch);
}

/** nfs_fh3 with its length. */
export function writeHandle(w: XdrWriter, facts: HandleFacts, ino: Ino): void {
  writeBare(w.u32(HANDLE_BYTES), facts, ino);
}
function writeBare(w: XdrWriter, facts: HandleFacts, ino: Ino): void {
  w.u32(MAGIC).u32(facts.export).u64(ino).u32(facts.generation);
  w.u32(checkOf(facts.export, ino, facts.generation, facts.salt));
}
/** fhandle (RFC 1094 2.3.3). */
export function writeOldHandle(w: XdrWriter, facts: HandleFacts, ino: Ino): void {
  writeBare(w, facts, ino);
  w.u64(0);
}

/** Reads an nfs_fh3; undefined: not one of ours (NFS3ERR_BADHANDLE). Throws where the XDR itself is wrong. */
export function readHandle(r: XdrReader): Handle | undefined {
  const length = r.u32();
  if (length > MOST_BYTES) throw r.bad(`a file handle of ${length} bytes`);
  if (length !== HANDLE_BYTES && length !== OLD_BYTES) {
    r.fixed(length);
    return undefined;
  }
  const magic = r.u32();
  const handle = { export: r.u32(), ino: r.u64(), generation: r.u32(), check: r.u32() };
  const isFilled = length === HANDLE_BYTES || (r.u32() | r.u32()) === 0;
  return isFilled && magic === MAGIC && Number.isSafeInteger(handle.ino) ? handle : undefined;
}

/** Was it made for this export, and is it of now? */
export const isOf = (handle: Handle, facts: HandleFacts): boolean =>
  handle.export === facts.export &&
  handle.generation === facts.generation &&
  handle.check === checkOf(handle.export, handle.ino, handle.generation, facts.salt);
