// The way out of one interface: delays, the frame before an answer, pinned neighbours, broadcast or a frame to one client.
import type { DhcpReply } from "../fleet/dhcp-context.ts";
import type { Endpoint } from "../wire/dhcp/frames.ts";
import { encode } from "../wire/dhcp/packet.ts";
import type { DhcpSocket } from "./dhcp-socket.ts";
import type { Raw } from "./raw.ts";

interface Setup {
  /** Our own address on the interface. */
  address: string;
  /** As it was asked for: relays use the standard port only if we do. */
  port: number;
  clientPort: number;
  raw: Raw;
  dhcp: DhcpSocket;
  proxy: DhcpSocket;
}

/** Answers that wait for their time, and pinned neighbours, at most. */
const MOST_DELAYED = 8192;
const MOST_PINNED = 4096;

export class DhcpOut {
  readonly #setup: Setup;
  readonly #delayed = new Map<string, NodeJS.Timeout>();
  readonly #pinned = new Map<string, NodeJS.Timeout>();

  constructor(setup: Setup) {
    this.#setup = setup;
  }

  /** Sends the answer, now or after its delay. A newer answer to the same client takes the place of one that still waits. */
  reply(reply: DhcpReply, from: Endpoint, bootServer: boolean): void {
    const { chaddr } = reply.packet;
    clearTimeout(this.#delayed.get(chaddr));
    this.#delayed.delete(chaddr);
    if (reply.delayMs === 0 || this.#delayed.size >= MOST_DELAYED) {
      this.#now(reply, from, bootServer);
      return;
    }
    const timer = setTimeout(() => {
      this.#delayed.delete(chaddr);
      this.#now(reply, from, bootServer);
    }, reply.delayMs);
    this.#delayed.set(chaddr, timer);
  }

  close(): void {
    for (const timer of this.#delayed.values()) clearTimeout(timer);
    for (const [address, timer] of this.#pinned) {
      clearTimeout(timer);
      this.#setup.raw.unpin(address);
    }
    this.#delayed.clear();
    this.#pinned.clear();
  }

  #now({ packet, to, arpBefore, pinNeighbour }: DhcpReply, from: Endpoint, bootServer: boolean): void {
    if (pinNeighbour) this.#pin(pinNeighbour.address, pinNeighbour.mac, pinNeighbour.forMs);
    if (arpBefore !== undefined) this.#setup.raw.askArp(arpBefore);
    const bytes = encode(packet);
    const socket = bootServer ? this.#setup.proxy : this.#setup.dhcp;
    const where = this.#where(to, from);
    const own = { address: this.#setup.address, port: socket.port };
    if (to.how === "raw" && to.mac !== undefined && where.address === to.address) {
      if (this.#setup.raw.sendTo(to.mac, own, where, bytes)) return;
      where.address = "255.255.255.255";
    }
    socket.send(bytes, where);
  }

  #where(to: DhcpReply["to"], from: Endpoint): Endpoint {
    const { address, port, clientPort } = this.#setup;
    // Nothing is broadcast on loopback, and a relay of an unusual server port is answered where it sent from.
    if (to.how === "sender" || address.startsWith("127.") || (to.how === "relay" && port !== 67))
      return { ...from };
    return { address: to.address, port: to.how === "relay" ? 67 : clientPort };
  }

  #pin(address: string, mac: string, forMs: number): void {
    if (this.#pinned.size >= MOST_PINNED && !this.#pinned.has(address)) return;
    if (!this.#setup.raw.pin(address, mac)) return;
    clearTimeout(this.#pinned.get(address));
    const timer = setTimeout(() => {
      this.#pinned.delete(address);
      this.#setup.raw.unpin(address);
    }, forMs);
    this.#pinned.set(address, timer);
  }
}
