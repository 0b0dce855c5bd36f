// NFS servers: trees of nodes over TCP, MOUNT and NFSv3 on one port (src/wire/nfs, src/wire/mount).
import type { HandleFacts } from "../wire/nfs/handle.ts";
import type { StatusCode } from "../wire/nfs/status.ts";
import type { NfsTree } from "../wire/nfs/tree.ts";

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
  limits?: Partial<NfsLimits>;
}

export interface NfsLimits {
  connections: number;
  connectionsPerAddress: number;
  /** Requests that one connection may have open. */
  requests: number;
  /** Bytes of requests and replies that one connection may hold, and all of them. */
  bytes: number;
  serverBytes: number;
  /** A client that leaves a record unfinished, or takes no reply, for so long is cut off. */
  stallMs: number;
  /** So is one that has not been let in by then. */
  strangerMs: number;
}

export interface NfsServer {
  port: number;
  /** Ends every connection that has used this export; resolves when nothing of them touches its tree any more. */
  drop(exportNumber: number, why: string): Promise<void>;
  close(): Promise<void>;
}
