// The sockets of one interface: port 67, heard on this interface only where the system can, and port 4011.
import { createSocket, type Socket } from "node:dgram";
import { BrambleError } from "../base/errors.ts";
import type { Endpoint } from "../wire/dhcp/frames.ts";
import { Recent } from "./dhcp-limits.ts";
import type { Raw } from "./raw.ts";

export interface DhcpSocket {
  readonly port: number;
  send(bytes: Uint8Array, to: Endpoint): void;
  close(): Promise<void>;
}

export type Heard = (bytes: Uint8Array, from: Endpoint) => void;

export interface OpenSocket {
  address: string;
  port: number;
  /**
   * Hear broadcasts: bound to the device; or, where that cannot be had, `else` by a socket that hears all interfaces
   * (one only, or each broadcast would be heard by all of them); or not at all (port 4011).
   */
  broadcasts: "device" | "device else all" | "none";
  raw: Raw;
  heard: Heard;
  /** A send that failed, or the socket itself. */
  failed(error: Error): void;
}

const RECEIVE_BUFFER = 8 << 20;
/** Clients send again after a second at the earliest (RFC 2131 4.1), and then with other `secs` mostly. */
const SAME_MS = 200;
const MOST_SAME = 256;

/**
 * A socket that hears all interfaces hears a broadcast once for each of them on the same network (a bridge and its port, two cards on one
 * switch): the same bytes again at once are the same packet, and get no second answer.
 */
export function onceEach(heard: Heard, now: () => number): Heard {
  const last = new Recent<number>(MOST_SAME);
  return (bytes, from) => {
    const key = Buffer.from(bytes).toString("latin1");
    const at = now();
    if (at - (last.get(key) ?? Number.NEGATIVE_INFINITY) < SAME_MS) return;
    last.set(key, at);
    heard(bytes, from);
  };
}

/** With koffi: one socket bound to the device. Without: one on the address, to send from, and one on 0.0.0.0 for broadcasts. */
export async function openDhcpSocket(options: OpenSocket): Promise<DhcpSocket> {
  const { address, port, broadcasts, raw } = options;
  const fd = broadcasts === "none" ? undefined : raw.boundSocket(port);
  if (fd !== undefined) return around([await bind(options, { fd })]);
  // Linux sends a limited broadcast out of the interface that has the socket's own address.
  const own = await bind(options, { address, port });
  const loopback = address.startsWith("127.");
  if (broadcasts !== "device else all" || loopback) return around([own]);
  try {
    const heard = onceEach(options.heard, Date.now);
    return around([own, await bind({ ...options, heard }, { address: "0.0.0.0", port: own.address().port })]);
  } catch (error) {
    await closed(own);
    throw error;
  }
}

function around(sockets: [Socket, ...Socket[]]): DhcpSocket {
  const [first] = sockets;
  // An error comes to the "error" event: nobody waits for a datagram.
  const sent = (error: Error | null) => void (error && first.emit("error", error));
  return {
    port: first.address().port,
    send: (bytes, to) => first.send(bytes, to.port, to.address, sent),
    close: async () => {
      await Promise.all(sockets.map(closed));
    },
  };
}

const closed = (socket: Socket): Promise<void> => new Promise((resolve) => socket.close(() => resolve()));

function bind(
  { heard, failed }: OpenSocket,
  where: { fd: number } | { address: string; port: number },
): Promise<Socket> {
  const socket = createSocket({
    type: "udp4",
    reuseAddr: true,
    lookup: (host, _options, callback) => callback(null, host, 4), // addresses only: never ask a resolver
  });
  return new Promise((resolve, reject) => {
    const refused = (error: Error) => reject(explained(error, where));
    socket.once("error", refused);
    socket.bind({ ...where, exclusive: true }, () => {
      socket.off("error", refused);
      socket.on("error", failed);
      socket.on("message", (bytes, from) => heard(bytes, { address: from.address, port: from.port }));
      if (!("fd" in where)) {
        socket.setBroadcast(true);
        try {
          socket.setRecvBufferSize(RECEIVE_BUFFER);
        } catch {
          // The system's limit is lower: its default stays.
        }
      }
      resolve(socket);
    });
  });
}

function explained(cause: NodeJS.ErrnoException, where: object): Error {
  const place = "port" in where ? `UDP port ${where.port}` : "a UDP port";
  if (cause.code === "EADDRINUSE")
    return new BrambleError("PORT_TAKEN", `${place} is taken by another program`, {
      cause,
      hint: "`bramble doctor` says which one",
    });
  if (cause.code === "EACCES" || cause.code === "EPERM")
    return new BrambleError("PORT_REFUSED", `the system does not let us listen on ${place}`, {
      cause,
      hint: "ports below 1024 need root or CAP_NET_BIND_SERVICE",
    });
  return cause;
}
