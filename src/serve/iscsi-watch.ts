import type { Connection } from "./iscsi-connection.ts";
import { stallsAfter } from "./stalls.ts";

export interface Patience {
  /** After so long without a byte an initiator is asked whether it is there (NOP-In) ... */
  pingMs: number;
  /** ... and has so long to say anything. */
  pongMs: number;
  /** An initiator that leaves a PDU or its data unfinished, or takes no answers, for so long is cut off. */
  stallMs: number;
}

/** Asks those that are silent, and cuts off those that do not answer, finish their PDU, or take their answers. */
export function watch(connections: () => Iterable<Connection>, patience: Patience): NodeJS.Timeout {
  const { pingMs, pongMs, stallMs } = patience;
  const cutStalled = stallsAfter(stallMs);
  const look = () => {
    const now = Date.now();
    for (const connection of connections()) {
      if (!connection.open) continue;
      cutStalled(connection);
      if (connection.pingedAt > 0) {
        if (now - connection.pingedAt >= pongMs) connection.end(`no answer to a ping for ${pongMs} ms`);
      } else if (now - connection.heardAt >= pingMs && !connection.stuck) void connection.ping();
    }
  };
  return setInterval(
    look,
    Math.max(10, Math.min(1000, Math.ceil(Math.min(...Object.values(patience)) / 4))),
  ).unref();
}

/** Logins that have not ended, oldest first: a stranger's are cut off in favour of newer ones, never the other way round. */
export class HalfOpen {
  readonly #most: number;
  readonly #mostPerAddress: number;
  readonly #all = new Map<Connection, NodeJS.Timeout>();
  readonly #perAddress = new Map<string, Set<Connection>>();

  constructor(limits: { logins: number; loginsPerAddress: number }) {
    this.#most = limits.logins;
    this.#mostPerAddress = limits.loginsPerAddress;
  }
  get size(): number {
    return this.#all.size;
  }

  add(connection: Connection, loginMs: number): void {
    const { address } = connection.client;
    let same = this.#perAddress.get(address);
    if (!same) {
      same = new Set();
      this.#perAddress.set(address, same);
    }
    const late = () => connection.end(`no login within ${loginMs} ms`);
    this.#all.set(connection, setTimeout(late, loginMs).unref());
    same.add(connection);
    if (same.size > this.#mostPerAddress) first(same)?.end("too many logins from one address");
    else if (this.#all.size > this.#most) first(this.#all.keys())?.end("too many logins");
  }

  /** It has logged in, or gone. */
  delete(connection: Connection): void {
    clearTimeout(this.#all.get(connection));
    this.#all.delete(connection);
    const { address } = connection.client;
    const same = this.#perAddress.get(address);
    same?.delete(connection);
    if (same?.size === 0) this.#perAddress.delete(address);
  }
}

const first = <T>(of: Iterable<T>): T | undefined => of[Symbol.iterator]().next().value as T | undefined;
