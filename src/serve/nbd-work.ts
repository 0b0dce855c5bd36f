import type { Disk } from "../base/disk.ts";
import { ERRNO } from "../wire/nbd/protocol.ts";
import { putReadHead, putReply, readHead, replyLength, statusReply } from "../wire/nbd/replies.ts";
import type { Request } from "../wire/nbd/requests.ts";
import type { Outbox } from "./outbox.ts";
import type { ReceiveBuffers } from "./receive-buffers.ts";

/** Bytes. A write of so many keeps the buffer that it came in; smaller ones would keep too much for too little. */
const KEPT = 65_536;

/** What the work of a connection says to it. */
export interface WorkEvents {
  /** Replies that came later than their request lie in the outbox. */
  replied(): void;
  failed(error: unknown): void;
  /** What writes lie in that came whole. */
  buffers: ReceiveBuffers;
}

/**
 * Performs one client's requests on its disk and writes the replies into the outbox. Nothing here waits: what the disk has done
 * at once is answered at once, without a promise, and what it promises is answered when it comes, in any order.
 */
export class Work {
  readonly #disk: Disk;
  readonly #outbox: Outbox;
  readonly #structured: boolean;
  readonly #events: WorkEvents;
  #copies = false; // did the last small write not end at once?
  #changed = false; // is a change among the replies that have not left?
  #requests = 0; // replies in the outbox
  #cost = 0;
  #ended = false;
  /** Requests under way in the disk. */
  open = 0;

  constructor(disk: Disk, outbox: Outbox, structured: boolean, events: WorkEvents) {
    this.#disk = disk;
    this.#outbox = outbox;
    this.#structured = structured;
    this.#events = events;
  }

  perform(request: Request): void {
    switch (request.do) {
      case "read":
        this.#read(request);
        break;
      case "write":
        this.#write(request);
        break;
      case "zero":
        this.#change(request, (disk) => disk.zero(request.offset, request.length, request.keep));
        break;
      case "trim":
        this.#change(request, (disk) => disk.trim(request.offset, request.length));
        break;
      case "flush":
        this.#change(request, (disk) => disk.flush());
        break;
      case "status":
        this.#status(request);
        break;
      case "refuse":
        this.#answer(request, request.errno);
    }
  }

  /** Makes changes that are about to be acknowledged safe from a crash of this process; then tells what is in the outbox. */
  endBatch(): { requests: number; cost: number } {
    if (this.#changed) this.#disk.endBatch?.();
    this.#changed = false;
    const batch = { requests: this.#requests, cost: this.#cost };
    this.#requests = this.#cost = 0;
    return batch;
  }

  /** The client is gone: what the disk still does is not answered. */
  end(): void {
    this.#ended = true;
  }

  #read(order: Request & { do: "read" }): void {
    const head = readHead(this.#structured, order.length);
    const { slab, at } = this.#outbox.room(head + order.length);
    let result: void | Promise<void>;
    try {
      const start = at + head;
      result = this.#disk.read(slab.bytes.subarray(start, start + order.length), order.offset);
    } catch (error) {
      this.#outbox.rewind(at);
      this.#failed(order, error);
      return;
    }
    if (result === undefined) {
      putReadHead(slab.view, at, order, this.#structured);
      this.#count(order);
      return;
    }
    const piece = this.#outbox.detach(at);
    const done = () => {
      putReadHead(slab.view, at, order, this.#structured);
      this.#outbox.attach(piece);
      this.#count(order);
    };
    const failed = (error: unknown) => {
      this.#outbox.free([piece]);
      this.#failed(order, error);
    };
    this.#await(result, done, failed);
  }

  #write(order: Request & { do: "write" }): void {
    const { buffers } = this.#events;
    const borrowed = buffers.holds(order.bytes);
    const small = order.bytes.length < KEPT;
    const copied = borrowed && small && this.#copies;
    const bytes = copied ? order.bytes.slice() : order.bytes;
    this.#change(order, (disk) => {
      const result = disk.write(bytes, order.offset);
      if (result && borrowed && !copied) buffers.keep(result);
      if (small) this.#copies = result !== undefined;
      return result;
    });
  }

  /** A change, and a flush behind it if it is to be durable before its reply (FUA). */
  #change(order: Request, work: (disk: Disk) => void | Promise<void>): void {
    const disk = this.#disk;
    let result: void | Promise<void>;
    try {
      result = work(disk);
      if ("fua" in order && order.fua) result = result ? result.then(() => disk.flush()) : disk.flush();
    } catch (error) {
      this.#failed(order, error);
      return;
    }
    if (result === undefined) this.#answer(order, ERRNO.OK);
    else
      this.#await(
        result,
        () => this.#answer(order, ERRNO.OK),
        (error) => this.#failed(order, error),
      );
  }

  #status(order: Request & { do: "status" }): void {
    const answer = (extents: Awaited<ReturnType<Disk["status"]>>) => {
      this.#outbox.put(statusReply(order, extents));
      this.#count(order);
    };
    try {
      const result = this.#disk.status(order.offset, order.length);
      if (result instanceof Promise) this.#await(result, answer, (error) => this.#failed(order, error));
      else answer(result);
    } catch (error) {
      this.#failed(order, error);
    }
  }

  #await<T>(result: Promise<T>, done: (value: T) => void, failed: (error: unknown) => void): void {
    this.open += 1;
    const after =
      <V>(what: (value: V) => void) =>
      (value: V) => {
        this.open -= 1;
        what(value);
        this.#events.replied();
      };
    const answer = (value: T) => {
      if (!this.#ended) done(value);
    };
    const refuse = (error: unknown) => {
      if (this.#ended) this.#events.failed(error);
      else failed(error);
    };
    result.then(after(answer), after(refuse));
  }

  #failed(order: Request, error: unknown): void {
    this.#events.failed(error);
    const code = error instanceof Error && "code" in error ? error.code : undefined;
    if (code === "DISK_FULL") this.#answer(order, ERRNO.ENOSPC);
    else if (code === "DISK_READ_ONLY") this.#answer(order, ERRNO.EPERM);
    else this.#answer(order, ERRNO.EIO);
  }

  #answer(request: Request, errno: number): void {
    const { slab, at } = this.#outbox.room(replyLength(request, this.#structured));
    putReply(slab.view, at, { request, errno, structured: this.#structured });
    this.#count(request);
    this.#changed ||= request.do !== "refuse";
  }

  #count(request: Request): void {
    this.#requests += 1;
    this.#cost += request.cost;
  }
}
