// ONC RPC over TCP from the client's side, for tests: any call, any bytes, any cut into fragments.
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import type { Credentials } from "../wire/nfs/tree.ts";
import { XdrReader, XdrWriter } from "../wire/xdr.ts";

/** A reply that says that the call was not done: "denied ..." or "accepted ..." with its numbers. */
export class RpcRefusal extends Error {
  override name = "RpcRefusal";
  /** [reply_stat, stat, ...what follows]. */
  readonly words: readonly number[];
  constructor(words: readonly number[]) {
    super(`${words[0] === 1 ? "denied" : "accepted, but"} ${words.slice(1).join(" ")}`);
    this.words = words;
  }
}

export interface RpcOptions {
  host?: string;
  /** Where the connection comes from: 127.0.0.x tells nodes apart. */
  localAddress?: string;
  /** The first xid; another one each time by default. */
  xid?: number;
}

/** opaque_auth. */
export type Auth = { flavor: number; body: Uint8Array };
export const AUTH_NONE: Auth = { flavor: 0, body: new Uint8Array(0) };

/** AUTH_SYS (RFC 5531 appendix A). */
export function authSys({ uid, gid, gids }: Credentials, machine = "test"): Auth {
  const w = new XdrWriter().into(new Uint8Array(512));
  w.u32(0).text(machine).u32(uid).u32(gid).u32(gids.length);
  for (const one of gids) w.u32(one);
  return { flavor: 1, body: w.bytes.slice(0, w.at) };
}

export interface RpcCall {
  program: number;
  version: number;
  procedure: number;
  args: Uint8Array;
  auth: Auth;
  xid: number;
  rpcVersion?: number;
}
/** A whole call, without record mark. */
export function encodeCall(call: RpcCall): Uint8Array {
  const w = new XdrWriter().into(new Uint8Array(call.args.length + call.auth.body.length + 64));
  w.u32(call.xid)
    .u32(0)
    .u32(call.rpcVersion ?? 2);
  w.u32(call.program).u32(call.version).u32(call.procedure);
  w.u32(call.auth.flavor).opaque(call.auth.body).u32(0).u32(0);
  const head = w.bytes.slice(0, w.at);
  return Buffer.concat([head, call.args]);
}

/** A record in fragments of these sizes; what is left over is the last one. */
export function fragments(record: Uint8Array, ...sizes: number[]): Buffer {
  const parts: Uint8Array[] = [];
  let at = 0;
  for (const size of [...sizes, record.length]) {
    const part = record.subarray(at, at + size);
    at += part.length;
    const mark = Buffer.alloc(4);
    mark.writeUInt32BE((part.length | (at === record.length ? 0x80000000 : 0)) >>> 0);
    parts.push(mark, part);
    if (at === record.length) break;
  }
  return Buffer.concat(parts);
}

interface Waiting {
  resolve(results: Uint8Array): void;
  reject(error: Error): void;
}

/** One connection; calls may be under way at the same time. */
export class RpcClient {
  readonly socket: Socket;
  readonly #waiting = new Map<number, Waiting>();
  #xid: number;
  #got: Buffer[] = [];
  #length = 0;
  closed = false;

  private constructor(socket: Socket, xid: number) {
    this.socket = socket;
    this.#xid = xid;
    socket.setNoDelay(true);
    socket.on("data", (data: Buffer) => this.#receive(data));
    socket.on("error", () => {});
    socket.on("close", () => {
      this.closed = true;
      for (const { reject } of this.#waiting.values()) reject(new Error("the server hung up"));
      this.#waiting.clear();
    });
  }
  static async open(port: number, options: RpcOptions = {}): Promise<RpcClient> {
    const { host = "127.0.0.1", localAddress, xid = Math.floor(Math.random() * 2 ** 31) } = options;
    const socket = connect({ port, host, ...(localAddress !== undefined && { localAddress }) });
    await once(socket, "connect");
    return new RpcClient(socket, xid);
  }

  /** Calls and gives the results; rejects with RpcRefusal, or when the server hangs up. */
  async call(call: Omit<RpcCall, "xid"> & { xid?: number }): Promise<Uint8Array> {
    const xid = call.xid ?? this.#xid++ >>> 0;
    const reply = this.expect(xid);
    this.socket.write(fragments(encodeCall({ ...call, xid })));
    return await reply;
  }
  /** The reply to a call that was sent by other ways. */
  expect(xid: number): Promise<Uint8Array> {
    if (this.closed) return Promise.reject(new Error("the server hung up"));
    return new Promise((resolve, reject) => {
      this.#waiting.set(xid, { resolve, reject });
    });
  }
  close(): void {
    this.socket.destroy();
  }
  /** Resolves when the server has hung up. */
  async end(): Promise<void> {
    if (!this.closed) await once(this.socket, "close");
  }

  #receive(data: Buffer): void {
    this.#got.push(data);
    this.#length += data.length;
    for (;;) {
      if (this.#length < 4) return;
      const mark = (this.#got[0] as Buffer).length >= 4 ? (this.#got[0] as Buffer) : this.#join();
      const length = mark.readUInt32BE() & 0x7fffffff;
      if (this.#length < 4 + length) return;
      const all = this.#join();
      this.#got = [all.subarray(4 + length)];
      this.#length -= 4 + length;
      this.#reply(all.subarray(4, 4 + length));
    }
  }
  #join(): Buffer {
    const all = this.#got.length === 1 ? (this.#got[0] as Buffer) : Buffer.concat(this.#got);
    this.#got = [all];
    return all;
  }
  #reply(record: Buffer): void {
    const xid = record.readUInt32BE(0);
    const waiting = this.#waiting.get(xid);
    this.#waiting.delete(xid);
    if (!waiting) return;
    const r = new XdrReader().over(record, 8);
    const rest = () => Array.from({ length: r.left / 4 }, () => r.u32());
    if (r.u32() !== 0) {
      waiting.reject(new RpcRefusal([1, ...rest()]));
      return;
    }
    r.u32();
    r.opaque(400);
    const status = r.u32();
    if (status !== 0) waiting.reject(new RpcRefusal([0, status, ...rest()]));
    else waiting.resolve(record.subarray(r.at));
  }
}
