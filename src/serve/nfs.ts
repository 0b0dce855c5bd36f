// NFS servers: trees of nodes over TCP, MOUNT and NFSv3 on one port (src/wire/nfs, src/wire/mount).
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { createServer, type Socket } from "node:net";
import { MOUNT_PROGRAM, MOUNT_VERSION } from "../wire/mount/mount.ts";
import type { HandleFacts } from "../wire/nfs/handle.ts";
import { PROGRAM, VERSION } from "../wire/nfs/procedure.ts";
import type { StatusCode } from "../wire/nfs/status.ts";
import type { NfsTree } from "../wire/nfs/tree.ts";
import type { Mapping } from "../wire/portmap/portmap.ts";
import { Connection, type House, HUNG_UP, type Neighbour } from "./nfs-connection.ts";
import { Desk } from "./nfs-desk.ts";
import { LIMITS, recordPools } from "./nfs-house.ts";
import { serveRpcbind } from "./nfs-rpcbind.ts";
import { serveNfsUdp } from "./nfs-udp.ts";
import { Slabs } from "./outbox.ts";
import { watchStalls } from "./stalls.ts";
import { deferred, throttled } from "./throttle.ts";

/** Who asks; the same object for all requests of one connection. */
export interface NfsClient {
  readonly address: string;
  readonly port: number;
  /** Over UDP nobody proves the address: only what changes nothing is answered there. */
  readonly transport: "tcp" | "udp";
}

/** A tree that a client may use. */
export interface NfsExport {
  readonly handles: HandleFacts;
  /** The same object until the tree is reset, rolled back or put away. */
  readonly tree: NfsTree;
  /** What events call it: the node's id, never the token. */
  readonly name: string;
}

/** MOUNT's answer: the export, and what of the path lies below its root ("boot/firmware"; absent: the root itself). */
export interface NfsMounted {
  exported: NfsExport;
  below?: string;
}

/** What happened at an NFS server. Of `refused` and `error`, one a second for each address, with the number of the others. */
export interface NfsEvent {
  /** "denied": a handle or a path that this client may not use. */
  kind: "mounted" | "unmounted" | "denied" | "refused" | "error";
  client: NfsClient;
  /** NfsExport.name. */
  export?: string;
  /** The number in the handle, where that is all that is known. */
  exportNumber?: number;
  why?: string;
  /** Events like this one that were not told since the last one. */
  more?: number;
  at: number;
}

export interface NfsOptions {
  host: string;
  /** 0: any free one. Both programs, TCP (and UDP, where asked for). */
  port: number;
  /** Binds this client to an export, or says why not (ACCES, NOENT, ...). The answer is in the book when it comes. */
  mount(path: string, client: NfsClient): NfsMounted | StatusCode | Promise<NfsMounted | StatusCode>;
  /** UMNT, UMNTALL (path undefined): the binding stays, a client may come back by its handles. */
  unmounted?(path: string | undefined, client: NfsClient): void;
  /** The export of that number, if this client may use it: asked for each request, so it should know at once. Else STALE or ACCES. */
  treeOf(exportNumber: number, client: NfsClient): NfsExport | StatusCode | Promise<NfsExport | StatusCode>;
  on?(event: NfsEvent): void;
  /** MOUNT and NFS's reading half over UDP on the same port number: U-Boot and old initramfs. */
  udp?: boolean;
  /** Answers the port mapper's questions about itself on this port (111), TCP and UDP. */
  rpcbind?: number;
  limits?: Partial<NfsLimits>;
}

export interface NfsLimits {
  connections: number;
  connectionsPerAddress: number;
  /** Requests that one connection may have open. */
  requests: number;
  /** Bytes of requests and replies that one connection may hold, those of one address, and all of them. */
  bytes: number;
  addressBytes: number;
  serverBytes: number;
  /** A client that leaves a record unfinished, or takes no reply, for so long is cut off. */
  stallMs: number;
  /** So is one that has not been let in by then. */
  strangerMs: number;
}

export interface NfsServer {
  port: number;
  rpcbindPort: number | undefined;
  /** Why that port could not be had: another program's port mapper has it, most likely. Whoever is told our port needs none. */
  rpcbindFailed?: string;
  /** Ends every connection that has used this export; resolves when nothing of them touches its tree any more. */
  drop(exportNumber: number, why: string): Promise<void>;
  close(): Promise<void>;
}

/** Replies without data, and those with up to 1 MiB of it. */
const SLABS = [64 << 10, (1 << 20) + (4 << 10)];
const RECEIVE = 1 << 20;
const HEAD = 16 << 10;

/** Serves trees over NFS until close(). Rejects when the port cannot be had. */
export async function serveNfs(options: NfsOptions): Promise<NfsServer> {
  const limits = { ...LIMITS, ...options.limits };
  const tell = throttled<NfsEvent>(options.on ?? (() => {}), ["mounted", "unmounted"]);
  const desk = new Desk(options, randomBytes(8), tell);
  const connections = new Map<
    Connection,
    { stranger: NodeJS.Timeout; over: () => void; whenOver: Promise<void> }
  >();
  const neighbours = new Map<string, Neighbour>();
  let waking = false;

  const receive = Buffer.allocUnsafeSlow(RECEIVE);
  const house: House = {
    desk,
    slabs: new Slabs(...SLABS),
    records: recordPools(limits.serverBytes / 2, () => house.released()),
    limits,
    receive,
    head: receive.subarray(0, HEAD),
    load: 0,
    stashed: 0,
    waiting: new Set(),
    released() {
      if (waking || house.waiting.size === 0) return;
      waking = true;
      setImmediate(() => {
        waking = false;
        for (const connection of [...house.waiting]) connection.next();
      });
    },
    admitted: (connection) => clearTimeout(connections.get(connection)?.stranger),
    failed(connection, error) {
      const { client, exportName } = connection;
      const why = error instanceof Error ? error.message : String(error);
      tell({ kind: "error", client, why, ...(exportName !== undefined && { export: exportName }) });
    },
    ended(connection, why) {
      const known = connections.get(connection);
      connections.delete(connection);
      clearTimeout(known?.stranger);
      connection.neighbour.connections -= 1;
      if (connection.neighbour.connections === 0) neighbours.delete(connection.client.address);
      if (why !== HUNG_UP) tell({ kind: "refused", client: connection.client, why });
      known?.over();
    },
  };

  const welcome = (socket: Socket) => {
    const client = clientOf(socket);
    const neighbour = neighbours.get(client.address) ?? { connections: 0, load: 0, largeRecords: 0 };
    if (connections.size >= limits.connections || neighbour.connections >= limits.connectionsPerAddress) {
      tell({ kind: "refused", client, why: "too many connections" });
      socket.destroy();
      return;
    }
    neighbours.set(client.address, neighbour);
    neighbour.connections += 1;
    const { promise, resolve } = deferred();
    const connection = new Connection(socket, client, neighbour, house);
    const late = () => connection.end(`not let in to any export within ${limits.strangerMs} ms`);
    connections.set(connection, {
      stranger: setTimeout(late, limits.strangerMs).unref(),
      over: resolve,
      whenOver: promise,
    });
  };

  const server = createServer({ pauseOnConnect: true }, welcome);
  server.listen(options.port, options.host);
  await once(server, "listening");
  const at = server.address();
  const port = typeof at === "object" && at ? at.port : options.port;
  const watch = watchStalls(() => connections.keys(), limits.stallMs);
  const cut = async (which: (c: Connection) => boolean, why: string) => {
    const chosen = [...connections].filter(([connection]) => which(connection));
    for (const [connection] of chosen) connection.end(why);
    await Promise.all(chosen.map(([, { whenOver }]) => whenOver));
  };
  const beside: { close(): Promise<void> }[] = [];
  const close = async () => {
    clearInterval(watch);
    const closed = once(server, "close");
    server.close();
    await Promise.all(beside.map((door) => door.close()));
    await cut(() => true, "the server stops");
    await closed;
    await desk.idle();
  };
  let rpcbindPort: number | undefined;
  let rpcbindFailed: string | undefined;
  try {
    const { host, rpcbind, udp = false } = options;
    if (udp) beside.push(await serveNfsUdp({ host, port, desk, slabs: house.slabs, tell }));
    if (rpcbind !== undefined) {
      try {
        const door = await serveRpcbind({ host, port: rpcbind, mappings: mappingsOf(port, udp) });
        rpcbindPort = door.port;
        beside.push(door);
      } catch (error) {
        rpcbindFailed = `no port mapper on port ${rpcbind}: ${error instanceof Error ? error.message : String(error)}`;
      }
    }
  } catch (error) {
    await close();
    throw error;
  }
  return {
    port,
    rpcbindPort,
    ...(rpcbindFailed !== undefined && { rpcbindFailed }),
    async drop(exportNumber, why) {
      await cut((connection) => connection.hasUsed(exportNumber), why);
      await desk.idle(exportNumber);
    },
    close,
  };
}

/** What the port mapper says: both programs, on the one port. */
const mappingsOf = (port: number, udp: boolean): Mapping[] =>
  (udp ? (["tcp", "udp"] as const) : (["tcp"] as const)).flatMap((protocol) => [
    { program: PROGRAM, version: VERSION, protocol, port },
    { program: MOUNT_PROGRAM, version: MOUNT_VERSION, protocol, port },
  ]);

/** Who is at the other end; ::ffff:10.0.0.7 is 10.0.0.7 by another door. */
const clientOf = (socket: Socket): NfsClient => ({
  address: (socket.remoteAddress ?? "").replace(/^::ffff:(?=\d+\.)/, ""),
  port: socket.remotePort ?? 0,
  transport: "tcp",
});
