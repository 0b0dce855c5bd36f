// A virtual Pi on a real interface of Linux, frame by frame, with its own MAC and address: no kernel answers ARP for it. Needs CAP_NET_RAW.
import { BrambleError } from "../base/errors.ts";
import { type Impairment, impairment } from "./impair.ts";
import type { Frame, SimNet, Wire } from "./machine.ts";
import { arpFrame, readFrame, udpFrame } from "./raw-frames.ts";

export interface RawNetOptions {
  /** As the kernel calls it, "veth1". It must be up; promiscuous mode is set while boards are plugged in. */
  interface: string;
  impair?: Impairment;
}

// <linux/if_packet.h>, <bits/socket.h>
const [AF_PACKET, SOCK_RAW, FLAGS, SOL_SOCKET, SO_RCVBUF, SOL_PACKET] = [17, 3, 0o2004000, 1, 8, 263];
const [PACKET_ADD_MEMBERSHIP, PACKET_MR_PROMISC] = [1, 1];
const ETH_ALL = 0x0300; // 3 in network order
const EVERYONE = "ff:ff:ff:ff:ff:ff";
const ALL = "255.255.255.255";
const RECEIVE_BUFFER = 4 << 20;

async function loadLibc() {
  const { default: koffi } = await import("koffi");
  const c = koffi.load(null);
  return {
    socket: c.func("int socket(int, int, int)") as (family: number, type: number, protocol: number) => number,
    setsockopt: c.func("int setsockopt(int, int, int, const void*, uint32_t)"),
    bind: c.func("int bind(int, const void*, uint32_t)"),
    send: c.func("long send(int, const void*, size_t, int)"),
    recv: c.func("long recv(int, void*, size_t, int)") as (
      fd: number,
      b: Uint8Array,
      n: number,
      f: number,
    ) => number,
    if_nametoindex: c.func("uint32_t if_nametoindex(const char*)") as (name: string) => number,
    close: c.func("int close(int)"),
    errno: () => koffi.errno(),
  };
}

/** BAD_INPUT where there is no such interface or the privilege is missing. */
export function rawNet(options: RawNetOptions): SimNet {
  return { attach: ({ mac, hear }) => plug(options, mac, hear) };
}

async function plug(options: RawNetOptions, mac: string, hear: (frame: Frame) => void): Promise<Wire> {
  const name = options.interface;
  const c = await loadLibc();
  const index = c.if_nametoindex(name);
  if (index === 0) throw new BrambleError("BAD_INPUT", `there is no interface ${name}`);
  const fd = c.socket(AF_PACKET, SOCK_RAW | FLAGS, ETH_ALL);
  const link = Buffer.alloc(20); // struct sockaddr_ll
  link.writeUInt16LE(AF_PACKET, 0);
  link.writeUInt16LE(ETH_ALL, 2);
  link.writeInt32LE(index, 4);
  if (fd < 0 || c.bind(fd, link, 20) !== 0)
    throw new BrambleError("BAD_INPUT", `no frames on ${name}: error ${c.errno()}`, {
      hint: "a virtual Pi on a real interface needs CAP_NET_RAW",
    });
  c.setsockopt(fd, SOL_SOCKET, SO_RCVBUF, Buffer.from(Int32Array.of(RECEIVE_BUFFER).buffer), 4);
  const promiscuous = Buffer.alloc(16); // struct packet_mreq
  promiscuous.writeInt32LE(index, 0);
  promiscuous.writeUInt16LE(PACKET_MR_PROMISC, 4);
  c.setsockopt(fd, SOL_PACKET, PACKET_ADD_MEMBERSHIP, promiscuous, 16);

  const buffer = new Uint8Array(2048);
  const macs = new Map<string, string>();
  const copies = impairment(options.impair ?? {});
  const timers = new Set<NodeJS.Timeout>();
  let address = "0.0.0.0";
  let router: string | undefined;
  let near = (_: string) => true;
  let open = true;
  let idle = 0;

  const later = (ms: number, run: () => void) => {
    if (ms <= 0) return run();
    const timer = setTimeout(() => {
      timers.delete(timer);
      if (open) run();
    }, ms);
    timers.add(timer);
  };
  const put = (frame: Uint8Array) => {
    for (const ms of copies()) later(ms, () => void c.send(fd, frame, frame.length, 0));
  };

  /** Node cannot wait for a packet socket: it is looked at, at every turn while frames come, else each millisecond. */
  const look = () => {
    if (!open) return;
    let heard = 0;
    for (; heard < 64; heard++) {
      const length = c.recv(fd, buffer, buffer.length, 0);
      if (length <= 0) break;
      const got = readFrame(buffer.subarray(0, length), mac);
      if (!got) continue;
      const { frame } = got;
      if (frame.kind === "arp") macs.set(frame.sender, frame.mac);
      if (frame.kind === "udp" && !frame.broadcast && frame.to.address !== address && address !== "0.0.0.0")
        continue;
      for (const ms of copies()) later(ms, () => hear(frame));
      if (!open) return;
    }
    idle = heard > 0 ? 0 : idle + 1;
    if (idle < 200) setImmediate(look);
    else {
      const timer = setTimeout(() => {
        timers.delete(timer);
        look();
      }, 1);
      timers.add(timer);
    }
  };
  setImmediate(look);

  return {
    now: () => performance.now(),
    act(order) {
      if (order.do === "configure") {
        ({ address, router } = order);
        const mask = order.mask.split(".").map(Number);
        const own = address.split(".").map(Number);
        near = (other) =>
          other.split(".").every((part, i) => ((Number(part) ^ (own[i] ?? 0)) & (mask[i] ?? 0)) === 0);
      } else if (order.do === "arp") {
        put(arpFrame(order.what, { mac, address }, { mac: order.targetMac, address: order.target }));
      } else if (order.do === "send") {
        const broadcast = order.to.address === ALL;
        const hop = near(order.to.address) ? order.to.address : (router ?? order.to.address);
        const toMac = broadcast ? EVERYONE : (macs.get(hop) ?? EVERYONE);
        const from = { address: order.to.port === 67 ? "0.0.0.0" : address, port: order.port };
        put(udpFrame(mac, toMac, from, order.to, order.bytes));
      }
      return undefined;
    },
    at(time, wake) {
      const timer = setTimeout(wake, Math.max(0, time - performance.now()));
      return () => clearTimeout(timer);
    },
    close() {
      open = false;
      for (const timer of timers) clearTimeout(timer);
      c.close(fd);
    },
  };
}
