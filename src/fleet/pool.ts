// Which address a client gets (RFC 2131 4.3.1), and never one address to two clients.
import { formatIpv4, inSubnet, macBytes, parseIpv4, type Subnet } from "../base/addresses.ts";
import { BrambleError } from "../base/errors.ts";

/** An address that was promised to a MAC until a moment (ms since 1970). In the past: it may get the address again. */
export interface Lease {
  mac: string;
  address: string;
  expiresMs: number;
}

/** What the pool reads of the lease book. A MAC has one lease, an address has one owner. */
export interface LeaseView {
  get(mac: string): Lease | undefined;
  byAddress(address: string): Lease | undefined;
}

export interface PoolOptions {
  subnet: Subnet;
  /** First and last address handed out; absent: only reservations are. */
  range?: { from: string; to: string };
  /** Never handed out: our own address, the router, name servers. */
  taken: readonly string[];
  leases: LeaseView;
  /** Does the address belong to some node by reservation? Then nobody else gets it out of the pool. */
  isReserved(address: string): boolean;
}

export interface Choice {
  address: string;
  why: string;
}

export interface Wish {
  mac: string;
  reserved?: string | undefined;
  /** Option 50. */
  wanted?: string | undefined;
  nowMs: number;
}

/** An OFFER waits this long for its REQUEST. */
const HOLD_MS = 60_000;
/** An address in conflict rests this long. */
const QUARANTINE_MS = 600_000;
const MOST_QUARANTINED = 4096;
/** After a search in vain, the next one for a new address. Searches cost a look at each address. */
const SEARCH_PAUSE_MS = 1000;

export class Pool {
  readonly subnet: Subnet;
  readonly #options: PoolOptions;
  readonly #from: number;
  readonly #size: number;
  /** Addresses on offer. At most one for a MAC, so never more than the pool is big. */
  readonly #holds = new Map<string, { mac: string; untilMs: number }>();
  readonly #holdOf = new Map<string, string>();
  readonly #quarantine = new Map<string, number>();
  #searchAgainMs = 0;

  constructor(options: PoolOptions) {
    this.#options = options;
    this.subnet = options.subnet;
    const { range } = options;
    this.#from = range ? parseIpv4(range.from) : 0;
    this.#size = range ? parseIpv4(range.to) - this.#from + 1 : 0;
    if (!range) return;
    const inside = [range.from, range.to].every((end) => inSubnet(parseIpv4(end), this.subnet));
    if (!inside || this.#size < 1)
      throw new BrambleError(
        "BAD_INPUT",
        `the pool ${range.from} to ${range.to} does not lie in ${formatIpv4(this.subnet.network)}/${this.subnet.prefix}`,
        { hint: "give the first and the last address of a range inside the interface's subnet" },
      );
  }

  /** An address for a DISCOVER, or why there is none. Holds nothing yet: see hold(). */
  choose(wish: Wish): Choice | { address?: never; why: string } {
    const { mac, reserved, wanted } = wish;
    let but = "";
    if (reserved !== undefined) {
      const trouble = this.trouble(reserved, wish);
      if (trouble === undefined) return { address: reserved, why: "reserved for this node" };
      but = `; its reserved address ${reserved} is ${trouble}`;
    }
    const before = this.#options.leases.get(mac)?.address;
    if (before !== undefined && this.trouble(before, wish) === undefined)
      return { address: before, why: `the address it had before${but}` };
    const held = this.#holdOf.get(mac);
    if (held !== undefined && this.trouble(held, wish) === undefined)
      return { address: held, why: `offered to it a moment ago${but}` };
    if (wanted !== undefined && this.trouble(wanted, wish) === undefined)
      return { address: wanted, why: `the address it asked for${but}` };
    const found = this.#search(wish);
    return found === undefined
      ? { why: `no address is free${but}` }
      : { address: found, why: `a free address${but}` };
  }

  /** Why this client cannot have the address now, in words; undefined if it can. */
  trouble(address: string, wish: Wish): string | undefined {
    return this.#trouble(parseIpv4(address), address, wish);
  }

  #trouble(n: number, address: string, { mac, reserved, nowMs }: Wish): string | undefined {
    const { subnet } = this;
    if (!inSubnet(n, subnet)) return "not in this network";
    if (subnet.prefix < 31 && (n === subnet.network || n === subnet.broadcast)) return "no host's address";
    if (this.#options.taken.includes(address)) return "in use by this network itself";
    const own = address === reserved;
    if (!own && (n < this.#from || n >= this.#from + this.#size)) return "outside the pool";
    if (!own && this.#options.isReserved(address)) return "reserved for another node";
    if ((this.#quarantine.get(address) ?? 0) > nowMs)
      return "in use by a stranger (found by ARP or declined)";
    const lease = this.#options.leases.byAddress(address);
    if (lease && lease.mac !== mac && lease.expiresMs > nowMs) return `leased to ${lease.mac}`;
    const hold = this.#holds.get(address);
    if (hold && hold.mac !== mac && hold.untilMs > nowMs) return `on offer to ${hold.mac}`;
    return undefined;
  }

  /** From now on the address is on offer to this MAC; an earlier offer to it lapses. */
  hold(address: string, mac: string, nowMs: number): void {
    this.unhold(mac);
    // Somebody else's offer for it has lapsed, or choose() would not have found it.
    const lapsed = this.#holds.get(address);
    if (lapsed) this.#holdOf.delete(lapsed.mac);
    this.#holds.set(address, { mac, untilMs: nowMs + HOLD_MS });
    this.#holdOf.set(mac, address);
  }

  heldBy(mac: string, nowMs: number): string | undefined {
    const address = this.#holdOf.get(mac);
    return address !== undefined && (this.#holds.get(address)?.untilMs ?? 0) > nowMs ? address : undefined;
  }

  /** The offer was taken, refused or forgotten. */
  unhold(mac: string): void {
    const address = this.#holdOf.get(mac);
    if (address === undefined) return;
    this.#holdOf.delete(mac);
    this.#holds.delete(address);
  }

  /** Somebody without a lease uses it: nobody gets it for ten minutes. */
  quarantine(address: string, nowMs: number): void {
    const [oldest] = this.#quarantine.keys();
    if (this.#quarantine.size >= MOST_QUARANTINED && oldest !== undefined) this.#quarantine.delete(oldest);
    this.#quarantine.delete(address);
    this.#quarantine.set(address, nowMs + QUARANTINE_MS);
  }

  /**
   * A free address: first one that nobody ever had, from a place that depends on the MAC (so that a client tends to get
   * the same again, even when the lease book is lost), else the one whose lease ended longest ago.
   */
  #search(wish: Wish): string | undefined {
    if (this.#size === 0 || wish.nowMs < this.#searchAgainMs) return undefined;
    let oldest: Lease | undefined;
    const start = hash(macBytes(wish.mac)) % this.#size;
    for (let i = 0; i < this.#size; i++) {
      const n = this.#from + ((start + i) % this.#size);
      const address = formatIpv4(n);
      if (this.#trouble(n, address, wish) !== undefined) continue;
      const lease = this.#options.leases.byAddress(address);
      if (!lease) return address;
      if (!oldest || lease.expiresMs < oldest.expiresMs) oldest = lease;
    }
    if (!oldest) this.#searchAgainMs = wish.nowMs + SEARCH_PAUSE_MS;
    return oldest?.address;
  }
}

/** FNV-1a, then mixed: boards of one batch have MACs in a row, their searches must not start in one heap. */
function hash(bytes: Uint8Array): number {
  let h = 0x811c9dc5;
  for (const byte of bytes) h = Math.imul(h ^ byte, 0x01000193);
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  return (h ^ (h >>> 13)) >>> 0;
}
