// The port mapper's port (111), for clients that are not told which port NFS has: U-Boot and old initramfs. Where a host has an rpcbind of its own, that port is taken.
import { once } from "node:events";
import { createServer, type Socket } from "node:net";
import { answerPortmap, type Mapping, PORTMAP_PROGRAM, PORTMAP_VERSION } from "../wire/portmap/portmap.ts";
import { CallHead, seal, writeDenied } from "../wire/rpc/message.ts";
import { Records } from "../wire/rpc/records.ts";
import { XdrReader, XdrWriter } from "../wire/xdr.ts";
import { openUdp } from "./udp.ts";

const MOST_RECORD = 4096;
const MOST_CONNECTIONS = 64;
const IDLE_MS = 10_000;

/** Answers over TCP and UDP until close(). Rejects with Node's error when the port cannot be had. */
export async function serveRpcbind(options: {
  host: string;
  port: number;
  mappings: readonly Mapping[];
}): Promise<{ port: number; close(): Promise<void> }> {
  const { host } = options;
  const sockets = new Set<Socket>();
  const mappings: Mapping[] = [];
  const server = createServer((socket) => {
    sockets.add(socket);
    const records = new Records({ take: (size) => new Uint8Array(size), give() {} }, MOST_RECORD);
    socket.setTimeout(IDLE_MS, () => socket.destroy());
    socket.on("error", () => socket.destroy());
    socket.on("close", () => sockets.delete(socket));
    socket.on("data", (chunk: Buffer) => {
      records.feed(chunk);
      try {
        while (records.next()) {
          const { bytes, from, to } = records;
          if (!socket.write(answer(bytes.subarray(from, to), mappings))) socket.destroy(); // it asks and does not listen
        }
      } catch {
        socket.destroy(); // no call, or an endless one
      }
    });
  });
  server.maxConnections = MOST_CONNECTIONS;
  server.listen(options.port, host);
  await once(server, "listening");
  const at = server.address();
  const port = typeof at === "object" && at ? at.port : options.port;
  mappings.push(
    ...(["tcp", "udp"] as const).map((protocol) => ({
      ...{ program: PORTMAP_PROGRAM, version: PORTMAP_VERSION, protocol, port },
    })),
    ...options.mappings,
  );
  const closeTcp = async () => {
    const closed = once(server, "close");
    server.close();
    for (const socket of sockets) socket.destroy();
    await closed;
  };
  const udp = await openUdp({
    host,
    port,
    receiveBuffer: 1 << 16,
    onMessage(bytes, from) {
      try {
        udp.send(answer(bytes, mappings).subarray(4), from.port, from.address);
      } catch {
        // no call: nobody to answer
      }
    },
    onError() {},
  }).catch(async (error) => {
    await closeTcp();
    throw error;
  });
  return {
    port,
    async close() {
      await Promise.all([closeTcp(), udp.close()]);
    },
  };
}

/** The reply with its record mark. */
function answer(record: Uint8Array, mappings: readonly Mapping[]): Uint8Array {
  const head = new CallHead();
  const r = new XdrReader().over(record);
  const w = new XdrWriter().into(new Uint8Array(512));
  const denial = head.read(r);
  if (denial === undefined) answerPortmap(head, r, w, mappings);
  else writeDenied(w, head.xid, denial);
  seal(w, 0);
  return w.bytes.subarray(0, w.at);
}
