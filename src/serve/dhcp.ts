// DHCP on the network's side: sockets, one link for each interface, and their common bounds. What is answered: fleet/dhcp.ts.
import type { DhcpMode, FleetAnswer } from "../fleet/dhcp-context.ts";
import type { BootStage, Sender } from "../fleet/identify.ts";
import type { Lease, LeaseView } from "../fleet/pool.ts";
import type { QuirkSwitches } from "../fleet/quirks.ts";
import { LIMITS, type Limits, Telling } from "./dhcp-limits.ts";
import { DhcpLink } from "./dhcp-link.ts";
import { type DhcpSocket, openDhcpSocket } from "./dhcp-socket.ts";
import { type Lost, openRaw } from "./raw.ts";

/** A network and what its hosts are told; addresses as dotted quads. */
export interface DhcpNetwork {
  /** "10.0.0.0/24" */
  subnet: string;
  /** Full mode: first and last address; absent: reservations only. */
  pool?: { from: string; to: string };
  router?: string;
  dns?: string[];
  domain?: string;
  /** 12 hours unless said otherwise. */
  leaseSeconds?: number;
}

export interface DhcpInterface extends DhcpNetwork {
  /** As the kernel calls it. Without it there is one socket for all, and no frames, ARP or pinned neighbours. */
  name?: string;
  /** Our own address on it. */
  address: string;
  mode: DhcpMode;
  /** Networks whose relays send to this interface. */
  relayed?: DhcpNetwork[];
}

export interface DhcpEvent {
  kind: "decision" | "foreign-server" | "conflict" | "decline" | "release" | "inform" | "error";
  mac: string;
  serial?: string;
  nodeId?: string;
  stage: BootStage;
  xid: number;
  address?: string;
  /** The address that the client has or will have, from us or from the router. */
  learned?: string;
  /** What was heard, and what it got: "DISCOVER → OFFER", "REQUEST → silence". */
  message: string;
  reason: string;
  interface: string;
  /** Milliseconds since 1970. */
  at: number;
}

export interface DhcpOptions {
  interfaces: DhcpInterface[];
  /** 67; 0: any free port. */
  port?: number;
  /** 68 */
  clientPort?: number;
  /** 4011; 0: any free port. */
  proxyPort?: number;
  /** From memory, at once: a DISCOVER waits for it. */
  ask(sender: Sender, via: { interface: string; relay?: string }): FleetAnswer;
  leases: LeaseView & { put(lease: Lease): Promise<void> };
  /** Must be quick. Bounded: a flood is summed up in one event. */
  on(event: DhcpEvent): void;
  /** Is the address some node's by reservation? Then the pool leaves it alone. */
  isReserved?(address: string): boolean;
  quirks?: QuirkSwitches;
  limits?: Limits;
  now?(): number;
}

export interface DhcpServer {
  readonly ports: { address: string; dhcp: number; proxy: number }[];
  /** What this machine does not let us do, for each interface. */
  readonly lost: { interface: string; lost: readonly Lost[] }[];
  /** The turn of a client has come that `ask` said "later" to: answers its last DISCOVER, if it still listens. */
  again(mac: string): boolean;
  close(): Promise<void>;
}

/** Listens on each interface whose mode is not off. PORT_TAKEN, PORT_REFUSED, BAD_INPUT. */
export async function serveDhcp(options: DhcpOptions): Promise<DhcpServer> {
  const now = options.now ?? Date.now;
  const telling = new Telling(options.limits ?? LIMITS, now());
  const server = { ports: [] as DhcpServer["ports"], lost: [] as DhcpServer["lost"] };
  const links: DhcpLink[] = [];
  const closers: (() => Promise<void> | void)[] = [];
  const close = async () => {
    // First whoever may still want to send.
    for (const link of links.splice(0)) link.close();
    for (const end of closers.splice(0).reverse()) await end();
  };
  try {
    for (const [i, on] of options.interfaces.filter(({ mode }) => mode !== "off").entries()) {
      const raw = await openRaw(on.name, on.address);
      closers.push(() => raw.close());
      const link = new DhcpLink(on, { ...options, now, telling, raw });
      links.push(link);
      const listen = async (port: number, bootServer: boolean): Promise<DhcpSocket> => {
        const socket = await openDhcpSocket({
          address: on.address,
          port,
          broadcasts: bootServer ? "none" : i === 0 ? "device else all" : "device",
          raw,
          heard: (bytes, from) => link.hear(bytes, from, bootServer),
          failed: (error) => link.failed(error),
        });
        closers.push(() => socket.close());
        return socket;
      };
      const dhcp = await listen(options.port ?? 67, false);
      const proxy = await listen(options.proxyPort ?? 4011, true);
      link.start(dhcp, proxy);
      server.ports.push({ address: on.address, dhcp: dhcp.port, proxy: proxy.port });
      server.lost.push({ interface: on.name ?? on.address, lost: raw.lost });
    }
    return { ...server, again: (mac) => links.some((link) => link.again(mac)), close };
  } catch (error) {
    await close();
    throw error;
  }
}
