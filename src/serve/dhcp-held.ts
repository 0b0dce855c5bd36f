// DISCOVERs that are not answered yet, though they may be: a board listens until it asks again.
import type { Endpoint } from "../wire/dhcp/frames.ts";
import type { DhcpPacket } from "../wire/dhcp/packet.ts";
import { Recent } from "./dhcp-limits.ts";

interface Held {
  packet: DhcpPacket;
  from: Endpoint;
  firstMs: number;
  lastMs: number;
  listensMs: number;
}

/** No firmware asks again sooner after its first DISCOVER (spec pi-boot.md 1.2). */
const FIRST_MS = 3_000;
/** DHCP_TIMEOUT is 45 s: an answer needs a moment to be taken. */
const PATIENCE_MS = 43_000;

/** The last DISCOVER of each client, for as long as it surely listens for an answer to it. */
export class HeldDiscovers {
  readonly #held: Recent<Held>;

  constructor(most: number) {
    this.#held = new Recent(most);
  }

  keep(packet: DhcpPacket, from: Endpoint, now: number): void {
    const before = this.#held.get(packet.chaddr);
    const again =
      before?.packet.xid === packet.xid && now - before.firstMs < PATIENCE_MS ? before : undefined;
    // pauses never get shorter within one attempt: it listens at least as long as it did the last time
    const listensMs = again ? Math.max(FIRST_MS, now - again.lastMs) : FIRST_MS;
    this.#held.set(packet.chaddr, { packet, from, firstMs: again?.firstMs ?? now, lastMs: now, listensMs });
  }

  /** Undefined: it does not listen any more, or never waited. Taken once. */
  take(mac: string, now: number): { packet: DhcpPacket; from: Endpoint } | undefined {
    const held = this.#held.get(mac);
    if (!held || now > held.lastMs + held.listensMs || now > held.firstMs + PATIENCE_MS) return undefined;
    // the next one is told from a new attempt by its xid
    this.#held.set(mac, { ...held, listensMs: -1 });
    return held;
  }
}
