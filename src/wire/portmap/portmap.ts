// Port mapper, version 2 (RFC 1833 section 3): which port a program has. Answers only; nobody registers anything here.
import { ACCEPT, type CallHead, writeAccepted, writeMismatch } from "../rpc/message.ts";
import type { XdrReader, XdrWriter } from "../xdr.ts";

export const PORTMAP_PROGRAM = 100000;
export const PORTMAP_VERSION = 2;
const PROCEDURE = { null: 0, set: 1, unset: 2, getport: 3, dump: 4 } as const;

export interface Mapping {
  program: number;
  version: number;
  protocol: "tcp" | "udp";
  port: number;
}
/** IPPROTO_*. */
const PROTOCOL = { tcp: 6, udp: 17 } as const;

/** Writes the reply to a call whose head was read. Throws where the arguments are garbage. */
export function answerPortmap(
  head: CallHead,
  r: XdrReader,
  w: XdrWriter,
  mappings: readonly Mapping[],
): void {
  const accept = () => writeAccepted(w, head.xid, ACCEPT.success);
  if (head.program !== PORTMAP_PROGRAM) writeAccepted(w, head.xid, ACCEPT.programUnavailable);
  else if (head.version !== PORTMAP_VERSION) writeMismatch(w, head.xid, PORTMAP_VERSION);
  else if (head.procedure === PROCEDURE.null) accept();
  else if (head.procedure === PROCEDURE.set || head.procedure === PROCEDURE.unset) {
    accept();
    w.bool(false);
  } else if (head.procedure === PROCEDURE.getport) {
    const program = r.u32();
    r.u32(); // a program that does not speak that version says so itself, and which one it does
    const protocol = r.u32();
    const found = mappings.find((m) => m.program === program && PROTOCOL[m.protocol] === protocol);
    accept();
    w.u32(found?.port ?? 0);
  } else if (head.procedure === PROCEDURE.dump) {
    accept();
    for (const m of mappings)
      w.bool(true).u32(m.program).u32(m.version).u32(PROTOCOL[m.protocol]).u32(m.port);
    w.bool(false);
  } else writeAccepted(w, head.xid, ACCEPT.procedureUnavailable); // CALLIT too: calls by proxy hide who calls
}
