// What the iSCSI tests play with: a server over a disk that can be made to wait, and an initiator that says what it likes.
import { connect, type Socket } from "node:net";
import type { TestContext } from "node:test";
import type { Disk } from "../base/disk.ts";
import { HEADER, padded } from "../wire/iscsi/pdu.ts";
import { command, FINAL_LOGIN, type Heard, INITIATOR, login, TARGET } from "../wire/iscsi/testing.ts";
import { LogicalUnit } from "../wire/scsi/unit.ts";
import { type IscsiEvent, type IscsiOptions, type IscsiServer, serveIscsi } from "./iscsi.ts";

export const MIB = 1 << 20;

export const unitOf = (size: number): LogicalUnit =>
  new LogicalUnit({
    size,
    blockSize: 512,
    physicalBlock: 4096,
    readOnly: false,
    product: "CLONE",
    serial: "0123456789abcdef",
    naa: 0x3000_0000_0000_0001n,
  });

export interface House extends IscsiServer {
  events: IscsiEvent[];
  /** `opened`, and `closed` with its reason. */
  sessions: string[];
  event(kind: IscsiEvent["kind"], count?: number): Promise<void>;
}
export async function house(t: TestContext, disk: Disk, more: Partial<IscsiOptions> = {}): Promise<House> {
  const events: IscsiEvent[] = [];
  const sessions: string[] = [];
  let heard = () => {};
  const luns = new Map([[0, { unit: unitOf(disk.size), disk }]]);
  const session = {
    opened: () => void sessions.push("opened"),
    closed: (_client: object, why: string) => void sessions.push(`closed: ${why}`),
  };
  const server = await serveIscsi({
    host: "127.0.0.1",
    port: 0,
    find: (name) =>
      name === TARGET ? { name, luns, session } : { refused: "no such target", final: "unknown" },
    discover: () => [TARGET],
    on: (event) => {
      events.push(event);
      heard();
    },
    ...more,
  });
  t.after(() => server.close());
  const event = async (kind: IscsiEvent["kind"], count = 1) => {
    while (events.filter((e) => e.kind === kind).length < count)
      await new Promise<void>((resolve) => {
        heard = resolve;
      });
  };
  return { ...server, events, sessions, event };
}

/** An initiator that says what it likes. */
export class Client {
  readonly socket: Socket;
  #got = Buffer.alloc(0);
  #wake = () => {};
  closed = false;
  /** How often bytes came. */
  receives = 0;

  constructor(port: number) {
    this.socket = connect(port, "127.0.0.1");
    this.socket.on("data", (data) => {
      this.receives += 1;
      this.#got = Buffer.concat([this.#got, data]);
      this.#wake();
    });
    this.socket.on("error", () => {});
    this.socket.on("close", () => {
      this.closed = true;
      this.#wake();
    });
  }
  say(...parts: Uint8Array[]): this {
    this.socket.write(Buffer.concat(parts));
    return this;
  }
  async login(more: Record<string, string> = {}, isid = 0x70000000): Promise<this> {
    const keys = {
      InitiatorName: INITIATOR,
      TargetName: TARGET,
      SessionType: "Normal",
      InitialR2T: "No",
      ...more,
    };
    this.say(login(keys, FINAL_LOGIN, { words: { 8: 0x80123456, 12: isid } }));
    const { flags, view } = await this.heard();
    if (flags !== FINAL_LOGIN) throw new Error(`login refused: ${view.getUint16(36).toString(16)}`);
    return this;
  }
  /** The next PDU; it has no digests. */
  async heard(): Promise<Heard> {
    const head = await this.#take(HEADER);
    const length = head.readUInt32BE(4) & 0xffffff;
    const data = (await this.#take(padded(length))).subarray(0, length);
    const view = new DataView(head.buffer, head.byteOffset, HEADER);
    return { opcode: head.readUInt8(0), flags: head.readUInt8(1), tag: head.readUInt32BE(16), view, data };
  }
  async end(): Promise<void> {
    while (!this.closed) await this.#more();
  }
  async #take(length: number): Promise<Buffer> {
    while (this.#got.length < length) {
      if (this.closed) throw new Error(`hung up after ${this.#got.length} of ${length} bytes`);
      await this.#more();
    }
    const head = Buffer.from(this.#got.subarray(0, length));
    this.#got = this.#got.subarray(length);
    return head;
  }
  #more(): Promise<void> {
    return new Promise<void>((resolve) => {
      this.#wake = resolve;
    });
  }
}

const lba = (block: number, blocks: number) =>
  `${block.toString(16).padStart(8, "0")}00${blocks.toString(16).padStart(4, "0")}`;
/** CDBs as hex. */
export const read10 = (block: number, blocks: number): string => `2800${lba(block, blocks)}`;
export const write10 = (block: number, blocks: number, fua = false): string =>
  `2a${fua ? "08" : "00"}${lba(block, blocks)}`;

/** The first command of a nexus meets a unit attention (29h): answered, and out of the way. */
export async function ready(client: Client): Promise<Client> {
  client.say(command(1, 0, { cdb: "00" }));
  await client.heard();
  return client;
}
