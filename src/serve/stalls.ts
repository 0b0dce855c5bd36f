/** A connection as this sees it. */
export interface Moving {
  /** Counts everything that moves. */
  readonly progress: number;
  /** It waits for its client: the rest of a message, or room for replies. */
  readonly awaitsClient: boolean;
  end(why: string): void;
}

/** Called again and again with each connection: ends those that have waited for their client for so long, with nothing moving. */
export function stallsAfter(stallMs: number): (connection: Moving) => void {
  const seen = new WeakMap<Moving, { progress: number; since: number }>();
  return (connection) => {
    const now = performance.now();
    const last = seen.get(connection);
    if (!last || last.progress !== connection.progress || !connection.awaitsClient)
      seen.set(connection, { progress: connection.progress, since: now });
    else if (now - last.since >= stallMs) connection.end(`nothing moved for ${stallMs} ms`);
  };
}

/** Cuts off clients that neither finish their message nor take their replies. */
export function watchStalls(connections: () => Iterable<Moving>, stallMs: number): NodeJS.Timeout {
  const look = stallsAfter(stallMs);
  const all = () => {
    for (const connection of connections()) look(connection);
  };
  return setInterval(all, Math.min(10_000, Math.ceil(stallMs / 4))).unref();
}
