// NBD servers: disks over TCP, one session for each connection (src/wire/nbd).
import { once } from "node:events";
import { createServer, type Socket } from "node:net";
import { Allowance, type Limits } from "../wire/nbd/limits.ts";
import { Connection, clientOf, type House, type NbdClient } from "./nbd-connection.ts";
import { Slabs } from "./outbox.ts";
import { watchStalls } from "./stalls.ts";
import { deferred, throttled } from "./throttle.ts";

/** What happened at an NBD server. Of `refused` and `error`, one a second for each address, with the number of the others. */
export interface NbdEvent {
  kind: "attached" | "detached" | "refused" | "error";
  client: NbdClient;
  /** The name that find() gave its answer, never what the client asked for: that may be a secret. */
  export?: string;
  why?: string;
  /** Events like this one that were not told since the last one. */
  more?: number;
  at: number;
}

export interface NbdLimits extends Limits {
  /** Bytes of requests that all connections together may have open. */
  serverBytes: number;
  connections: number;
  connectionsPerAddress: number;
  /** From the first byte to an export. */
  handshakeMs: number;
  /** A client that leaves a message unfinished, or takes no reply, for so long is cut off. */
  stallMs: number;
}
const LIMITS: NbdLimits = {
  requests: 1024,
  bytes: 64 << 20,
  serverBytes: 256 << 20,
  connections: 4096,
  connectionsPerAddress: 256,
  handshakeMs: 10_000,
  stallMs: 300_000,
};

export interface NbdOptions {
  host: string;
  /** 0: any free one. */
  port: number;
  /** The disk for this name and client; undefined and an error are both "no such export" to the client. */
  find: House["find"];
  /** What LIST answers: nothing by default. */
  list?: House["list"];
  on?: (event: NbdEvent) => void;
  limits?: Partial<NbdLimits>;
}
export interface NbdServer {
  port: number;
  /** Ends every connection to this export; resolves when nothing of them touches the disk any more. */
  drop(exportName: string, why: string): Promise<void>;
  close(): Promise<void>;
}

/** Serves disks over NBD until close(). Rejects when the port cannot be had. */
export async function serveNbd(options: NbdOptions): Promise<NbdServer> {
  const limits = { ...LIMITS, ...options.limits };
  const connections = new Map<
    Connection,
    { handshake: NodeJS.Timeout; over: () => void; whenOver: Promise<void> }
  >();
  const tell = throttled<NbdEvent>(options.on ?? (() => {}), ["attached", "detached"]);

  const house: House = {
    slabs: new Slabs(),
    allowance: new Allowance(limits.serverBytes),
    limits,
    find: options.find,
    list: options.list ?? (() => []),
    attached(connection, taken) {
      clearTimeout(connections.get(connection)?.handshake);
      tell({ kind: "attached", client: connection.client, export: taken.name });
    },
    ended(connection, why) {
      const known = connections.get(connection);
      connections.delete(connection);
      clearTimeout(known?.handshake);
      const { client, taken } = connection;
      if (taken) tell({ kind: "detached", client, export: taken.name, why });
      else if (why !== "client left" && why !== "client hung up") tell({ kind: "refused", client, why });
      known?.over();
    },
    waiting: new Set(),
    released() {
      if (house.waiting.size === 0) return;
      const ready = [...house.waiting];
      house.waiting.clear(); // whoever still has to wait comes back by itself
      for (const connection of ready) connection.next();
    },
    error({ client, taken }, error) {
      const why = error instanceof Error ? error.message : String(error);
      tell({ kind: "error", client, why, ...(taken && { export: taken.name }) });
    },
  };

  const welcome = (socket: Socket) => {
    const client = clientOf(socket);
    const same = [...connections.keys()].filter((c) => c.client.address === client.address).length;
    if (connections.size >= limits.connections || same >= limits.connectionsPerAddress) {
      tell({
        kind: "refused",
        client,
        why: "too many connections",
      });
      socket.destroy();
      return;
    }
    const connection = new Connection(socket, house);
    const { promise, resolve } = deferred();
    const late = () => connection.end(`no export chosen within ${limits.handshakeMs} ms`);
    connections.set(connection, {
      handshake: setTimeout(late, limits.handshakeMs).unref(),
      over: resolve,
      whenOver: promise,
    });
  };

  const server = createServer({ pauseOnConnect: true }, welcome);
  server.listen(options.port, options.host);
  await once(server, "listening");
  const watch = watchStalls(connections.keys.bind(connections), limits.stallMs);
  const cut = async (which: (c: Connection) => boolean, why: string) => {
    const chosen = [...connections].filter(([connection]) => which(connection));
    for (const [connection] of chosen) connection.end(why);
    await Promise.all(chosen.map(([, { whenOver }]) => whenOver));
  };
  const at = server.address();
  return {
    port: typeof at === "object" && at ? at.port : options.port,
    drop: (name, why) => cut((connection) => connection.taken?.name === name, why),
    async close() {
      clearInterval(watch);
      const closed = once(server, "close");
      server.close();
      await cut(() => true, "the server stops");
      await closed;
    },
  };
}
