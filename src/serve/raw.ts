// What dgram cannot do, by koffi on Linux: a socket per interface, frames to clients without an address, ARP, pinned neighbours.
import { networkInterfaces } from "node:os";
import { macBytes, parseIpv4 } from "../base/addresses.ts";
import { arpRequest, arpSender, type Endpoint, udpPacket } from "../wire/dhcp/frames.ts";

/** What this machine lets us do; what is absent is in `lost`, with why and what that costs. */
export type RawCapability = "bind-to-device" | "raw-frames" | "neighbours";

export interface Lost {
  capability: RawCapability;
  why: string;
  costs: string;
}

export interface Raw {
  readonly lost: readonly Lost[];
  /** File descriptor of a bound UDP socket that hears this interface only; undefined when that cannot be had. */
  boundSocket(port: number): number | undefined;
  /** A UDP packet in a frame to this MAC; false when it cannot be sent. */
  sendTo(mac: string, from: Endpoint, to: Endpoint, payload: Uint8Array): boolean;
  /** A broadcast "who has?"; false when it cannot be sent. */
  askArp(target: string): boolean;
  /** The senders of ARP packets seen since the last call. Hears from the first call on, until hushArp(). */
  heardArp(): { mac: string; address: string }[];
  hushArp(): void;
  /** A permanent entry in the neighbour table; false when that cannot be done. */
  pin(address: string, mac: string): boolean;
  unpin(address: string): void;
  close(): void;
}

const COSTS: Record<RawCapability, string> = {
  "bind-to-device":
    "broadcasts cannot be told apart by interface: with several interfaces only the first one answers them",
  "raw-frames":
    "answers to clients without an address are broadcasts, the Pi 3 boot ROM gets no frame before its OFFER, and address conflicts are not looked for",
  neighbours: "a Pi 3 that stops answering ARP during TFTP can lose its boot",
};

// <bits/socket.h>, <linux/if_packet.h>, <linux/if_arp.h>, <linux/sockios.h>
const AF_INET = 2;
const AF_PACKET = 17;
const SOCK_DGRAM = 2;
const FLAGS = 0o2000000 | 0o4000; // SOCK_CLOEXEC | SOCK_NONBLOCK
const SOL_SOCKET = 1;
const [SO_REUSEADDR, SO_BROADCAST, SO_RCVBUF, SO_BINDTODEVICE, SO_RCVBUFFORCE] = [2, 6, 8, 25, 33];
const [ETH_IP, ETH_ARP] = [0x0800, 0x0806];
const [SIOCDARP, SIOCSARP] = [0x8953, 0x8955];
const ATF_PERMANENT = 0x02 | 0x04; // ATF_COM | ATF_PERM
const EPERM = 1;
const RECEIVE_BUFFER = 8 << 20;
const EVERYONE = "ff:ff:ff:ff:ff:ff";

export interface Libc {
  socket(family: number, type: number, protocol: number): number;
  setsockopt(fd: number, level: number, name: number, value: Buffer, length: number): number;
  bind(fd: number, address: Buffer, length: number): number;
  sendto(fd: number, bytes: Uint8Array, length: number, flags: number, to: Buffer, size: number): number;
  recv(fd: number, into: Buffer, length: number, flags: number): number;
  ioctl(fd: number, request: number, argument: Buffer): number;
  close(fd: number): number;
  if_nametoindex(name: string): number;
  errno(): number;
}

let libc: Promise<Libc | string> | undefined;

/** The C library, or in words why not. */
export async function loadLibc(): Promise<Libc | string> {
  if (process.platform !== "linux") return `this is ${process.platform}, not Linux`;
  try {
    const { default: koffi } = await import("koffi");
    const c = koffi.load(null);
    return {
      socket: c.func("int socket(int, int, int)"),
      setsockopt: c.func("int setsockopt(int, int, int, const void*, uint32_t)"),
      bind: c.func("int bind(int, const void*, uint32_t)"),
      sendto: c.func("long sendto(int, const void*, size_t, int, const void*, uint32_t)"),
      recv: c.func("long recv(int, void*, size_t, int)"),
      ioctl: c.func("int ioctl(int, unsigned long, void*)"),
      close: c.func("int close(int)"),
      if_nametoindex: c.func("unsigned int if_nametoindex(const char*)"),
      errno: () => koffi.errno(),
    };
  } catch (error) {
    return `koffi does not load: ${(error as Error).message}`;
  }
}

/** Never throws: what cannot be had is said in `lost`. Without an interface name there is nothing to have. */
export async function openRaw(name: string | undefined, address: string): Promise<Raw> {
  libc ??= loadLibc();
  const c = await libc;
  if (typeof c === "string") return nothing(c);
  if (name === undefined)
    return address.startsWith("127.")
      ? { ...nothing(""), lost: [] } // no board hangs on loopback: nothing is missed there
      : nothing("no interface name is given");
  // Not from /sys: inside a network namespace that may still be another one's.
  const index = c.if_nametoindex(name);
  const mac = networkInterfaces()[name]?.[0]?.mac;
  if (!index || !mac) return nothing(`there is no interface ${name}`);
  return new LinuxRaw(c, { name, address, index, mac });
}

/** For tests and for machines where nothing of this can be had. */
export function nothing(why: string): Raw {
  return {
    lost: (Object.keys(COSTS) as RawCapability[]).map((capability) => ({
      capability,
      why,
      costs: COSTS[capability],
    })),
    boundSocket: () => undefined,
    sendTo: () => false,
    askArp: () => false,
    heardArp: () => [],
    hushArp: () => {},
    pin: () => false,
    unpin: () => {},
    close: () => {},
  };
}

class LinuxRaw implements Raw {
  readonly lost: Lost[] = [];
  readonly #c: Libc;
  readonly #on: { name: string; address: string; index: number; mac: string };
  readonly #frames: number;
  readonly #ioctls: number;
  #ears = -1;

  constructor(c: Libc, on: { name: string; address: string; index: number; mac: string }) {
    this.#c = c;
    this.#on = on;
    this.#frames = c.socket(AF_PACKET, SOCK_DGRAM | FLAGS, 0);
    if (this.#frames < 0)
      this.#lose("raw-frames", c.errno() === EPERM ? "needs CAP_NET_RAW" : "no AF_PACKET");
    this.#ioctls = c.socket(AF_INET, SOCK_DGRAM | FLAGS, 0);
    // Deleting what is not there tells whether we may: EPERM comes first.
    if (this.#arpIoctl(SIOCDARP, "0.0.0.0", EVERYONE) < 0 && c.errno() === EPERM)
      this.#lose("neighbours", "needs CAP_NET_ADMIN");
  }

  boundSocket(port: number): number | undefined {
    const c = this.#c;
    const fd = c.socket(AF_INET, SOCK_DGRAM | FLAGS, 0);
    if (fd < 0) return undefined;
    const device = Buffer.from(`${this.#on.name}\0`);
    const one = Buffer.from(Int32Array.of(1).buffer);
    c.setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, one, 4);
    c.setsockopt(fd, SOL_SOCKET, SO_BROADCAST, one, 4);
    const size = Buffer.from(Int32Array.of(RECEIVE_BUFFER).buffer);
    if (c.setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, size, 4) < 0)
      c.setsockopt(fd, SOL_SOCKET, SO_RCVBUF, size, 4);
    const where = Buffer.alloc(16);
    where.writeUInt16LE(AF_INET, 0);
    where.writeUInt16BE(port, 2);
    if (
      c.setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, device, device.length) === 0 &&
      c.bind(fd, where, 16) === 0
    )
      return fd;
    this.#lose("bind-to-device", c.errno() === EPERM ? "needs CAP_NET_RAW" : `error ${c.errno()}`);
    c.close(fd);
    return undefined;
  }

  sendTo(mac: string, from: Endpoint, to: Endpoint, payload: Uint8Array): boolean {
    return this.#send(mac, ETH_IP, udpPacket(from, to, payload));
  }

  askArp(target: string): boolean {
    return this.#send(EVERYONE, ETH_ARP, arpRequest(this.#on, target));
  }

  heardArp(): { mac: string; address: string }[] {
    const c = this.#c;
    if (this.#ears < 0) {
      this.#ears = c.socket(AF_PACKET, SOCK_DGRAM | FLAGS, swap16(ETH_ARP));
      if (this.#ears >= 0) c.bind(this.#ears, this.#link(EVERYONE, ETH_ARP), 20);
    }
    const heard: { mac: string; address: string }[] = [];
    const buffer = Buffer.alloc(64);
    // A flood of ARP cannot hold us here: the rest is for the next call.
    for (let i = 0; i < 512 && this.#ears >= 0; i++) {
      const length = c.recv(this.#ears, buffer, buffer.length, 0);
      if (length <= 0) break;
      const sender = arpSender(buffer.subarray(0, length));
      if (sender && sender.mac !== this.#on.mac) heard.push(sender);
    }
    return heard;
  }

  hushArp(): void {
    if (this.#ears >= 0) this.#c.close(this.#ears);
    this.#ears = -1;
  }

  pin(address: string, mac: string): boolean {
    return this.#arpIoctl(SIOCSARP, address, mac) === 0;
  }

  unpin(address: string): void {
    this.#arpIoctl(SIOCDARP, address, EVERYONE);
  }

  close(): void {
    this.hushArp();
    for (const fd of [this.#frames, this.#ioctls]) if (fd >= 0) this.#c.close(fd);
  }

  #lose(capability: RawCapability, why: string): void {
    this.lost.push({ capability, why, costs: COSTS[capability] });
  }

  #send(mac: string, type: number, bytes: Uint8Array): boolean {
    if (this.#frames < 0) return false;
    const sent = this.#c.sendto(this.#frames, bytes, bytes.length, 0, this.#link(mac, type), 20);
    return sent === bytes.length;
  }

  /** struct sockaddr_ll */
  #link(mac: string, type: number): Buffer {
    const link = Buffer.alloc(20);
    link.writeUInt16LE(AF_PACKET, 0);
    link.writeUInt16BE(type, 2);
    link.writeInt32LE(this.#on.index, 4);
    link.writeUInt8(6, 11);
    link.set(macBytes(mac), 12);
    return link;
  }

  /** struct arpreq */
  #arpIoctl(request: number, address: string, mac: string): number {
    const wish = Buffer.alloc(68);
    wish.writeUInt16LE(AF_INET, 0);
    wish.writeUInt32BE(parseIpv4(address), 4);
    wish.writeUInt16LE(1, 16); // ARPHRD_ETHER
    wish.set(macBytes(mac), 18);
    wish.writeInt32LE(request === SIOCSARP ? ATF_PERMANENT : 0, 32);
    wish.write(this.#on.name.slice(0, 15), 52, "latin1");
    return this.#c.ioctl(this.#ioctls, request, wish);
  }
}

const swap16 = (n: number): number => ((n & 0xff) << 8) | (n >> 8);
