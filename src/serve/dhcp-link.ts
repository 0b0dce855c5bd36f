// One interface: hears a message, has it decided, performs the decision.
import { inSubnet, parseIpv4, parseSubnet } from "../base/addresses.ts";
import { decide } from "../fleet/dhcp.ts";
import type { DhcpContext, DhcpDecision, FleetAnswer } from "../fleet/dhcp-context.ts";
import type { Network } from "../fleet/dhcp-reply.ts";
import { identify, type Sender } from "../fleet/identify.ts";
import { Pool } from "../fleet/pool.ts";
import type { Endpoint } from "../wire/dhcp/frames.ts";
import { messageType, OPTION } from "../wire/dhcp/options.ts";
import { type DhcpPacket, decode, MESSAGE } from "../wire/dhcp/packet.ts";
import type { DhcpInterface, DhcpNetwork, DhcpOptions } from "./dhcp.ts";
import { DhcpTeller } from "./dhcp-events.ts";
import { HeldDiscovers } from "./dhcp-held.ts";
import { Recent, type Telling } from "./dhcp-limits.ts";
import { DhcpOut } from "./dhcp-out.ts";
import { ConflictProbe } from "./dhcp-probe.ts";
import { isScan } from "./dhcp-scan.ts";
import type { DhcpSocket } from "./dhcp-socket.ts";
import type { Raw } from "./raw.ts";

interface Setup extends DhcpOptions {
  now(): number;
  telling: Telling;
  raw: Raw;
}

/** A network that clients are in: ours, or one behind a relay. */
interface Place {
  network: Network;
  pool: Pool | undefined;
}

/** One message on its way through. */
interface Call {
  packet: DhcpPacket;
  sender: Sender;
  node: FleetAnswer;
  place: Place | undefined;
  from: Endpoint;
  bootServer: boolean;
}

const LEASE_SECONDS = 43_200;
const MOST_REMEMBERED = 8192;
/** Messages that wait for a probe or the disk, at most. */
const MOST_WAITING = 8192;
/** A stranger found on an address: how often another one is tried for the same DISCOVER. */
const TRIES = 4;

export class DhcpLink {
  readonly #on: DhcpInterface;
  readonly #setup: Setup;
  readonly #name: string;
  readonly #places: Place[];
  readonly #probe: ConflictProbe;
  readonly #teller: DhcpTeller;
  readonly #senders = new Recent<Sender>(MOST_REMEMBERED);
  readonly #held = new HeldDiscovers(MOST_REMEMBERED);
  #out: DhcpOut | undefined;
  #waiting = 0;

  constructor(on: DhcpInterface, setup: Setup) {
    this.#on = on;
    this.#setup = setup;
    this.#name = on.name ?? on.address;
    this.#places = [on, ...(on.relayed ?? [])].map((network) => this.#place(network));
    this.#probe = new ConflictProbe(setup.raw, setup.now);
    this.#teller = new DhcpTeller({ ...setup, interface: this.#name, address: on.address });
  }

  start(dhcp: DhcpSocket, proxy: DhcpSocket): void {
    const { raw, port = 67, clientPort = 68 } = this.#setup;
    this.#out = new DhcpOut({ address: this.#on.address, port, clientPort, raw, dhcp, proxy });
  }

  /** Never throws: whatever a stranger sends costs at most one event a second. */
  hear(bytes: Uint8Array, from: Endpoint, bootServer: boolean): void {
    try {
      const packet = decode(bytes);
      if (packet.op === 2) this.#teller.server(packet, from.address);
      else if (from.address === this.#on.address && isScan(packet))
        return; // bramble doctor, here: no board
      else this.#hearClient(packet, from, bootServer);
    } catch (error) {
      this.#teller.broken(error as Error, from.address);
    }
  }

  /** Its turn has come: answers what it asked last, if it still listens. */
  again(mac: string): boolean {
    const held = this.#held.take(mac, this.#setup.now());
    if (held) this.#hearClient(held.packet, held.from, false);
    return held !== undefined;
  }

  failed(error: Error): void {
    this.#teller.broken(error, "0.0.0.0");
  }

  close(): void {
    this.#out?.close();
    this.#out = undefined;
    this.#probe.close();
  }

  #hearClient(packet: DhcpPacket, from: Endpoint, bootServer: boolean): void {
    if (this.#waiting >= MOST_WAITING) throw new Error("too many answers are waiting: this one is dropped");
    const sender = this.#recognise(packet);
    const { giaddr } = packet;
    const relay = giaddr === "0.0.0.0" ? {} : { relay: giaddr };
    const node = this.#setup.ask(sender, { interface: this.#name, ...relay });
    if (node.later && messageType(packet) === MESSAGE.DISCOVER)
      this.#held.keep(packet, from, this.#setup.now());
    const call = { packet, sender, node, place: this.#placeOf(packet), from, bootServer };
    this.#waiting++;
    this.#answer(call)
      .catch((error: Error) => this.#teller.broken(error, from.address, call))
      .finally(() => this.#waiting--);
  }

  async #answer(call: Call): Promise<void> {
    for (let tries = 1; ; tries++) {
      const decision = decide(call.packet, call.sender, this.#context(call));
      this.#keep(decision, call);
      if (decision.probe && (await this.#strangerOn(decision.probe, call)) && tries < TRIES) continue;
      if (decision.lease) await this.#setup.leases.put(decision.lease);
      this.#teller.tell(call, decision);
      if (decision.reply) this.#out?.reply(decision.reply, call.from, call.bootServer);
      return;
    }
  }

  #context({ bootServer, node, place }: Call): DhcpContext {
    const { leases, now, quirks } = this.#setup;
    const { mode, address } = this.#on;
    const where = { network: place?.network, pool: place?.pool };
    return { mode, server: address, ...where, leases, node, nowMs: now(), quirks, bootServer };
  }

  /** What the decision says about addresses, at once: the next message already sees it. */
  #keep({ hold, unhold, quarantine }: DhcpDecision, { sender, place }: Call): void {
    const now = this.#setup.now();
    if (unhold) place?.pool?.unhold(sender.mac);
    if (hold !== undefined) place?.pool?.hold(hold, sender.mac, now);
    if (quarantine !== undefined) place?.pool?.quarantine(quarantine, now);
  }

  /** True when the answer waited for the probe and it found somebody. Without waiting, what it finds counts from then on. */
  async #strangerOn({ address, wait }: { address: string; wait: boolean }, call: Call): Promise<boolean> {
    const { mac } = call.sender;
    const asking = this.#probe.ask(address, mac).then((stranger) => {
      if (stranger === undefined) return false;
      call.place?.pool?.quarantine(address, this.#setup.now());
      call.place?.pool?.unhold(mac);
      const reason = `${address} was meant for ${mac}, but ${stranger} answers there by ARP: it rests for ten minutes`;
      this.#teller.tell(call, { kind: "conflict", address, reason });
      return true;
    });
    return wait && (await asking);
  }

  /** The EEPROM's REQUEST says less of itself than its DISCOVER: then the DISCOVER counts. */
  #recognise(packet: DhcpPacket): Sender {
    const sender = identify(packet);
    if (messageType(packet) === MESSAGE.DISCOVER) {
      this.#senders.set(sender.mac, sender);
      return sender;
    }
    const before = this.#senders.get(sender.mac);
    const sameClient = before !== undefined && before.vendorClass === sender.vendorClass;
    return sameClient && !packet.options.has(OPTION.GUID) ? before : sender;
  }

  /** Where a client is: behind the relay that giaddr names, else here. */
  #placeOf({ giaddr }: DhcpPacket): Place | undefined {
    if (giaddr === "0.0.0.0") return this.#places[0];
    return this.#places.find(({ network }) => inSubnet(parseIpv4(giaddr), network.subnet));
  }

  #place({ subnet, pool, router, dns, domain, leaseSeconds = LEASE_SECONDS }: DhcpNetwork): Place {
    const { leases, isReserved = () => false } = this.#setup;
    const parsed = parseSubnet(subnet);
    const network = { subnet: parsed, router, dns, domain, leaseSeconds };
    if (this.#on.mode !== "full") return { network, pool: undefined };
    const taken = [this.#on.address, ...(router === undefined ? [] : [router]), ...(dns ?? [])];
    return {
      network,
      pool: new Pool({ subnet: parsed, ...(pool && { range: pool }), taken, leases, isReserved }),
    };
  }
}
