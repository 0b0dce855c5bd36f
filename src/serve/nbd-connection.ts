import type { Socket } from "node:net";
import type { Disk } from "../base/disk.ts";
import type { Allowance, Limits } from "../wire/nbd/limits.ts";
import { type Order, Session } from "../wire/nbd/session.ts";
import { Work } from "./nbd-work.ts";
import { Outbox, type Slabs } from "./outbox.ts";
import { receiveInto } from "./receive.ts";
import { ReceiveBuffers } from "./receive-buffers.ts";

/** What find() answers: a disk for one client. */
export interface NbdExport {
  /** The same object for every connection to the same bytes: a flush must cover them all (multi-conn). */
  disk: Disk;
  readOnly: boolean;
  /** One connection at a time: it is not told that several keep to one order. */
  single?: boolean;
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
  /** Those with a request that must wait until something else has ended. */
  waiting: Set<Connection>;
  /** Something has ended: those may go on. */
  released(): void;
  error(connection: Connection, error: unknown): void;
}

/** One client: gives bytes to its session, does what that orders, and sends the replies of a batch together. */
export class Connection {
  readonly client: NbdClient;
  readonly #house: House;
  readonly #session: Session;
  readonly #outbox: Outbox;
  readonly #socket: Socket;
  readonly #buffers = new ReceiveBuffers();
  #found: NbdExport | undefined;
  #taken: NbdExport | undefined;
  #work: Work | undefined;
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
      buffer: () => this.#buffers.next(),
      bytes: (chunk) => this.#receive(chunk),
      ended: (why) => this.end(why ?? "client hung up"),
    });
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
  /** Goes on with requests that had to wait. */
  next(): void {
    if (this.#gone || this.#closing !== undefined) return;
    this.#act(this.#session.next());
    this.#flush();
    this.#read();
  }

  /** Cuts the line. */
  end(why: string): void {
    if (this.#gone) return;
    this.#gone = true;
    this.#closing ??= why;
    this.#work?.end();
    this.#socket.destroy();
    this.#finish();
  }

  #receive(chunk: Uint8Array): boolean {
    if (this.#gone || this.#closing !== undefined) return false;
    this.progress += 1;
    this.#act(this.#session.receive(chunk));
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
    for (const order of orders) {
      if (order.do === "send") this.#outbox.put(order.bytes);
      else if (order.do === "find") this.#find(order.name);
      else if (order.do === "list") this.#list();
      else if (order.do === "attach") this.#attach();
      else if (order.do === "close") this.#closing = order.why;
      else this.#work?.perform(order);
    }
    if (this.#session.blocked) this.#house.waiting.add(this);
  }

  #find(name: string): void {
    const question = () => this.#house.find(name, this.client);
    this.#ask<NbdExport | undefined>(question, undefined, (found) => {
      this.#found = found;
      const facts = found && { size: found.disk.size, readOnly: found.readOnly, multiConn: !found.single };
      this.#act(this.#session.found(facts));
    });
  }

  #list(): void {
    const question = () => this.#house.list(this.client);
    this.#ask<readonly string[]>(question, [], (names) => this.#act(this.#session.listed(names)));
  }

  #attach(): void {
    const taken = this.#found;
    if (!taken) return;
    this.#taken = taken;
    this.#work = new Work(taken.disk, this.#outbox, this.#session.structured, {
      replied: () => (this.#gone ? this.#finish() : this.#soon()),
      failed: (error) => this.#house.error(this, error),
      buffers: this.#buffers,
    });
    taken.session.opened();
    this.#house.attached(this, taken);
  }

  /** Asks the house and goes on with its answer, at once if it has it; when it fails, with `otherwise`. */
  #ask<T>(question: () => T | Promise<T>, otherwise: T, answer: (value: T) => void): void {
    const goOn = (value: T) => {
      if (this.#gone) return;
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
      if (this.#closing !== undefined && !this.#work?.open) this.end(this.#closing);
      return;
    }
    let batch = { requests: 0, cost: 0 };
    try {
      if (this.#work) batch = this.#work.endBatch();
    } catch (error) {
      this.#house.error(this, error);
      this.end("the disk could not keep what was written");
      return;
    }
    this.#writing = true;
    this.#outbox.writeTo(this.#socket, () => this.#sent(batch));
  }

  #sent(batch: { requests: number; cost: number }): void {
    this.#writing = false;
    this.progress += 1;
    if (this.#over) return; // the session has given back everything already
    this.#session.left(batch.requests, batch.cost);
    this.#flush();
    this.#house.released();
  }

  /** Says once that this connection is over: gone, and nothing of it in the disk any more. */
  #finish(): void {
    if (!this.#gone || this.#work?.open || this.#over) return;
    this.#over = true;
    this.#house.waiting.delete(this);
    this.#session.end();
    this.#taken?.session.closed();
    this.#house.ended(this, this.#closing ?? "closed");
    this.#house.released();
  }
}

/** Who is at the other end; ::ffff:10.0.0.7 is 10.0.0.7 by another door. */
export const clientOf = (socket: Socket): NbdClient => ({
  address: (socket.remoteAddress ?? "").replace(/^::ffff:(?=\d+\.)/, ""),
  port: socket.remotePort ?? 0,
});
