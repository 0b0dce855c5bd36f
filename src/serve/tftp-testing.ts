// What the TFTP tests play with: files, a server that notes what it tells, and a client that says what it likes.
import { createSocket, type Socket } from "node:dgram";
import { once } from "node:events";
import type { TestContext } from "node:test";
import type { FileBytes } from "../base/tree.ts";
import { decode, encode, type Packet } from "../wire/tftp/packet.ts";
import { serveTftp, type TftpEvent, type TftpOptions } from "./tftp.ts";

const inMemory = (bytes: Uint8Array): FileBytes => ({
  size: bytes.length,
  read: (into, offset) => into.set(bytes.subarray(offset, offset + into.length)),
});
/** The same, but from a disk that answers in its own time. */
const onDisk = (bytes: Uint8Array): FileBytes => ({
  size: bytes.length,
  read: async (into, offset) => {
    await new Promise(setImmediate);
    into.set(bytes.subarray(offset, offset + into.length));
  },
});
export const noise = (length: number) => Uint8Array.from({ length }, (_, i) => (i * 2654435761) >>> 13);

export const FILES = new Map<string, FileBytes>([
  ["kernel8.img", inMemory(noise(300_000))],
  ["from/disk", onDisk(noise(100_000))],
  ["round", inMemory(noise(2048))],
  ["text", inMemory(new TextEncoder().encode("a\nb\rc\n"))],
  ["empty", inMemory(noise(0))],
]);

/** A server of FILES with its events; it is closed when the test ends, and then nothing of it may be left. */
export async function served(t: TestContext, more: Partial<TftpOptions> = {}) {
  const events: TftpEvent[] = [];
  const waiting = new Set<() => void>();
  const server = await serveTftp({
    host: "127.0.0.1",
    port: 0,
    find: async (path) => FILES.get(path),
    on: (event) => {
      events.push(event);
      for (const look of waiting) look();
    },
    ...more,
  });
  let open = true;
  const close = async () => {
    if (open) await server.close();
    open = false;
  };
  t.after(close);
  /** The first event of a kind, when it comes. */
  const event = (kind: TftpEvent["kind"]) =>
    new Promise<TftpEvent>((done) => {
      const look = () => {
        const found = events.find((e) => e.kind === kind);
        if (!found) return;
        waiting.delete(look);
        done(found);
      };
      waiting.add(look);
      look();
    });
  return { ...server, close, events, event };
}

interface Heard {
  packet: Packet;
  port: number;
}

/** A client's socket: what it hears waits in a queue. */
export async function client(t: TestContext, port = 0) {
  const socket: Socket = createSocket("udp4");
  socket.bind(port, "127.0.0.1");
  await once(socket, "listening");
  t.after(() => socket.close());
  const heard: Heard[] = [];
  let wake = () => {};
  socket.on("message", (bytes, from) => {
    heard.push({ packet: decode(bytes), port: from.port });
    wake();
  });
  return {
    port: socket.address().port,
    heard,
    say: (packet: Packet | Uint8Array, to: number) =>
      socket.send(packet instanceof Uint8Array ? packet : encode(packet), to, "127.0.0.1"),
    async hear(): Promise<Heard> {
      while (heard.length === 0) await new Promise<void>((done) => (wake = done));
      return heard.shift() as Heard;
    },
  };
}

export const read = (
  path: string,
  options: Record<string, string | number> = {},
  mode = "octet",
): Packet => ({
  type: "read",
  path,
  mode,
  options: new Map(Object.entries(options).map(([name, value]) => [name, String(value)])),
});
export const ack = (block: number): Packet => ({ type: "ack", block });
