// Replies of the transmission phase, written straight into the buffer that is sent (doc/proto.md "Simple", "Structured reply").
import type { Extent } from "../../base/disk.ts";
import {
  ALLOCATION_ID,
  CHUNK,
  COMMAND,
  MOST_EXTENTS,
  SIMPLE_REPLY,
  STATE,
  STRUCTURED_REPLY,
} from "./protocol.ts";
import type { Cookie, Request } from "./requests.ts";

/** Bytes before the data of a read's reply. */
export const readHead = (structured: boolean, length: number): number =>
  !structured ? 16 : length === 0 ? 20 : 28;

/** Writes the head of a read that went well; its data follows. */
export function putReadHead(
  v: DataView,
  at: number,
  read: Request & { do: "read" },
  structured: boolean,
): void {
  if (!structured) putSimple(v, at, read, 0);
  else if (read.length === 0) putChunk(v, at, read, { type: CHUNK.NONE, length: 0 });
  else {
    putChunk(v, at, read, { type: CHUNK.OFFSET_DATA, length: 8 + read.length });
    v.setUint32(at + 20, Math.floor(read.offset / 0x1_0000_0000));
    v.setUint32(at + 24, read.offset >>> 0);
  }
}

/** Bytes of a reply without data. Only READ and BLOCK_STATUS need the structured form of an error. */
export const replyLength = (request: Request, structured: boolean): number =>
  structured && wantsChunk(request) ? 26 : 16;

/** Writes a reply without data: errno 0 for all but reads and status, or any error. */
export function putReply(
  v: DataView,
  at: number,
  reply: { request: Request; errno: number; structured: boolean },
): void {
  const { request, errno } = reply;
  if (!reply.structured || !wantsChunk(request)) {
    putSimple(v, at, request, errno);
    return;
  }
  putChunk(v, at, request, { type: CHUNK.ERROR, length: 6 });
  v.setUint32(at + 20, errno);
  v.setUint16(at + 24, 0); // no message: the event on the node's page says more than a client would show
}

/**
 * The reply to BLOCK_STATUS, base:allocation. A `hole` of a disk says nothing about what reads see there (a clone's base
 * shows through), so that it is reported as data; `zero` is a hole that reads as zeros.
 */
export function statusReply(
  request: Request & { do: "status" },
  extents: readonly Extent[],
): Uint8Array<ArrayBuffer> {
  const runs: { length: number; flags: number }[] = [];
  for (const { length, kind } of extents) {
    const flags = kind === "zero" ? STATE.HOLE | STATE.ZERO : 0;
    const last = runs.at(-1);
    if (last && last.flags === flags) last.length += length;
    else if (runs.length === (request.one ? 1 : MOST_EXTENTS)) break;
    else runs.push({ length, flags });
  }
  const bytes = new Uint8Array(24 + runs.length * 8);
  const v = new DataView(bytes.buffer);
  putChunk(v, 0, request, { type: CHUNK.BLOCK_STATUS, length: 4 + runs.length * 8 });
  v.setUint32(20, ALLOCATION_ID);
  runs.forEach((run, i) => {
    v.setUint32(24 + i * 8, run.length);
    v.setUint32(28 + i * 8, run.flags);
  });
  return bytes;
}

const wantsChunk = (request: Request): boolean =>
  request.do === "read" ||
  request.do === "status" ||
  (request.do === "refuse" && (request.command === COMMAND.READ || request.command === COMMAND.BLOCK_STATUS));

function putSimple(v: DataView, at: number, { cookieHigh, cookieLow }: Cookie, errno: number): void {
  v.setUint32(at, SIMPLE_REPLY);
  v.setUint32(at + 4, errno);
  v.setUint32(at + 8, cookieHigh);
  v.setUint32(at + 12, cookieLow);
}

/** The one chunk of a structured reply: ours are never split, so that DF holds by itself. */
function putChunk(v: DataView, at: number, cookie: Cookie, chunk: { type: number; length: number }): void {
  v.setUint32(at, STRUCTURED_REPLY);
  v.setUint16(at + 4, CHUNK.DONE);
  v.setUint16(at + 6, chunk.type);
  v.setUint32(at + 8, cookie.cookieHigh);
  v.setUint32(at + 12, cookie.cookieLow);
  v.setUint32(at + 16, chunk.length);
}
