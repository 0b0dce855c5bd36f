// ONC RPC version 2 (RFC 5531): the heads of calls and of replies.
import type { Credentials } from "../nfs/tree.ts";
import type { XdrReader, XdrWriter } from "../xdr.ts";

const CALL = 0;
const REPLY = 1;
const RPC_VERSION = 2;

/** accept_stat. */
export const ACCEPT = {
  success: 0,
  programUnavailable: 1,
  programMismatch: 2,
  procedureUnavailable: 3,
  garbageArguments: 4,
  systemError: 5,
} as const;
export type AcceptStatus = (typeof ACCEPT)[keyof typeof ACCEPT];

/** auth_stat, those that we say. */
const AUTH = { badCredentials: 1, rejectedCredentials: 2, badVerifier: 3 } as const;
type AuthStatus = (typeof AUTH)[keyof typeof AUTH];

/** auth_flavor. */
const FLAVOR = { none: 0, sys: 1, short: 2 } as const;
/** opaque_auth (8.2): its body. */
const MOST_AUTH = 400;
const MOST_GROUPS = 16;
const NOBODY: Credentials = { uid: 65534, gid: 65534, gids: [] };
const NOTHING = new Uint8Array(0);

/** What is wrong with a call before its program is asked. */
export type Denial = "rpc version" | AuthStatus;

/** The head of the call under way; one for each connection, whose calls nearly always carry the same credentials. */
export class CallHead {
  xid = 0;
  program = 0;
  version = 0;
  procedure = 0;
  who: Credentials = NOBODY;
  #known: Uint8Array = NOTHING; // the bytes of AUTH_SYS that `#sys` was read from
  #sys: Credentials = NOBODY;

  /** Reads up to the arguments. Throws where this is no call at all: nobody can be answered then. */
  read(r: XdrReader): Denial | undefined {
    this.xid = r.u32();
    const type = r.u32();
    if (type !== CALL) throw r.bad(`RPC: a message of type ${type}, not a call`);
    const version = r.u32();
    this.program = r.u32();
    this.version = r.u32();
    this.procedure = r.u32();
    if (version !== RPC_VERSION) return "rpc version";
    const flavor = r.u32();
    const length = r.u32();
    if (length > MOST_AUTH) return AUTH.badCredentials;
    const start = r.at;
    r.skip((length + 3) & ~3);
    r.u32();
    const verifier = r.u32();
    if (verifier > MOST_AUTH) return AUTH.badVerifier;
    r.skip((verifier + 3) & ~3);
    if (flavor === FLAVOR.sys) return this.#readSys(r, start, length);
    this.who = NOBODY;
    if (flavor === FLAVOR.none) return undefined;
    // 8.2: after REJECTEDCRED a client sends what a short hand stood for.
    return flavor === FLAVOR.short ? AUTH.rejectedCredentials : AUTH.badCredentials;
  }

  #readSys(r: XdrReader, start: number, length: number): Denial | undefined {
    if (!same(this.#known, r.bytes, start, length)) {
      const sys = readSys(r.bytes, start, length);
      if (!sys) return AUTH.badCredentials;
      this.#sys = sys;
      this.#known = r.bytes.slice(start, start + length);
    }
    this.who = this.#sys;
    return undefined;
  }
}

function same(known: Uint8Array, bytes: Uint8Array, start: number, length: number): boolean {
  if (known.length !== length || length === 0) return false;
  for (let i = 0; i < length; i++) if (known[i] !== bytes[start + i]) return false;
  return true;
}

/** authsys_parms (appendix A): stamp, machine name, uid, gid, up to 16 gids. */
function readSys(bytes: Uint8Array, start: number, length: number): Credentials | undefined {
  const view = new DataView(bytes.buffer, bytes.byteOffset + start, length);
  if (length < 20) return undefined;
  const name = view.getUint32(4);
  const ids = 8 + ((name + 3) & ~3);
  if (name > 255 || ids + 12 > length) return undefined;
  const count = view.getUint32(ids + 8);
  if (count > MOST_GROUPS || ids + 12 + count * 4 > length) return undefined;
  const gids = Array.from({ length: count }, (_, i) => view.getUint32(ids + 12 + i * 4));
  return { uid: view.getUint32(ids), gid: view.getUint32(ids + 4), gids };
}

/** Bytes of a record mark and the head of an accepted reply. */
export const REPLY_HEAD = 28;

/** The head of a reply that was accepted; its record mark is written by seal(). */
export function writeAccepted(w: XdrWriter, xid: number, status: AcceptStatus): void {
  w.u32(0).u32(xid).u32(REPLY).u32(0).u32(FLAVOR.none).u32(0).u32(status);
}
/** PROG_MISMATCH: the only version that we speak. */
export function writeMismatch(w: XdrWriter, xid: number, version: number): void {
  writeAccepted(w, xid, ACCEPT.programMismatch);
  w.u32(version).u32(version);
}
/** MSG_DENIED: RPC_MISMATCH (0) or AUTH_ERROR (1). */
export function writeDenied(w: XdrWriter, xid: number, denial: Denial): void {
  w.u32(0).u32(xid).u32(REPLY).u32(1);
  if (denial === "rpc version") w.u32(0).u32(RPC_VERSION).u32(RPC_VERSION);
  else w.u32(1).u32(denial);
}
/** Writes the mark of the record that began at `start` and ends here: one fragment, the last. */
export function seal(w: XdrWriter, start: number): void {
  const end = w.at;
  w.at = start;
  w.u32((0x8000_0000 | (end - start - 4)) >>> 0);
  w.at = end;
}
