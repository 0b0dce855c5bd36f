import type { Socket } from "node:net";
import type { NfsTree } from "../wire/nfs/tree.ts";
import { CallHead } from "../wire/rpc/message.ts";
import { type RecordPool, Records } from "../wire/rpc/records.ts";
import type { NfsClient, NfsExport, NfsLimits } from "./nfs.ts";
import type { Desk } from "./nfs-desk.ts";
import type { Line } from "./nfs-line.ts";
import { Outbox, type Slabs } from "./outbox.ts";
import { receiveInto } from "./receive.ts";

/** Longest call: a WRITE of 1 MiB with its head. */
export const MOST_RECORD = (1 << 20) + (64 << 10);

/** So many bytes of replies do not wait for the other calls of their turn. */
const ENOUGH = 64 << 10;

/** Why a connection ended that its client has ended. */
export const HUNG_UP = "client hung up";

/** All connections of one address together. */
export interface Neighbour {
  connections: number;
  /** Bytes that they hold. */
  load: number;
  /** Large records that have come in part. */
  largeRecords: number;
}

/** What a connection needs from its server. */
export interface House {
  readonly desk: Desk;
  readonly slabs: Slabs;
  records(neighbour: Neighbour): RecordPool;
  readonly limits: NfsLimits;
  /** Where all connections receive: what came is done with, or copied, before anybody receives again. */
  readonly receive: Uint8Array;
  /** Its start, where but the head of a long record is expected: the rest is received where it belongs. */
  readonly head: Uint8Array;
  /** Bytes of requests and replies that all connections hold. */
  load: number;
  /** Bytes that came before they could be looked at. Not part of the load: they become less only when calls are taken in. */
  stashed: number;
  /** Those that hold something back until others hold less. */
  readonly waiting: Set<Connection>;
  /** Somebody holds less. */
  released(): void;
  admitted(connection: Connection): void;
  failed(connection: Connection, error: unknown): void;
  ended(connection: Connection, why: string): void;
}

/** One client's TCP connection: cuts calls out of the stream, lets the desk answer them, sends the replies of a turn together. */
export class Connection implements Line {
  readonly client: NfsClient;
  readonly neighbour: Neighbour;
  readonly head = new CallHead();
  readonly now: Outbox;
  readonly held: Outbox;
  readonly #house: House;
  readonly #socket: Socket;
  readonly #records: Records;
  readonly #exports = new Map<number, string>();
  #lastExport: NfsExport | undefined;
  #dirty: NfsTree[] = [];
  #stash: Uint8Array | undefined; // what came and could not be taken in
  #calls = 0; // that go on after their turn
  #callBytes = 0;
  #settling = 0; // bytes of replies that wait for their trees
  #sending = 0; // bytes that the socket holds
  #load = 0; // all of that, as the house counts it
  #writing = false;
  #scheduled = false;
  #paused = false;
  #gone = false;
  #over = false;
  #why = "closed";
  /** Counts everything that moves: the server's watch compares it. */
  progress = 0;

  constructor(accepted: Socket, client: NfsClient, neighbour: Neighbour, house: House) {
    this.client = client;
    this.neighbour = neighbour;
    this.#house = house;
    this.now = new Outbox(house.slabs);
    this.held = new Outbox(house.slabs);
    this.#records = new Records(house.records(neighbour), MOST_RECORD);
    this.#socket = receiveInto(accepted, {
      buffer: () => this.#buffer(),
      bytes: (chunk) => this.#receive(chunk),
      ended: () => this.end(HUNG_UP), // in good order or not: clients reset their connections at will
    });
  }

  get gone(): boolean {
    return this.#gone;
  }
  /** Does it wait for the client: the rest of a record, or room for replies? */
  get awaitsClient(): boolean {
    return this.#writing || this.#records.inside;
  }
  hasUsed(exportNumber: number): boolean {
    return this.#exports.has(exportNumber);
  }
  /** The name of the export that it used last. */
  get exportName(): string | undefined {
    return this.#lastExport?.name;
  }

  used(exported: NfsExport): void {
    if (this.#lastExport === exported) return;
    if (this.#exports.size === 0) this.#house.admitted(this);
    this.#lastExport = exported;
    this.#exports.set(exported.handles.export, exported.name);
  }
  unsettled(tree: NfsTree): void {
    if (!this.#dirty.includes(tree)) this.#dirty.push(tree);
  }
  begun(bytes: number): void {
    this.#calls += 1;
    this.#callBytes += bytes;
  }
  ended(bytes: number): void {
    this.#calls -= 1;
    this.#callBytes -= bytes;
    this.#soon();
    if (this.#gone) this.#finish();
  }

  /** Goes on with what had to wait. */
  next(): void {
    if (this.#gone || !this.#paused || !this.#hungry) return;
    this.#paused = false;
    this.#house.waiting.delete(this);
    const stash = this.#unstash();
    if (stash) this.#work(stash);
    if (!this.#paused) this.#socket.resume();
  }

  /** Cuts the line. */
  end(why: string): void {
    if (this.#gone) return;
    this.#gone = true;
    this.#why = why;
    this.#socket.destroy();
    this.#records.end();
    this.#unstash();
    this.#dirty = [];
    this.now.free(this.now.take());
    this.held.free(this.held.take());
    this.#finish();
  }

  /** Where to receive next. A connection that pauses may have another record under way when it goes on. */
  #buffer(): Uint8Array {
    const { receive, head } = this.#house;
    if (this.#gone || this.#paused) return receive;
    return this.#records.window ?? (this.#records.long ? head : receive);
  }
  #receive(chunk: Uint8Array): boolean {
    if (this.#gone) return false;
    this.progress += 1;
    this.#work(chunk);
    return !this.#paused;
  }

  /** One turn: the calls in these bytes, as many as may be open, and then all their replies. */
  #work(chunk: Uint8Array): void {
    const { desk } = this.#house;
    const records = this.#records;
    records.feed(chunk);
    try {
      while (this.#hungry && records.next()) {
        desk.answer(this, records.bytes, records.from, records.to);
        if (this.now.gathered >= ENOUGH) this.#flush();
      }
    } catch (error) {
      this.end(error instanceof Error ? error.message : String(error));
      return;
    }
    this.#pause(records.rest());
    if (this.#gone) return;
    if (this.#dirty.length > 0)
      this.#soon(); // together with what other connections bring in this turn of the loop
    else this.#endTurn();
  }
  #pause(rest: Uint8Array): void {
    if (rest.length > 0) {
      const shared = rest.buffer === this.#house.receive.buffer;
      this.#stash = shared ? rest.slice() : rest;
      this.#house.stashed += rest.length;
    }
    this.#paused = this.#stash !== undefined || !this.#hungry;
    if (this.#paused) this.#house.waiting.add(this);
    if (this.#house.stashed > this.#house.limits.serverBytes) this.end("the server has too much to do");
  }
  #unstash(): Uint8Array | undefined {
    const stash = this.#stash;
    this.#stash = undefined;
    if (stash) this.#house.stashed -= stash.length;
    return stash;
  }

  /** May it take in another call? One that holds nothing waits only when the server holds twice what it should. */
  get #hungry(): boolean {
    const { limits, load } = this.#house;
    const own = this.#weight();
    const all = load - this.#load + own;
    if (own === 0) return all < 2 * limits.serverBytes;
    if (own >= limits.bytes || this.#calls >= limits.requests || all >= limits.serverBytes) return false;
    return this.neighbour.load - this.#load + own < limits.addressBytes;
  }
  #weight(): number {
    return this.now.bytes + this.held.bytes + this.#callBytes + this.#settling + this.#sending;
  }
  #account(): void {
    const load = this.#gone ? this.#callBytes : this.#weight();
    const less = load < this.#load;
    this.#house.load += load - this.#load;
    this.neighbour.load += load - this.#load;
    this.#load = load;
    if (less) this.#house.released();
  }

  /** Ends a turn soon: calls that end one by one in this turn of the loop leave together, and their records are in one batch with their changes. */
  #soon(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    setImmediate(() => {
      this.#scheduled = false;
      if (!this.#gone) this.#endTurn();
    });
  }

  /** What promises nothing leaves at once; the rest when its trees have settled, which may be at once too. */
  #endTurn(): void {
    if (!this.held.empty) {
      const waits: Promise<void>[] = [];
      try {
        for (const tree of this.#dirty) {
          const wait = tree.settled();
          if (wait) waits.push(wait);
        }
      } catch (error) {
        this.#unkept(error);
        return;
      }
      this.#dirty = [];
      if (waits.length > 0) this.#hold(waits);
      else for (const piece of this.held.take()) this.now.attach(piece);
    }
    this.#flush();
    this.#account();
  }
  #hold(waits: Promise<void>[]): void {
    const bytes = this.held.bytes;
    const batch = this.held.take();
    this.#settling += bytes;
    const all = waits.length === 1 ? (waits[0] as Promise<void>) : Promise.all(waits);
    all.then(
      () => {
        this.#settling -= bytes;
        if (this.#gone) this.held.free(batch);
        else {
          for (const piece of batch) this.now.attach(piece);
          this.#flush();
          this.#account();
          this.next();
        }
      },
      (error) => {
        this.#settling -= bytes;
        this.held.free(batch);
        this.#unkept(error);
      },
    );
  }
  /** No answer of this batch may leave: without a line the client asks again. */
  #unkept(error: unknown): void {
    if (this.#gone) return;
    this.#house.failed(this, error);
    this.end("the disk could not keep what was written");
  }

  /** One write at a time: while the client does not take it, replies gather here and, by their weight, stop the calls. */
  #flush(): void {
    if (this.#writing || this.#gone || this.now.empty) return;
    this.#writing = true;
    this.#sending = this.now.bytes;
    this.now.writeAtOnceTo(this.#socket, () => {
      this.#writing = false;
      this.#sending = 0;
      this.progress += 1;
      if (this.#gone) return;
      this.#flush();
      this.#account();
      this.next();
    });
  }

  /** Says once that it is over: gone, and no call of it in a tree any more. */
  #finish(): void {
    this.#account();
    if (!this.#gone || this.#calls > 0 || this.#over) return;
    this.#over = true;
    this.#house.waiting.delete(this);
    this.#house.ended(this, this.#why);
  }
}
