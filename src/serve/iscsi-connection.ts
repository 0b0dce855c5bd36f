import type { Socket } from "node:net";
import type { Nexus } from "../wire/iscsi/login.ts";
import { type Order, Session } from "../wire/iscsi/session.ts";
import { dataOutLength } from "../wire/scsi/unit.ts";
import {
  type House,
  hereOf,
  type IscsiClient,
  type IscsiTarget,
  peerOf,
  type Refusal,
} from "./iscsi-house.ts";
import type { RunningUnit } from "./iscsi-unit.ts";
import { Work } from "./iscsi-work.ts";
import { Outbox } from "./outbox.ts";
import { receiveInto } from "./receive.ts";

const RECEIVE = 256 << 10;
/** Long answers need not wait for the rest of their batch: the initiator reads while we do the next one. */
const ENOUGH = 64 << 10;
const NO_UNITS: ReadonlyMap<number, RunningUnit> = new Map();

/** One initiator: gives bytes to its session, does what that orders, and sends the answers of a batch together. */
export class Connection {
  readonly client: IscsiClient;
  readonly #house: House;
  readonly #session: Session;
  readonly #outbox: Outbox;
  readonly #socket: Socket;
  #buffer: Uint8Array = Buffer.allocUnsafeSlow(RECEIVE);
  #target: IscsiTarget | undefined;
  #units = NO_UNITS;
  #work: Work | undefined;
  /** Has the login ever succeeded? */
  opened = false;
  #writes = 0; // that the socket has not called back for
  #scheduled = false;
  #paused = false;
  #closing: string | undefined;
  #gone = false;
  #over = false;
  /** Counts everything that moves: the server's watch compares it. */
  progress = 0;
  /** When bytes came last, and when a ping went out that nothing has followed yet (0: none). */
  heardAt = Date.now();
  pingedAt = 0;
  #answered: (() => void)[] = [];

  constructor(accepted: Socket, house: House) {
    this.client = { ...peerOf(accepted), initiator: "", isid: "" };
    this.#house = house;
    this.#session = new Session({
      ...house.session,
      address: hereOf(accepted),
      dataOutLength: (lun, cdb) => (this.#units.has(lun) ? dataOutLength(cdb, 512) : 0),
    });
    this.#outbox = new Outbox(house.slabs);
    this.#socket = receiveInto(accepted, {
      buffer: () => this.#buffer,
      bytes: (chunk) => this.#receive(chunk),
      ended: (why) => this.end(why ?? "the initiator hung up"),
    });
  }

  /** The target that find() gave, also before the login has ended. */
  get target(): IscsiTarget | undefined {
    return this.#target;
  }
  get nexus(): Nexus | undefined {
    return this.#session.nexus;
  }
  /** Has the login succeeded? */
  get open(): boolean {
    return this.#session.stage === "full" && !this.#gone;
  }
  /** Does it wait for the initiator: the rest of a PDU, data-out, or room for answers? */
  get awaitsClient(): boolean {
    return this.stuck || this.#session.awaitsData;
  }
  /** Has anything come? Who connects and leaves in silence is no event. */
  get spoke(): boolean {
    return this.progress > 0;
  }
  /** Does it take no answers now? */
  get stuck(): boolean {
    return this.#socket.writableLength > 0;
  }
  /** Goes on with commands that had to wait. */
  next(): void {
    if (this.#gone || this.#closing !== undefined) return;
    this.#act(this.#session.next());
    this.#flush();
  }
  /** Asks whether the initiator is there; resolves when anything comes from it. */
  ping(): Promise<void> {
    if (this.pingedAt === 0) {
      this.pingedAt = Date.now();
      this.#act(this.#session.ping());
      this.#flush();
    }
    return new Promise((answered) => this.#answered.push(answered));
  }
  askToLogOut(seconds: number): void {
    this.#act(this.#session.askToLogOut(seconds));
    this.#flush();
  }

  /** Cuts the line. */
  end(why: string): void {
    if (this.#gone) return;
    this.#gone = true;
    this.#closing ??= why;
    this.#socket.destroy();
    if (!this.#work) this.#finish();
    else
      this.#work.end().then(
        () => this.#finish(),
        (error: unknown) => {
          this.#house.error(this, error);
          this.#finish();
        },
      );
  }

  #receive(chunk: Uint8Array): boolean {
    if (this.#gone || this.#closing !== undefined) return false;
    this.progress += 1;
    this.heardAt = Date.now();
    if (this.#answered.length > 0) for (const answered of this.#answered.splice(0)) answered();
    this.pingedAt = 0;
    this.#act(this.#session.receive(chunk));
    this.#flush();
    this.#paused = !this.#session.hungry;
    return !this.#paused;
  }
  #read(): void {
    if (!this.#paused || this.#gone || !this.#session.hungry) return;
    this.#paused = false;
    this.#socket.resume();
  }

  #act(orders: readonly Order[]): void {
    for (const order of orders) {
      switch (order.do) {
        case "command":
          if (order.command.state === "begun") this.#work?.perform(order.command);
          if (this.#outbox.gathered >= ENOUGH) this.#flush();
          break;
        case "fail":
          this.#work?.answer(order.command, { status: CHECK_CONDITION, sense: order.sense });
          break;
        case "send":
          this.#put(order.bytes, order.status);
          break;
        case "find":
          this.#find(order.target, order);
          break;
        case "admit":
          this.#admit(order);
          break;
        case "discover":
          this.#act(this.#session.listed(this.#house.discover(this.client)));
          break;
        case "manage":
          this.#work?.manage(order);
          break;
        case "logout":
          void this.#logOut(order);
          break;
        case "close":
          this.#closing = order.why;
          break;
        case "pong": // any byte has said so already
          break;
      }
    }
    if (this.#session.blocked) this.#house.waiting.add(this);
  }

  #put(bytes: Uint8Array, status: boolean): void {
    const { sender } = this.#session;
    const { slab, at } = this.#outbox.room(sender.lengthOf(bytes));
    sender.put(slab, at, bytes, status);
  }

  #find(name: string, { initiator, isid }: { initiator: string; isid: string }): void {
    Object.assign(this.client, { initiator, isid });
    const goOn = (found: IscsiTarget | Refusal) => {
      if (this.#gone) return;
      if (!("refused" in found)) this.#target = found;
      this.#later(this.#session.found("refused" in found ? found : { chap: found.chap }));
    };
    const fail = (error: unknown) => {
      this.#house.error(this, error);
      goOn({ refused: "the server cannot say whether it has this target" });
    };
    try {
      const found = this.#house.find(name, this.client);
      if (found instanceof Promise) found.then(goOn, fail);
      else goOn(found);
    } catch (error) {
      fail(error);
    }
  }

  #admit(nexus: Nexus): void {
    Object.assign(this.client, { initiator: nexus.initiator, isid: nexus.isid });
    this.#house.admit(this, nexus).then(
      (tsih) => {
        if (!this.#gone) this.#begin(nexus, tsih);
      },
      (error: unknown) => {
        this.#house.error(this, error);
        if (!this.#gone) this.#later(this.#session.admitted({ refused: "the server cannot take it now" }));
      },
    );
  }
  #begin(nexus: Nexus, tsih: number): void {
    this.#units = this.#target ? this.#house.running(this.#target.luns) : NO_UNITS;
    this.#work = new Work({
      nexus: `${nexus.initiator},i,0x${nexus.isid}`,
      session: this.#session,
      outbox: this.#outbox,
      units: this.#units,
      events: {
        replied: () => this.#soon(),
        failed: (error) => this.#house.error(this, error),
        cold: () => {
          this.#closing = COLD;
          this.#house.cold(this, COLD);
        },
        act: (orders) => this.#act(orders),
        lent: (bytes) => bytes.buffer === this.#buffer.buffer,
        keeps: () => {
          this.#buffer = Buffer.allocUnsafeSlow(RECEIVE);
        },
      },
    });
    this.opened = true;
    this.#target?.session.opened(this.client);
    this.#house.admitted(this);
    this.#later(this.#session.admitted({ tsih }));
  }

  async #logOut({ tag, reason, connection }: Order & { do: "logout" }): Promise<void> {
    const unknown = reason !== 0 && connection !== this.#session.connection;
    const response = reason > 1 ? NO_RECOVERY : unknown ? NO_CONNECTION : 0;
    if (response === 0) await this.#work?.abortAll();
    if (!this.#gone) this.#later(this.#session.loggedOut(tag, response));
  }

  /** Orders that come outside a receive: what they point to is the session's own. */
  #later(orders: readonly Order[]): void {
    this.#act(orders);
    this.#soon();
    this.#read();
  }

  /** Sends soon: results that come one by one in this turn of the loop leave together. */
  #soon(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    setImmediate(() => {
      this.#scheduled = false;
      this.#flush();
      this.#house.released();
    });
  }

  /** While the initiator does not take what was written, answers gather here and, by their cost, hold commands back. */
  #flush(): void {
    if (this.#gone || this.stuck) return;
    if (this.#outbox.empty) {
      if (this.#closing !== undefined && this.#writes === 0) this.end(this.#closing);
      return;
    }
    let batch = { answers: 0, cost: 0 };
    try {
      if (this.#work) batch = this.#work.endBatch();
    } catch (error) {
      this.#house.error(this, error);
      this.end("the disk could not keep what was written");
      return;
    }
    this.#writes += 1;
    this.#outbox.writeTo(this.#socket, () => this.#sent(batch));
  }

  #sent(batch: { answers: number; cost: number }): void {
    this.#writes -= 1;
    this.progress += 1;
    if (this.#over) return; // the session has given back everything already
    this.#session.left(batch.answers, batch.cost);
    this.#flush();
    this.#house.released();
  }

  /** Says once that this connection is over: gone, and nothing of it in the disks any more. */
  #finish(): void {
    if (this.#over) return;
    this.#over = true;
    this.#house.waiting.delete(this);
    this.#session.end();
    const why = this.#closing ?? "closed";
    if (this.opened) this.#target?.session.closed(this.client, why);
    this.#house.ended(this, why);
    this.#house.released();
  }
}

const COLD = "an initiator has reset the target";
const CHECK_CONDITION = 2;
const NO_CONNECTION = 1;
const NO_RECOVERY = 2;
