// Many datagrams with one system call: recvmmsg(2), sendmmsg(2) and UDP_SEGMENT (udp(7)) by koffi, on 64-bit little-endian Linux.
import { endianness } from "node:os";

/** The C library's calls that are needed, on a file descriptor. Negative: failed, see errno(). */
export interface Libc {
  socket(family: number, type: number, protocol: number): number;
  setsockopt(fd: number, level: number, name: number, value: Uint8Array, length: number): number;
  bind(fd: number, address: Uint8Array, length: number): number;
  close(fd: number): number;
  recvmmsg(fd: number, headers: Uint8Array, count: number, flags: number, timeout: null): number;
  sendmmsg(fd: number, headers: Uint8Array, count: number, flags: number): number;
  errno(): number;
  addressOf(memory: Uint8Array): bigint;
}

const ARCHITECTURES = ["x64", "arm64", "riscv64", "loong64"];

/** In words why not, where this machine has no such calls or koffi does not load. */
export async function loadMmsg(): Promise<Libc | string> {
  const here = `${process.platform} ${process.arch}`;
  if (process.platform !== "linux" || !ARCHITECTURES.includes(process.arch) || endianness() !== "LE")
    return `many datagrams with one call are known on 64-bit little-endian Linux only, not on ${here}`;
  try {
    const { default: koffi } = await import("koffi");
    const c = koffi.load(null);
    return {
      socket: c.func("int socket(int, int, int)"),
      setsockopt: c.func("int setsockopt(int, int, int, const void*, uint32_t)"),
      bind: c.func("int bind(int, const void*, uint32_t)"),
      close: c.func("int close(int)"),
      recvmmsg: c.func("int recvmmsg(int, void*, uint32_t, int, void*)"),
      sendmmsg: c.func("int sendmmsg(int, void*, uint32_t, int)"),
      errno: () => koffi.errno(),
      addressOf: (memory) => koffi.address(memory),
    };
  } catch (error) {
    return `koffi does not load: ${(error as Error).message}`;
  }
}

const MSG_DONTWAIT = 0x40;
const [EAGAIN, EINVAL, EIO] = [11, 22, 5];
const [SOL_UDP, UDP_SEGMENT] = [17, 103];
/** struct mmsghdr in 32-bit words: name 0, namelen 2, iov 4, iovlen 6, control 8, controllen 10, flags 12, length received 14. */
const HEADER = 16;
/** Words of a struct iovec (base, length), of a struct sockaddr_in and of a control message with one u16. */
const [IOVEC, NAME, CONTROL] = [4, 4, 6];

/** Memory that the kernel reads and writes: never moved, since it lies outside V8's heap. */
class Block {
  readonly bytes: Uint8Array;
  readonly words: Uint32Array;
  readonly #start: number;
  constructor(c: Libc, size: number) {
    const buffer = new ArrayBuffer(size);
    this.bytes = new Uint8Array(buffer);
    this.words = new Uint32Array(buffer);
    this.#start = Number(c.addressOf(this.bytes)); // addresses of processes stay below 2^48
  }

  /** Writes the address of our byte `offset` into two words of `into`. */
  point(into: Block, word: number, offset: number): void {
    const address = this.#start + offset;
    into.words[word] = address >>> 0;
    into.words[word + 1] = Math.floor(address / 2 ** 32);
  }
}

/** What came in with one call: up to `MOST` datagrams, cut off after `ROOM` bytes. Each call overwrites what the last one got. */
export class Inbox {
  static readonly MOST = 64;
  static readonly ROOM = 2048;
  readonly #c: Libc;
  readonly #data: Block;
  readonly #names: Block;
  readonly #iovecs: Block;
  readonly #headers: Block;

  constructor(c: Libc) {
    this.#c = c;
    const { MOST, ROOM } = Inbox;
    this.#data = new Block(c, MOST * ROOM);
    this.#names = new Block(c, MOST * NAME * 4);
    this.#iovecs = new Block(c, MOST * IOVEC * 4);
    this.#headers = new Block(c, MOST * HEADER * 4);
    for (let i = 0; i < MOST; i++) {
      this.#data.point(this.#iovecs, IOVEC * i, ROOM * i);
      this.#iovecs.words[IOVEC * i + 2] = ROOM;
      this.#names.point(this.#headers, HEADER * i, 4 * NAME * i);
      this.#headers.words[HEADER * i + 2] = 4 * NAME;
      this.#iovecs.point(this.#headers, HEADER * i + 4, 4 * IOVEC * i);
      this.#headers.words[HEADER * i + 6] = 1;
    }
  }

  /** How many came; 0 if nothing waits. */
  take(fd: number): number {
    return Math.max(0, this.#c.recvmmsg(fd, this.#headers.bytes, Inbox.MOST, MSG_DONTWAIT, null));
  }

  bytes(i: number): Uint8Array {
    const from = i * Inbox.ROOM;
    return this.#data.bytes.subarray(from, from + (this.#headers.words[HEADER * i + 14] ?? 0));
  }
  /** IPv4 address as number. */
  address(i: number): number {
    return swap32(this.#names.words[NAME * i + 1] ?? 0);
  }
  port(i: number): number {
    return swap16((this.#names.words[NAME * i] ?? 0) >>> 16);
  }
}

/** What could not be sent in one go. */
export type Unsent = (bytes: Uint8Array, port: number, address: number) => void;

/** Datagrams on their way out, copied. Those to one receiver, in a row and of one length (the last may be shorter), are one message. */
export class Outbox {
  /** Datagrams at once, and the longest. */
  static readonly MOST = 256;
  static readonly ROOM = 2048;
  static readonly #SEGMENTS = 32;
  readonly #c: Libc;
  readonly #data: Block;
  readonly #names: Block;
  readonly #iovecs: Block;
  readonly #controls: Block;
  readonly #headers: Block;
  #datagrams = 0;
  #messages = 0;
  /** Length of the datagrams of the last message; 0: nothing may follow in it. */
  #segment = 0;
  #segments = true;

  constructor(c: Libc) {
    this.#c = c;
    const { MOST, ROOM } = Outbox;
    this.#data = new Block(c, MOST * ROOM);
    this.#names = new Block(c, MOST * NAME * 4);
    this.#iovecs = new Block(c, MOST * IOVEC * 4);
    this.#controls = new Block(c, MOST * CONTROL * 4);
    this.#headers = new Block(c, MOST * HEADER * 4);
    for (let i = 0; i < MOST; i++) {
      this.#data.point(this.#iovecs, IOVEC * i, ROOM * i);
      this.#names.point(this.#headers, HEADER * i, 4 * NAME * i);
      this.#headers.words[HEADER * i + 2] = 4 * NAME;
      this.#controls.point(this.#headers, HEADER * i + 8, 4 * CONTROL * i);
      this.#controls.words.set([18, 0, SOL_UDP, UDP_SEGMENT], CONTROL * i); // struct cmsghdr: 16 bytes of it and 2 of value
    }
  }

  get empty(): boolean {
    return this.#datagrams === 0;
  }
  get full(): boolean {
    return this.#datagrams === Outbox.MOST;
  }

  /** At most `ROOM` bytes, and not when `full`. `address` as number. */
  add(bytes: Uint8Array, port: number, address: number): void {
    const slot = this.#datagrams++;
    this.#data.bytes.set(bytes, slot * Outbox.ROOM);
    this.#iovecs.words[IOVEC * slot + 2] = bytes.length;
    const place = AF_INET | (swap16(port) << 16);
    if (this.#follows(bytes.length, place >>> 0, swap32(address))) return;
    const i = this.#messages++;
    this.#names.words[NAME * i] = place;
    this.#names.words[NAME * i + 1] = swap32(address);
    this.#iovecs.point(this.#headers, HEADER * i + 4, 4 * IOVEC * slot);
    this.#headers.words[HEADER * i + 6] = 1;
    this.#headers.words[HEADER * i + 10] = 0;
    this.#segment = bytes.length;
  }

  /** Tells what the kernel did not take, in order. A machine that cannot cut messages into segments is not asked again. */
  flush(fd: number, unsent: Unsent): void {
    const total = this.#messages;
    for (let i = 0; i < total; ) {
      const headers = i === 0 ? this.#headers.bytes : this.#headers.bytes.subarray(4 * HEADER * i);
      const sent = this.#c.sendmmsg(fd, headers, total - i, MSG_DONTWAIT);
      if (sent > 0) {
        i += sent;
        continue;
      }
      const error = this.#c.errno();
      if (error === EINVAL || error === EIO) this.#segments = false;
      const last = error === EAGAIN ? total : i + 1; // a full queue is full for all
      for (; i < last; i++) this.#unpack(i, unsent);
    }
    this.#datagrams = this.#messages = this.#segment = 0;
  }

  #follows(length: number, place: number, address: number): boolean {
    const i = this.#messages - 1;
    if (!this.#segments || length > this.#segment || length === 0) return false;
    if (this.#names.words[NAME * i] !== place || this.#names.words[NAME * i + 1] !== address) return false;
    const count = this.#headers.words[HEADER * i + 6] ?? 0;
    if (count >= Outbox.#SEGMENTS || (count + 1) * this.#segment > 60_000) return false;
    this.#headers.words[HEADER * i + 6] = count + 1;
    this.#headers.words[HEADER * i + 10] = 4 * CONTROL;
    this.#controls.words[CONTROL * i + 4] = this.#segment;
    if (length < this.#segment) this.#segment = 0;
    return true;
  }

  #unpack(i: number, unsent: Unsent): void {
    let slot = 0;
    for (let before = 0; before < i; before++) slot += this.#headers.words[HEADER * before + 6] ?? 0;
    const end = slot + (this.#headers.words[HEADER * i + 6] ?? 0);
    const port = swap16((this.#names.words[NAME * i] ?? 0) >>> 16);
    const address = swap32(this.#names.words[NAME * i + 1] ?? 0);
    for (; slot < end; slot++) {
      const from = slot * Outbox.ROOM;
      unsent(this.#data.bytes.slice(from, from + (this.#iovecs.words[IOVEC * slot + 2] ?? 0)), port, address);
    }
  }
}

const AF_INET = 2;
const SOCK_DGRAM = 2;
const FLAGS = 0o2000000 | 0o4000; // SOCK_CLOEXEC | SOCK_NONBLOCK
const SOL_SOCKET = 1;
const [SO_SNDBUF, SO_RCVBUF, SO_SNDBUFFORCE, SO_RCVBUFFORCE] = [7, 8, 32, 33];

/** A bound UDP socket with buffers of this size, or as near as the system allows; undefined where it cannot be had. */
export function bindUdp(c: Libc, address: number, port: number, buffer: number): number | undefined {
  const fd = c.socket(AF_INET, SOCK_DGRAM | FLAGS, 0);
  if (fd < 0) return undefined;
  const size = new Uint8Array(Int32Array.of(buffer).buffer);
  for (const [forced, asked] of [
    [SO_RCVBUFFORCE, SO_RCVBUF],
    [SO_SNDBUFFORCE, SO_SNDBUF],
  ] as const)
    if (c.setsockopt(fd, SOL_SOCKET, forced, size, 4) < 0) c.setsockopt(fd, SOL_SOCKET, asked, size, 4);
  const where = new Uint8Array(Uint32Array.of(AF_INET | (swap16(port) << 16), swap32(address), 0, 0).buffer);
  if (c.bind(fd, where, 16) === 0) return fd;
  c.close(fd);
  return undefined;
}

const swap16 = (n: number): number => ((n & 0xff) << 8) | ((n >>> 8) & 0xff);
const swap32 = (n: number): number =>
  ((n << 24) | ((n & 0xff00) << 8) | ((n >>> 8) & 0xff00) | (n >>> 24)) >>> 0;
