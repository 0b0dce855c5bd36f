import type { Socket } from "node:net";
import type { ChapSecrets } from "../wire/iscsi/chap.ts";
import type { Nexus } from "../wire/iscsi/login.ts";
import type { SessionOptions } from "../wire/iscsi/session.ts";
import type { Connection } from "./iscsi-connection.ts";
import type { Lun, RunningUnit } from "./iscsi-unit.ts";
import type { Slabs } from "./outbox.ts";

export interface IscsiClient {
  address: string;
  port: number;
  /** Empty until it has said so. */
  initiator: string;
  /** 12 hex digits. */
  isid: string;
}
/** What find() answers: a target for one initiator. */
export interface IscsiTarget {
  /** Its iqn: what drop() and events call it. */
  name: string;
  chap?: ChapSecrets | undefined;
  /** The same unit and disk objects for every session that reaches them. */
  luns: ReadonlyMap<number, Lun>;
  session: {
    /** The login has succeeded. */
    opened(client: IscsiClient): void;
    /** After the last request of that session has ended: nothing of it touches the disks any more. */
    closed(client: IscsiClient, why: string): void;
  };
}
/** Initiators try again, unless the refusal is final: "unknown" target, or "forbidden" to this one. */
export interface Refusal {
  refused: string;
  final?: "unknown" | "forbidden";
}

/** What a connection needs from its server. */
export interface House {
  slabs: Slabs;
  session: Pick<SessionOptions, "limits" | "allowance" | "tools">;
  find(target: string, client: IscsiClient): IscsiTarget | Refusal | Promise<IscsiTarget | Refusal>;
  discover(client: IscsiClient): readonly string[];
  running(luns: ReadonlyMap<number, Lun>): ReadonlyMap<number, RunningUnit>;
  /** Ends the session that this one replaces; its handle when nothing of that one works any more. */
  admit(connection: Connection, nexus: Nexus): Promise<number>;
  admitted(connection: Connection): void;
  ended(connection: Connection, why: string): void;
  /** Ends the target's other connections. */
  cold(connection: Connection, why: string): void;
  /** Those with a command that must wait until something else has ended. */
  waiting: Set<Connection>;
  /** Something has ended: those may go on. */
  released(): void;
  error(connection: Connection, error: unknown): void;
}

const plain = (address: string | undefined): string => (address ?? "").replace(/^::ffff:(?=\d+\.)/, "");
/** Who is at the other end; ::ffff:10.0.0.7 is 10.0.0.7 by another door. */
export const peerOf = (socket: Socket): { address: string; port: number } => ({
  address: plain(socket.remoteAddress),
  port: socket.remotePort ?? 0,
});
/** How the initiator reached us (RFC 7143 13.8): IPv6 in brackets. */
export function hereOf(socket: Socket): string {
  const address = plain(socket.localAddress).replace(/%.*$/, "");
  return `${address.includes(":") ? `[${address}]` : address}:${socket.localPort ?? 0}`;
}
