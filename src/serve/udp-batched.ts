// A UDP port that takes in and sends out many datagrams with one system call. Node wakes us with the first; we fetch the rest.
import { createSocket, type RemoteInfo, type Socket } from "node:dgram";
import { formatIpv4, parseIpv4 } from "../base/addresses.ts";
import { bindUdp, Inbox, type Libc, loadMmsg, Outbox } from "./mmsg.ts";
import { literally, openUdp, type Peer, type UdpOptions, type UdpPlane } from "./udp.ts";

/** Clients whose address is kept as text. */
const MOST_PEERS = 8192;

/** Of all ports of this thread: what came in is read before the next call. */
interface Shared {
  c: Libc;
  inbox: Inbox;
}
let shared: Promise<Shared | string> | undefined;

/** As openUdp(), which takes over where koffi does not load, the self-test fails or the port cannot be had this way. */
export async function openBatchedUdp(options: UdpOptions): Promise<UdpPlane> {
  shared ??= checked();
  const parts = await shared;
  const plane = typeof parts === "string" ? parts : await open(options, parts);
  return typeof plane === "string" ? { ...(await openUdp(options)), single: plane } : plane;
}

async function open(options: UdpOptions, parts: Shared): Promise<BatchedUdp | string> {
  const fd = bindUdp(parts.c, parseIpv4(options.host), options.port, options.receiveBuffer);
  if (fd === undefined) return "the system did not give us a UDP socket by its C library";
  const socket = createSocket({ type: "udp4", lookup: literally });
  await new Promise<void>((done, fail) => {
    socket.once("error", fail);
    socket.bind({ fd, exclusive: true }, () => {
      socket.off("error", fail);
      done();
    });
  });
  return new BatchedUdp(options, parts, fd, socket);
}

/** A wrong offset in a structure would be worse than slow: three datagrams to ourselves must come back as they were. */
async function checked(): Promise<Shared | string> {
  const c = await loadMmsg();
  if (typeof c === "string") return c;
  const parts = { c, inbox: new Inbox(c) };
  const sent = [11, 11, 7].map((length, i) => new Uint8Array(length).fill(i + 1));
  const heard: string[] = [];
  let done = () => {};
  const all = new Promise<void>((resolve) => {
    done = resolve;
  });
  const onMessage = (bytes: Uint8Array, { address, port }: Peer) => {
    heard.push(`${address} ${port} ${bytes.join()}`);
    if (heard.length === sent.length) done();
  };
  const plane = await open(
    { host: "127.0.0.1", port: 0, receiveBuffer: 65536, onMessage, onError: done },
    parts,
  );
  if (typeof plane === "string") return plane;
  for (const bytes of sent) plane.send(bytes, plane.port, plane.address);
  const late = setTimeout(done, 1000);
  await all;
  clearTimeout(late);
  await plane.close();
  const want = sent.map((bytes) => `127.0.0.1 ${plane.port} ${bytes.join()}`);
  return heard.join("\n") === want.join("\n") ? parts : "datagrams sent to ourselves did not come back";
}

class BatchedUdp implements UdpPlane {
  readonly address: string;
  readonly port: number;
  readonly receiveBuffer: { asked: number; got: number };
  readonly #options: UdpOptions;
  readonly #inbox: Inbox;
  readonly #outbox: Outbox;
  readonly #fd: number;
  readonly #socket: Socket;
  readonly #peers = new Map<number, Peer>();
  #flushing = false;
  #closed = false;

  constructor(options: UdpOptions, { c, inbox }: Shared, fd: number, socket: Socket) {
    this.#options = options;
    this.#inbox = inbox;
    this.#outbox = new Outbox(c);
    this.#fd = fd;
    this.#socket = socket;
    const bound = socket.address();
    this.address = bound.address;
    this.port = bound.port;
    this.receiveBuffer = { asked: options.receiveBuffer, got: socket.getRecvBufferSize() / 2 };
    socket.on("error", options.onError);
    socket.on("message", (bytes: Uint8Array, from: RemoteInfo) => this.#wake(bytes, from));
  }

  send(bytes: Uint8Array, port: number, address: string): boolean {
    if (this.#closed) return true;
    if (bytes.length > Outbox.ROOM) {
      this.#flush();
      this.#socket.send(bytes, port, address);
      return this.#socket.getSendQueueCount() === 0;
    }
    if (this.#outbox.full) this.#flush();
    this.#outbox.add(bytes, port, parseIpv4(address));
    if (!this.#flushing) {
      this.#flushing = true;
      queueMicrotask(() => this.#flush());
    }
    return true;
  }

  async close(): Promise<void> {
    this.#flush();
    this.#closed = true;
    await new Promise<void>((done) => this.#socket.close(() => done()));
  }

  #wake(first: Uint8Array, from: RemoteInfo): void {
    if (from.port !== 0) this.#options.onMessage(first, from);
    const inbox = this.#inbox;
    const count = this.#closed ? 0 : inbox.take(this.#fd);
    for (let i = 0; i < count && !this.#closed; i++) {
      const port = inbox.port(i);
      if (port !== 0) this.#options.onMessage(inbox.bytes(i), this.#peer(inbox.address(i), port));
    }
  }

  #flush(): void {
    this.#flushing = false;
    if (this.#closed || this.#outbox.empty) return;
    // What the kernel has no room for waits in Node's queue.
    this.#outbox.flush(this.#fd, (bytes, port, address) =>
      this.#socket.send(bytes, port, formatIpv4(address)),
    );
  }

  #peer(address: number, port: number): Peer {
    const id = address * 65536 + port;
    let peer = this.#peers.get(id);
    if (!peer) {
      if (this.#peers.size >= MOST_PEERS) this.#peers.clear();
      const text = formatIpv4(address);
      peer = { address: text, port, key: `${text}:${port}` };
      this.#peers.set(id, peer);
    }
    return peer;
  }
}
