import type { Transfer } from "./tftp-transfer.ts";
import type { Peer, UdpPlane } from "./udp.ts";

/** After its end a transfer's late packets are not answered for so long; and so many are remembered. */
const PAST_MS = 5000;
const PAST_MOST = 4096;
/** Linux's default receive buffer (212,992 bytes) holds about so many ACKs (768 bytes of its books each). */
const CROWD = 256;

export const peerKey = ({ address, port, key }: Peer): string => key ?? `${address}:${port}`;

/** One of our ports: at most one transfer for each client port, so that (ours, theirs) tells transfers apart (RFC 1350 4). */
export interface Tid {
  readonly plane: UdpPlane;
  readonly live: Map<string, Transfer>;
  readonly past: Map<string, number>;
}

/** A few sockets that all transfers share: a socket for each would cost more than most of the files. */
export class Tids {
  readonly all: Tid[] = [];
  #turn = 0;

  add(plane: UdpPlane): void {
    this.all.push({ plane, live: new Map(), past: new Map() });
  }

  /** The next port in turn; used for answers that start no transfer. */
  next(): Tid {
    this.#turn = (this.#turn + 1) % this.all.length;
    return this.all[this.#turn] as Tid;
  }

  /**
   * A port that this client port does not talk to, nor did a moment ago; undefined if there is none. The first that has room: few
   * busy sockets take in more packets for each wake-up than many.
   */
  free(key: string, now: number): Tid | undefined {
    for (const tid of this.all) {
      const until = tid.past.get(key);
      if (until !== undefined && until < now) tid.past.delete(key);
    }
    const quiet = this.all.filter(({ live, past }) => !live.has(key) && !past.has(key));
    const room = quiet.find(({ live }) => live.size < CROWD);
    return room ?? least(quiet) ?? this.all.find(({ live }) => !live.has(key));
  }

  /** Every transfer with this client port, whatever the file. */
  of(key: string): Transfer[] {
    return this.all.flatMap(({ live }) => live.get(key) ?? []);
  }

  /** What still comes from there is late, and not answered. A transfer that ends must leave `live` as well. */
  retire(tid: Tid, key: string, now: number): void {
    tid.past.delete(key); // to the young end
    tid.past.set(key, now + PAST_MS);
    if (tid.past.size > PAST_MOST) for (const [oldest] of tid.past) return void tid.past.delete(oldest);
  }
}

const least = (tids: Tid[]): Tid | undefined =>
  tids.reduce<Tid | undefined>((a, b) => (a && a.live.size <= b.live.size ? a : b), undefined);
