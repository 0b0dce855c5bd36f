import type { Command } from "../wire/iscsi/command.ts";
import type { Session } from "../wire/iscsi/session.ts";
import type { Outbox, Piece } from "./outbox.ts";

/** Fills a part of the data: nothing is done now. */
export type Fill = (into: Uint8Array, offset: number) => void | Promise<void>;

/** The longest Data-In PDU: one slab holds it. */
const MOST = 256 << 10;

interface Part {
  slab: Piece["slab"];
  at: number;
  offset: number;
  length: number;
  final: boolean;
  piece: Piece | undefined; // comes later
}

/**
 * Puts the data of a command into what leaves, each PDU's straight behind its header; GOOD rides on the last one.
 * @param moved what the command gives in all: more or less than the initiator expects is told as residual
 * @param over says that the command is answered, before its last PDU is numbered
 */
export function sendData(
  what: { session: Session; outbox: Outbox; command: Command; moved: number; over: () => void },
  fill: Fill,
): void | Promise<void> {
  const { session, outbox, command, moved } = what;
  const { sender } = session;
  const total = Math.min(moved, command.expected);
  const most = Math.min(session.mostSend, MOST);
  if (total <= most && total <= session.maxBurst) return sendOne(what, total, fill);
  const parts: Part[] = [];
  const waits: Promise<void>[] = [];
  const put = ({ slab, at, offset, length, final }: Part) => {
    const last = offset + length === total;
    if (last) what.over();
    sender.putDataIn(slab, at, command, { offset, length, final: final || last, last, moved });
  };
  for (let offset = 0; offset < total; ) {
    const burst = session.maxBurst - (offset % session.maxBurst);
    const length = Math.min(most, burst, total - offset);
    const { slab, at } = outbox.room(sender.length(length));
    const part: Part = { slab, at, offset, length, final: length === burst, piece: undefined };
    const start = at + sender.dataAt;
    let result: void | Promise<void>;
    try {
      result = fill(slab.bytes.subarray(start, start + length), offset);
    } catch (error) {
      outbox.rewind(at);
      if (waits.length === 0) throw error;
      result = Promise.reject(error);
      part.piece = undefined;
      waits.push(result);
      break;
    }
    if (result || waits.length > 0) {
      part.piece = outbox.detach(at);
      parts.push(part);
      if (result) waits.push(result);
    } else put(part);
    offset += length;
  }
  if (waits.length === 0) return;
  const free = () => outbox.free(parts.flatMap(({ piece }) => piece ?? []));
  return Promise.allSettled(waits).then((results) => {
    const failed = results.find((r) => r.status === "rejected");
    if (failed || command.state === "over") {
      free();
      if (failed) throw failed.reason;
      return;
    }
    for (const part of parts) {
      put(part);
      if (part.piece) outbox.attach(part.piece);
    }
  });
}

/** One PDU: nearly all reads of a root disk. */
function sendOne(
  what: { session: Session; outbox: Outbox; command: Command; moved: number; over: () => void },
  length: number,
  fill: Fill,
): void | Promise<void> {
  const { outbox, command, moved } = what;
  const { sender } = what.session;
  const { slab, at } = outbox.room(sender.length(length));
  const start = at + sender.dataAt;
  let result: void | Promise<void>;
  try {
    result = fill(slab.bytes.subarray(start, start + length), 0);
  } catch (error) {
    outbox.rewind(at);
    throw error;
  }
  const put = () => {
    what.over();
    sender.putDataIn(slab, at, command, { offset: 0, length, final: true, last: true, moved });
  };
  if (result === undefined) {
    put();
    return;
  }
  const piece = outbox.detach(at);
  return result.then(
    () => {
      if (command.state === "over") {
        outbox.free([piece]);
        return;
      }
      put();
      outbox.attach(piece);
    },
    (error: unknown) => {
      outbox.free([piece]);
      throw error;
    },
  );
}
