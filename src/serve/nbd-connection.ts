import type { Socket } from "node:net";
import type { Disk } from "../base/disk.ts";
import type { Allowance, Limits } from "../wire/nbd/limits.ts";
import { ERRNO } from "../wire/nbd/protocol.ts";
import { putReadHead, putReply, readHead, replyLength, statusReply } from "../wire/nbd/replies.ts";
import type { Request } from "../wire/nbd/requests.ts";
import { type Order, Session } from "../wire/nbd/session.ts";
import { Outbox, type Piece, type Slabs } from "./nbd-outbox.ts";
import { receiveInto } from "./nbd-socket.ts";

/** What find() answers: a disk for one client. */
export interface NbdExport {
  disk: Disk;
  readOnly: boolean;
  /** What drop() and events call it. */
  name: string;
  session: {
    opened(): void;
    /** After the last request of that connection has ended: nothing of it touches the disk any more. */
    closed(): void;
  };
}
export interface NbdClient {
  address: string;
  port: number;
}

/** What a connection needs from its server. */
export interface House {
  slabs: Slabs;
  allowance: Allowance;
  limits: Limits;
  find(name: string, client: NbdClient): NbdExport | undefined | Promise<NbdExport | undefined>;
  list(client: NbdClient): readonly string[] | Promise<readonly string[]>;
  attached(connection: Connection, taken: NbdExport): void;
  ended(connection: Connection, why: string): void;
  /** Something was released that others may wait for. */
  released(): void;
  error(connection: Connection, error: unknown): void;
}

const RECEIVE = 256 << 10;
type Result = void | Promise<void>;

/** One client: gives bytes to its session, does what that orders, and sends the replies of a batch together. */
export class Connection {
  readonly client: NbdClient;
  readonly #house: House;
  readonly #session: Session;
  readonly #outbox: Outbox;
  readonly #socket: Socket;
  #buffer: Uint8Array = Buffer.allocUnsafeSlow(RECEIVE);
  #found: NbdExport | undefined;
  #taken: NbdExport | undefined;
  #disk: (Disk & { endBatch?(): void }) | undefined;
  #borrowed = false; // do orders point into #buffer?
  #copies = false; // did the last write not end at once?
  #open = 0; // requests under way in the disk
  #answered = { requests: 0, cost: 0 }; // replies in the outbox
  #changed = false; // is a reply to a change among them?
  #writing = false;
  #scheduled = false;
  #paused = false;
  #closing: string | undefined;
  #gone = false;
  #over = false;
  /** Counts everything that moves: the server's watch compares it. */
  progress = 0;

  constructor(accepted: Socket, house: House) {
    this.client = clientOf(accepted);
    this.#house = house;
    this.#session = new Session(house.limits, house.allowance);
    this.#outbox = new Outbox(house.slabs);
    this.#socket = receiveInto(accepted, {
      buffer: () => this.#buffer,
      bytes: (chunk) => this.#receive(chunk),
    });
    this.#socket.setNoDelay(true);
    this.#socket.setKeepAlive(true, 30_000);
    this.#socket.on("error", (error) => this.end(error.message));
    this.#socket.on("end", () => this.end("client hung up"));
    this.#socket.on("close", () => this.end("client hung up"));
    this.#act(this.#session.start());
    this.#flush();
  }

  get taken(): NbdExport | undefined {
    return this.#taken;
  }
  /** Does it wait for the client: the rest of a message, or room for replies? */
  get awaitsClient(): boolean {
    return this.#writing || (this.#session.stage === "requests" && this.#session.inside);
  }

  /** Is one of its requests waiting until others have ended? */
  get waits(): boolean {
    return this.#session.stage === "requests" && !this.#session.hungry;
  }

  /** Goes on with requests that had to wait. */
  next(): void {
    if (this.#gone) return;
    if (!this.#closing) {
      this.#act(this.#session.next());
      this.#flush();
    }
    this.#read();
  }

  /** Cuts the line. */
  end(why: string): void {
    if (this.#gone) return;
    this.#gone = true;
    this.#closing ??= why;
    this.#socket.destroy();
    this.#finish();
  }

  #receive(chunk: Uint8Array): boolean {
    if (this.#gone || this.#closing !== undefined) return false;
    this.progress += 1;
    this.#borrowed = true;
    this.#act(this.#session.receive(chunk));
    this.#borrowed = false;
    this.#flush();
    this.#paused = !this.#session.hungry;
    return !this.#paused;
  }

  /** Reads from the socket again, if the session is hungry again. */
  #read(): void {
    if (!this.#paused || this.#gone || !this.#session.hungry) return;
    this.#paused = false;
    this.#socket.resume();
  }

  #act(orders: readonly Order[]): void {
    for (const order of orders) this.#perform(order);
  }

  #perform(order: Order): void {
    switch (order.do) {
      case "read":
        return void this.#readDisk(order);
      case "write":
        return void this.#write(order);
      case "zero":
        return void this.#change(order, (disk) => disk.zero(order.offset, order.length, order.keep));
      case "trim":
        return void this.#change(order, (disk) => disk.trim(order.offset, order.length));
      case "flush":
        return void this.#change(order, (disk) => disk.flush());
      case "status":
        return void this.#status(order);
      case "refuse":
        return void this.#answer(order, order.errno);
      case "send":
        return void this.#outbox.put(order.bytes);
      case "find":
        return void this.#find(order.name);
      case "list":
        return void this.#list();
      case "attach":
        return void this.#attach();
      case "close":
        this.#closing = order.why;
    }
  }

  // ---- the handshake

  #find(name: string): void {
    this.#ask(
      () => this.#house.find(name, this.client),
      (found) => {
        this.#found = found;
        const facts = found && { size: found.disk.size, readOnly: found.readOnly, multiConn: true };
        this.#act(this.#session.found(facts));
      },
      undefined,
    );
  }
  #list(): void {
    this.#ask(
      () => this.#house.list(this.client),
      (names) => this.#act(this.#session.listed(names)),
      [],
    );
  }
  #attach(): void {
    const taken = this.#found;
    if (!taken) return;
    this.#taken = taken;
    this.#disk = taken.disk;
    taken.session.opened();
    this.#house.attached(this, taken);
  }

  /** Asks the house and goes on with its answer, at once if it has it; when it fails, with `otherwise`. */
  #ask<T>(question: () => T | Promise<T>, answer: (value: T) => void, otherwise: T): void {
    const goOn = (value: T) => {
      if (this.#gone) return;
      this.#borrowed = false; // what follows is the session's own copy
      answer(value);
      this.#soon();
      this.#read();
    };
    const fail = (error: unknown) => {
      this.#house.error(this, error);
      goOn(otherwise);
    };
    let value: T | Promise<T>;
    try {
      value = question();
    } catch (error) {
      fail(error);
      return;
    }
    if (value instanceof Promise) value.then(goOn, fail);
    else goOn(value);
  }

  // ---- the disk

  #readDisk(order: Request & { do: "read" }): void {
    const structured = this.#session.structured;
    const head = readHead(structured, order.length);
    const { slab, at } = this.#outbox.room(head + order.length);
    let result: Result;
    try {
      const start = at + head;
      result = (this.#disk as Disk).read(slab.bytes.subarray(start, start + order.length), order.offset);
    } catch (error) {
      this.#outbox.rewind(at);
      this.#failed(order, error);
      return;
    }
    if (result === undefined) {
      putReadHead(slab.view, at, order, structured);
      this.#count(order);
      return;
    }
    const piece = this.#outbox.detach(at);
    this.#await(
      result,
      () => {
        putReadHead(slab.view, at, order, structured);
        this.#outbox.attach(piece);
        this.#count(order);
      },
      (error) => {
        this.#outbox.free([piece]);
        this.#failed(order, error);
      },
    );
  }

  #write(order: Request & { do: "write" }): void {
    const borrowed = this.#borrowed;
    const bytes = borrowed && this.#copies ? order.bytes.slice() : order.bytes;
    const copied = bytes !== order.bytes;
    this.#change(order, (disk) => {
      const result = disk.write(bytes, order.offset);
      if (result && borrowed && !copied) this.#buffer = Buffer.allocUnsafeSlow(RECEIVE); // the disk still reads from the old one
      this.#copies = result !== undefined;
      return result;
    });
  }

  /** A change, and a flush behind it if it is to be durable before its reply (FUA). */
  #change(order: Request, work: (disk: Disk) => Result): void {
    const disk = this.#disk as Disk;
    let result: Result;
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
      const result = (this.#disk as Disk).status(order.offset, order.length);
      if (result instanceof Promise) this.#await(result, answer, (error) => this.#failed(order, error));
      else answer(result);
    } catch (error) {
      this.#failed(order, error);
    }
  }

  #await<T>(result: Promise<T>, done: (value: T) => void, failed: (error: unknown) => void): void {
    this.#open += 1;
    const after =
      <V>(what: (value: V) => void) =>
      (value: V) => {
        this.#open -= 1;
        if (!this.#gone) {
          what(value);
          this.#soon();
        } else this.#finish();
      };
    result.then(after(done), after(failed));
  }

  #failed(order: Request, error: unknown): void {
    const code = error instanceof Error && "code" in error ? error.code : undefined;
    const errno = { DISK_FULL: ERRNO.ENOSPC, DISK_READ_ONLY: ERRNO.EPERM, DISK_RANGE: ERRNO.EINVAL }[
      String(code)
    ];
    this.#house.error(this, error);
    this.#answer(order, errno ?? ERRNO.EIO);
  }

  // ---- replies

  #answer(request: Request, errno: number): void {
    const structured = this.#session.structured;
    const { slab, at } = this.#outbox.room(replyLength(request, structured));
    putReply(slab.view, at, { request, errno, structured });
    this.#count(request);
    if (request.do !== "refuse") this.#changed = true;
  }
  #count(request: Request): void {
    this.#answered.requests += 1;
    this.#answered.cost += request.cost;
  }

  /** Sends soon: results that come one by one in this turn of the loop leave together. */
  #soon(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    setImmediate(() => {
      this.#scheduled = false;
      this.#flush();
    });
  }

  /** One write at a time: while the client does not take it, replies gather here and, by their cost, stop the session. */
  #flush(): void {
    if (this.#writing || this.#gone) return;
    if (this.#outbox.empty) {
      if (this.#closing !== undefined && this.#open === 0) this.end(this.#closing);
      return;
    }
    if (this.#changed && !this.#endBatch()) return;
    const pieces = this.#outbox.take();
    const { requests, cost } = this.#answered;
    this.#answered = { requests: 0, cost: 0 };
    this.#writing = true;
    const sent = () => this.#sent(pieces, requests, cost);
    if (pieces.length > 1) this.#socket.cork();
    pieces.forEach(({ slab, from, to }, i) => {
      const bytes = slab.bytes.subarray(from, to);
      if (i === pieces.length - 1) this.#socket.write(bytes, sent);
      else this.#socket.write(bytes);
    });
    if (pieces.length > 1) this.#socket.uncork();
  }

  /** Changes that are about to be acknowledged must be beyond a crash of this process. */
  #endBatch(): boolean {
    this.#changed = false;
    try {
      this.#disk?.endBatch?.();
      return true;
    } catch (error) {
      this.#house.error(this, error);
      this.end("the disk could not keep what was written");
      return false;
    }
  }

  #sent(pieces: Piece[], requests: number, cost: number): void {
    this.#writing = false;
    this.progress += 1;
    this.#outbox.free(pieces);
    if (this.#over) return;
    this.#session.left(requests, cost);
    if (this.#gone) return;
    this.#flush();
    if (!this.#session.hungry) this.next();
    this.#house.released();
  }

  /** Says once that this connection is over: gone, and nothing of it in the disk any more. */
  #finish(): void {
    if (!this.#gone || this.#open > 0 || this.#over) return;
    this.#over = true;
    this.#session.end();
    this.#house.released();
    this.#taken?.session.closed();
    this.#house.ended(this, this.#closing ?? "closed");
  }
}

/** Who is at the other end; ::ffff:10.0.0.7 is 10.0.0.7 by another door. */
export const clientOf = (socket: Socket): NbdClient => ({
  address: (socket.remoteAddress ?? "").replace(/^::ffff:(?=\d+\.)/, ""),
  port: socket.remotePort ?? 0,
});
