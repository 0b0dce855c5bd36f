import type { FileBytes } from "../base/tree.ts";
import { decode, ERROR, encode, type Packet } from "../wire/tftp/packet.ts";
import { treePath } from "../wire/tftp/path.ts";
import { TFTP_LIMITS, type TftpLimits } from "./tftp-admission.ts";
import { Desk } from "./tftp-desk.ts";
import { Hush } from "./tftp-hush.ts";
import { peerKey, type Tid, Tids } from "./tftp-tids.ts";
import { openUdp, type Peer, type UdpPlane } from "./udp.ts";
import { openBatchedUdp } from "./udp-batched.ts";

/**
 * read: a file was found and is on its way; then one of sent, probe (the client wanted no more than to know), aborted (it said stop, or
 * started anew), timeout. missing: answered with ERROR 1. refused: answered with another error, or with silence where `why` says so.
 */
export interface TftpEvent {
  kind: "read" | "probe" | "missing" | "sent" | "aborted" | "timeout" | "refused" | "bad-packet";
  client: Peer;
  path: string;
  /** read: of the file; afterwards: that the client has confirmed. */
  bytes?: number;
  /** Since the request came. */
  ms?: number;
  retransmits?: number;
  blockSize?: number;
  windowSize?: number;
  /** Milliseconds since 1970. */
  at: number;
  why?: string;
}

export interface TftpOptions {
  /** Address to listen on, "0.0.0.0" for all. */
  host: string;
  /** 69, or 0 for any free one. */
  port: number;
  /** `path` is "a/b". Undefined: ERROR 1. A BrambleError goes to the client as ERROR 0 with its message, others without. */
  find(path: string, client: Peer): Promise<FileBytes | undefined>;
  on(event: TftpEvent): void;
  limits?: Partial<TftpLimits>;
  /** "batched": many datagrams with one system call where this machine can. Otherwise Node's own sockets. */
  udp?: "batched" | "dgram";
}

export interface TftpServer {
  port: number;
  /** What the operator may want to change, in words. */
  warnings: string[];
  close(): Promise<void>;
}

const TICK_MS = 100;

/** Serves files by TFTP, read only. Throws Node's error if the port is taken or not allowed. */
export async function serveTftp(options: TftpOptions): Promise<TftpServer> {
  const limits = { ...TFTP_LIMITS, ...options.limits };
  const tids = new Tids();
  const hush = new Hush();
  const say = (event: Omit<TftpEvent, "at">) => options.on({ ...event, at: Date.now() });
  const desk = new Desk({ find: options.find, limits, tids, say });
  const onError = () => {}; // a client without a route: its transfer ends by its own silence
  let timer: NodeJS.Timeout | undefined;

  const tick = () => {
    desk.tick(performance.now());
    if (!desk.idle) return;
    clearInterval(timer);
    timer = undefined;
  };

  /** What comes to the well-known port: requests. */
  const knock = (bytes: Uint8Array, { address, port }: Peer) => {
    const now = performance.now();
    const client = { address, port };
    const bad = (why: string) => {
      if (hush.allows(client.address, now)) say({ kind: "bad-packet", client, path: "", why });
    };
    let packet: Packet;
    try {
      packet = decode(bytes);
    } catch (error) {
      if (bytes[0] === 0 && bytes[1] === 1) desk.refuse(client, ERROR.ILLEGAL, "Malformed request");
      return bad((error as Error).message);
    }
    if (packet.type !== "read" && packet.type !== "write") return bad(`${packet.type} without a request`);
    const refuse = (code: number, why: string) => {
      desk.refuse(client, code, why);
      if (hush.allows(client.address, now)) say({ kind: "refused", client, path: packet.path, why });
    };
    if (packet.type === "write") return refuse(ERROR.ACCESS, "Nothing can be written here");
    const path = treePath(packet.path);
    if (path === undefined) return refuse(ERROR.ACCESS, "No such path can be served");
    const netascii = packet.mode === "netascii";
    if (packet.mode !== "octet" && !netascii) return refuse(ERROR.ILLEGAL, "Only octet and netascii modes");
    if (desk.take({ client, path, netascii, options: packet.options, at: now })) {
      timer ??= setInterval(tick, TICK_MS);
    } else if (hush.allows(client.address, now)) {
      say({
        kind: "refused",
        client,
        path,
        why: "too many requests at once: not answered, it will ask again",
      });
    }
  };

  /** What comes to a transfer's port. */
  const converse = (tid: Tid, bytes: Uint8Array, client: Peer) => {
    const now = performance.now();
    const key = peerKey(client);
    const transfer = tid.live.get(key);
    try {
      if (transfer) return transfer.receive(bytes, now);
    } catch (error) {
      if (hush.allows(client.address, now))
        say({
          kind: "bad-packet",
          client: { ...client },
          path: transfer?.path ?? "",
          why: (error as Error).message,
        });
      return;
    }
    // An ERROR is never answered, nor is what comes late to a transfer that has ended.
    if (tid.past.has(key) || bytes[1] === 5 || !hush.allows(client.address, now)) return;
    tid.plane.send(
      encode({ type: "error", code: ERROR.UNKNOWN_TID, text: "Unknown transfer ID" }),
      client.port,
      client.address,
    );
  };

  const planes: UdpPlane[] = [];
  const close = async () => {
    clearInterval(timer);
    timer = undefined;
    desk.close();
    await Promise.all(planes.map((plane) => plane.close()));
  };
  const { host } = options;
  const { receiveBuffer } = limits;
  const open = options.udp === "batched" ? openBatchedUdp : openUdp;
  try {
    // Requests are heard last of all: by then there are ports to answer from.
    for (let i = 0; i < limits.tids; i++) {
      const onMessage = (bytes: Uint8Array, client: Peer) => converse(tids.all[i] as Tid, bytes, client);
      const plane = await open({ host, port: 0, receiveBuffer, onMessage, onError });
      planes.push(plane);
      tids.add(plane);
    }
    planes.push(await open({ host, port: options.port, receiveBuffer, onMessage: knock, onError }));
  } catch (error) {
    await close();
    throw error;
  }
  const door = planes.at(-1) as UdpPlane;
  return { port: door.port, warnings: warningsOf(door), close };
}

function warningsOf({ receiveBuffer: { asked, got }, single }: UdpPlane): string[] {
  const warnings: string[] = [];
  if (got < asked)
    warnings.push(
      `the kernel gives TFTP ${got >> 10} KiB of receive buffer instead of ${asked >> 10}: with many boards at once set net.core.rmem_max=${asked}`,
    );
  if (single !== undefined) warnings.push(`TFTP needs a system call for each packet: ${single}`);
  return warnings;
}
