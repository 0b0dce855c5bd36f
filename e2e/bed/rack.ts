// Virtual Pis on the wire itself: frames through one tap interface, no kernel's IP in between. So they can be as silent,
// early or deaf as real boot ROMs are.
import { createHash } from "node:crypto";
import { closeSync, openSync, read, writeSync } from "node:fs";
import koffi from "koffi";
import {
  formatIpv4,
  formatMac,
  inSubnet,
  macBytes,
  parseIpv4,
  parseSubnet,
} from "../../src/base/addresses.ts";
import { isOldBoot, type Model, macOfSerial } from "../../src/formats/boards.ts";
import type { Bugs, SimBoot, VirtualPi } from "../../src/sim/board.ts";
import { type Impairment, impairment } from "../../src/sim/impair.ts";
import type { Frame, Order, SimNet, Wire } from "../../src/sim/machine.ts";
import { bootPi } from "../../src/sim/pi.ts";
import { arpRequest, udpPacket } from "../../src/wire/dhcp/frames.ts";
import type { Stage } from "../scenario.ts";
import { sh } from "./commands.ts";
import type { Network } from "./network.ts";

const EVERYONE = "ff:ff:ff:ff:ff:ff";
const [ETH_IP, ETH_ARP] = [0x0800, 0x0806];
const UDP = 17;
/** <linux/if_tun.h>: TUNSETIFF, IFF_TAP | IFF_NO_PI */
const TUNSETIFF = 0x400454ca;
const TAP_FRAMES = 0x1002;

interface Board {
  mac: string;
  hear(frame: Frame): void;
  address: string;
  mask: string;
  router: string | undefined;
  /** What ARP replies have said. */
  neighbours: Map<string, string>;
}

/** A shelf of virtual Pis behind one socket of the network's switch. */
export interface Rack {
  boot(pi: VirtualPi, impair?: Impairment): Promise<SimBoot>;
}

export async function makeRack(t: Stage, network: Network): Promise<Rack> {
  const name = await network.tap();
  await sh(`ip link set ${name} txqueuelen 20000 up`);
  const tap = openTap(name);
  const boards = new Map<string, Board>();
  let closed = false;
  // The link goes first: a read that waits in the thread pool ends with it.
  t.atEnd(async () => {
    closed = true;
    await sh(`ip link del ${name}`);
  });

  const put = (to: string, from: string, type: number, packet: Uint8Array) => {
    if (closed) return;
    const frame = Buffer.alloc(14 + packet.length);
    frame.set(macBytes(to), 0);
    frame.set(macBytes(from), 6);
    frame.writeUInt16BE(type, 12);
    frame.set(packet, 14);
    writeSync(tap, frame);
  };

  const buffer = Buffer.alloc(2048);
  const next = () =>
    read(tap, buffer, 0, buffer.length, null, (error, length) => {
      if (error) return closeSync(tap);
      const to = formatMac(buffer.subarray(0, 6));
      const one = boards.get(to);
      if (one || to === EVERYONE) {
        const frame = parse(Buffer.from(buffer.subarray(0, length)), to === EVERYONE);
        if (frame) for (const board of one ? [one] : [...boards.values()]) deliver(board, frame);
      }
      next();
    });
  next();

  return {
    boot(pi, impair = {}) {
      const net: SimNet = {
        attach({ mac, hear }) {
          const late = impairment(impair);
          const slowly = (frame: Frame) => {
            for (const ms of late()) ms > 0 ? setTimeout(hear, ms, frame) : hear(frame);
          };
          const board: Board = {
            mac,
            hear: slowly,
            address: "0.0.0.0",
            mask: "0.0.0.0",
            router: undefined,
            neighbours: new Map(),
          };
          boards.set(mac, board);
          return wireOf(board, put, () => boards.delete(mac));
        },
      };
      return bootPi(pi, net, { keepBytes: true });
    },
  };
}

function openTap(name: string): number {
  const fd = openSync("/dev/net/tun", "r+");
  const request = Buffer.alloc(40);
  request.write(name, "latin1");
  request.writeUInt16LE(TAP_FRAMES, 16);
  const libc = koffi.load(null);
  const ioctl = libc.func("int ioctl(int, unsigned long, void*)");
  if (ioctl(fd, TUNSETIFF, request) === 0) return fd;
  closeSync(fd);
  throw new Error(`${name} cannot be opened: error ${koffi.errno()}`);
}

function deliver(board: Board, frame: Frame): void {
  if (frame.kind === "arp" && frame.what === "reply") board.neighbours.set(frame.sender, frame.mac);
  board.hear(frame);
}

function parse(bytes: Buffer, broadcast: boolean): Frame | undefined {
  const type = bytes.readUInt16BE(12);
  const packet = bytes.subarray(14);
  const at = (offset: number) => formatIpv4(packet.readUInt32BE(offset));
  if (type === ETH_ARP && packet.length >= 28) {
    const what = packet.readUInt16BE(6) === 1 ? "request" : "reply";
    return {
      kind: "arp",
      what,
      mac: formatMac(packet.subarray(8, 14)),
      sender: at(14),
      target: at(24),
      broadcast,
    };
  }
  if (type !== ETH_IP || packet[9] !== UDP) return undefined;
  const udp = packet.subarray(((packet[0] ?? 0) & 15) * 4, packet.readUInt16BE(2));
  return {
    kind: "udp",
    from: { address: at(12), port: udp.readUInt16BE(0) },
    to: { address: at(16), port: udp.readUInt16BE(2) },
    bytes: udp.subarray(8),
    broadcast,
  };
}

function wireOf(
  board: Board,
  put: (to: string, from: string, type: number, packet: Uint8Array) => void,
  close: () => void,
): Wire {
  const macOf = (address: string): string | undefined => {
    if (address === "255.255.255.255") return EVERYONE;
    const bits = parseIpv4(board.mask).toString(2).replace(/0+$/, "").length;
    const near = inSubnet(parseIpv4(address), parseSubnet(`${board.address}/${bits}`));
    return board.neighbours.get(near ? address : (board.router ?? ""));
  };
  const act = (order: Exclude<Order, { do: "receive" }>): undefined => {
    if (order.do === "send") {
      const to = macOf(order.to.address);
      const from = { address: board.address, port: order.port };
      if (to) put(to, board.mac, ETH_IP, udpPacket(from, order.to, order.bytes));
    } else if (order.do === "arp") {
      const packet = arpRequest(board, order.target);
      const answer = order.what === "reply" ? order.targetMac : undefined;
      if (answer) {
        packet[7] = 2;
        packet.set(macBytes(answer), 18);
      }
      put(answer ?? EVERYONE, board.mac, ETH_ARP, packet);
    } else if (order.do === "configure") {
      Object.assign(board, { address: order.address, mask: order.mask, router: order.router });
    }
    return undefined;
  };
  return {
    now: () => performance.now(),
    act,
    at(time, wake) {
      const timer = setTimeout(wake, Math.max(0, time - performance.now()));
      return () => clearTimeout(timer);
    },
    close,
  };
}

/** Board number `n` of a model: same number, same serial and MAC. It waits for the network, never for hardware. */
export function boardOf(model: Model, n: number, bugs?: Bugs): VirtualPi {
  const digits = createHash("sha256").update(`board ${model} ${n}`).digest("hex");
  const serial = digits.slice(0, 8);
  const mac = isOldBoot(model)
    ? macOfSerial(serial)
    : `dc:a6:32:${digits.slice(8, 14).replace(/..(?=.)/g, "$&:")}`;
  return { model, serial, mac, hardwareWaits: 0, patienceMs: 120_000, ...(bugs && { bugs }) };
}
