import type { FileBytes } from "../base/tree.ts";
import { ackedBlock, DATA_HEADER, decode, ERROR, encode, putDataHeader } from "../wire/tftp/packet.ts";
import { type Order, Sending } from "../wire/tftp/sending.ts";
import type { Terms } from "../wire/tftp/terms.ts";
import type { Peer, UdpPlane } from "./udp.ts";

/** How a transfer ended. "probe": the client only wanted to know whether the file is there, or how long it is. */
export type Ending =
  | { kind: "sent" | "timeout" }
  | { kind: "probe" | "aborted"; why: string }
  | { kind: "refused"; why: string };

export interface TransferOptions {
  client: Peer;
  path: string;
  file: FileBytes;
  terms: Terms;
  plane: UdpPlane;
  /** Called once. */
  ended(ending: Ending): void;
}

/** A disk that has not answered for so long will not. */
const DISK_MS = 60_000;

/** One file on its way: reads what the `Sending` orders and puts it on the wire. */
export class Transfer {
  readonly client: Peer;
  readonly path: string;
  readonly terms: Terms;
  readonly sending: Sending;
  readonly #file: FileBytes;
  readonly #plane: UdpPlane;
  readonly #ended: (ending: Ending) => void;
  #datagram: Uint8Array | undefined; // room for a whole DATA packet, used again for each block
  #payload: Uint8Array = new Uint8Array(0);
  #next = 1; // block to read next
  #readingSince = 0; // 0: no read is under way
  #over = false;

  constructor({ client, path, file, terms, plane, ended }: TransferOptions) {
    this.client = client;
    this.path = path;
    this.terms = terms;
    this.sending = new Sending(terms);
    this.#file = file;
    this.#plane = plane;
    this.#ended = ended;
  }

  start(now: number): void {
    this.#obey(this.sending.start(now));
  }

  receive(bytes: Uint8Array, now: number): void {
    const block = ackedBlock(bytes);
    if (block >= 0) {
      this.#obey(this.sending.ack(block, now));
      return;
    }
    const packet = decode(bytes);
    if (packet.type !== "error") return;
    // A Pi's ERROR 0 "Early terminate", EDK2's ERROR 8: after the OACK or within the first window, before it could want more.
    const kind = this.sending.delivered <= this.terms.blockSize ? "probe" : "aborted";
    this.#end({ kind, why: `error ${packet.code} ${packet.text}`.trim() });
  }

  /** Call now and then; looks at the clock only. */
  tick(now: number): void {
    if (this.#readingSince === 0) {
      if (now >= this.sending.deadline) this.#obey(this.sending.tick(now));
    } else if (now - this.#readingSince > DISK_MS) this.#fail(new Error("the disk does not answer"));
  }

  /** The client has forgotten this transfer: it was switched off and asks anew. */
  supersede(): void {
    this.#end({ kind: "aborted", why: "the client started anew" });
  }

  /** Forgets the transfer without a word to the client or to `ended`. */
  drop(): void {
    this.#over = true;
  }

  #obey(order: Order): void {
    if (order === "data") {
      this.#next = this.sending.first;
      if (this.#readingSince === 0) this.#pump();
    } else if (order === "oack") this.#send(encode({ type: "oack", options: this.terms.agreed }));
    else if (order === "finish") this.#end({ kind: "sent" });
    else if (order === "give-up") this.#end({ kind: "timeout" });
  }

  #pump(): void {
    while (!this.#over && this.#next <= this.sending.last) {
      const block = this.#next;
      const length = this.sending.lengthOf(block);
      const whole = this.#room();
      const payload = length === this.#payload.length ? this.#payload : this.#payload.subarray(0, length);
      try {
        const reading = length === 0 ? undefined : this.#file.read(payload, this.sending.offsetOf(block));
        if (reading) {
          this.#later(reading, whole, block, length);
          return;
        }
      } catch (error) {
        this.#fail(error);
        return;
      }
      this.#next += 1;
      putDataHeader(whole, block);
      this.#send(length === this.#payload.length ? whole : whole.subarray(0, DATA_HEADER + length));
    }
  }

  /** The disk takes its time: others are served meanwhile, and the client's silence counts from when the block leaves. */
  #later(reading: Promise<void>, whole: Uint8Array, block: number, length: number): void {
    this.#readingSince = performance.now();
    reading.then(
      () => {
        this.#readingSince = 0;
        if (this.#over) return;
        if (this.#next === block) {
          this.#next += 1;
          putDataHeader(whole, block);
          this.#send(whole.subarray(0, DATA_HEADER + length));
          this.sending.rearm(performance.now());
        }
        this.#pump();
      },
      (error: unknown) => this.#fail(error),
    );
  }

  #room(): Uint8Array {
    if (!this.#datagram) {
      this.#datagram = new Uint8Array(DATA_HEADER + this.terms.blockSize);
      this.#payload = this.#datagram.subarray(DATA_HEADER);
    }
    return this.#datagram;
  }

  #send(bytes: Uint8Array): void {
    if (!this.#plane.send(bytes, this.client.port, this.client.address)) this.#datagram = undefined;
  }

  #fail(error: unknown): void {
    if (this.#over) return;
    const why = error instanceof Error ? error.message : String(error);
    this.#send(encode({ type: "error", code: ERROR.UNDEFINED, text: "reading the file failed" }));
    this.#end({ kind: "refused", why: `reading the file failed: ${why}` });
  }

  #end(ending: Ending): void {
    if (this.#over) return;
    this.#over = true;
    this.#ended(ending);
  }
}
