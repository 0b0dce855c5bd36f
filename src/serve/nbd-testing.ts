// What the NBD tests play with: a disk that can be made to wait, a server over it, and a client that says what it likes.
import assert from "node:assert/strict";
import { connect, type Socket } from "node:net";
import type { TestContext } from "node:test";
import type { Disk } from "../base/disk.ts";
import { type NbdEvent, type NbdOptions, serveNbd } from "./nbd.ts";

const SIZE = 64 << 20;
export const MIB = 1 << 20;

/** A disk in memory that notes what is done to it; each call is done at once, or ends when `gate` does. */
export function testDisk(log: string[] = [], gate?: () => Promise<void>) {
  const bytes = Buffer.alloc(SIZE);
  const doing = (what: string, work: () => void) => {
    log.push(what);
    if (!gate) return work();
    return gate().then(() => {
      work();
      log.push(`${what} done`);
    });
  };
  const disk: Disk & { bytes: Buffer } = {
    bytes,
    size: SIZE,
    blockSize: 4096,
    read: (into, offset) => doing("read", () => into.set(bytes.subarray(offset, offset + into.length))),
    write: (from, offset) => doing("write", () => bytes.set(from, offset)),
    zero: (offset, length) => doing("zero", () => bytes.fill(0, offset, offset + length)),
    trim: (offset, length) => doing("trim", () => bytes.fill(0, offset, offset + length)),
    flush: () => doing("flush", () => {}),
    status: (offset, length) => [{ offset, length, kind: "data" }],
    endBatch: () => {
      log.push("endBatch");
    },
  };
  return disk;
}

interface House {
  port: number;
  events: NbdEvent[];
  sessions: string[];
  drop(name: string, why: string): Promise<void>;
  event(kind: NbdEvent["kind"], count?: number): Promise<void>;
}
export async function house(t: TestContext, disk: Disk, more: Partial<NbdOptions> = {}): Promise<House> {
  const events: NbdEvent[] = [];
  const sessions: string[] = [];
  let heard = () => {};
  const server = await serveNbd({
    host: "127.0.0.1",
    port: 0,
    find: (name) =>
      name === "disk"
        ? {
            disk,
            readOnly: false,
            name: "clone of pi01",
            session: { opened: () => sessions.push("opened"), closed: () => sessions.push("closed") },
          }
        : undefined,
    on: (event) => {
      events.push(event);
      heard();
    },
    ...more,
  });
  t.after(() => server.close());
  const event = async (kind: NbdEvent["kind"], count = 1) => {
    while (events.filter((e) => e.kind === kind).length < count)
      await new Promise<void>((resolve) => {
        heard = resolve;
      });
  };
  return { port: server.port, events, sessions, drop: server.drop, event };
}

/** A client that says what it likes. */
export class Client {
  readonly socket: Socket;
  #got = Buffer.alloc(0);
  #wake = () => {};
  closed = false;
  constructor(port: number) {
    this.socket = connect(port, "127.0.0.1");
    this.socket.on("data", (data) => {
      this.#got = Buffer.concat([this.#got, data]);
      this.#wake();
    });
    this.socket.on("error", () => {});
    this.socket.on("close", () => {
      this.closed = true;
      this.#wake();
    });
  }
  async take(length: number): Promise<Buffer> {
    while (this.#got.length < length) {
      if (this.closed) throw new Error(`hung up after ${this.#got.length} of ${length} bytes`);
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    const head = this.#got.subarray(0, length);
    this.#got = this.#got.subarray(length);
    return head;
  }
  async end(): Promise<void> {
    while (!this.closed)
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
  }
  say(...parts: (Buffer | string)[]): void {
    this.socket.write(Buffer.concat(parts.map((p) => (typeof p === "string" ? Buffer.from(p, "hex") : p))));
  }
  /** Chooses "disk" by EXPORT_NAME: no structured replies, the shortest way in. */
  async attach(): Promise<this> {
    this.say("00000003", "49484156454f5054", "00000001", "00000004", Buffer.from("disk"));
    await this.take(18 + 10);
    return this;
  }
  /** The errno of the next simple reply, and its cookie. */
  async reply(): Promise<{ errno: number; cookie: number }> {
    const reply = await this.take(16);
    assert.equal(reply.readUInt32BE(0), 0x67446698);
    return { errno: reply.readUInt32BE(4), cookie: reply.readUInt32BE(12) };
  }
}
export function request(
  command: number,
  offset: number,
  length: number,
  more: { flags?: number; cookie?: number } = {},
) {
  const bytes = Buffer.alloc(28);
  bytes.writeUInt32BE(0x25609513, 0);
  bytes.writeUInt16BE(more.flags ?? 0, 4);
  bytes.writeUInt16BE(command, 6);
  bytes.writeUInt32BE(more.cookie ?? 0, 12);
  bytes.writeBigUInt64BE(BigInt(offset), 16);
  bytes.writeUInt32BE(length, 24);
  return bytes;
}
export const READ = 0;
export const WRITE = 1;
export const FLUSH = 3;
export const FUA = 1;
