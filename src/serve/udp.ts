import { createSocket, type RemoteInfo, type SocketOptions } from "node:dgram";

/** Who sent a datagram. */
export interface Peer {
  readonly address: string;
  readonly port: number;
  /** "address:port", where it is at hand. */
  readonly key?: string;
}

/** One UDP port, IPv4. The only way in which TFTP touches the network, so that a plane that takes many datagrams with one call fits in. */
export interface UdpPlane {
  readonly address: string;
  readonly port: number;
  /** Bytes of the kernel's receive buffer. Less than asked: many clients at once may lose packets. */
  readonly receiveBuffer: { asked: number; got: number };
  /** Why it takes a system call for each datagram although many with one were asked for. */
  readonly single?: string;
  /** Sends a datagram. True: `bytes` are the caller's again. False: they wait in a queue and may not be changed any more. */
  send(bytes: Uint8Array, port: number, address: string): boolean;
  close(): Promise<void>;
}

export interface UdpOptions {
  host: string;
  /** 0: any free port. */
  port: number;
  receiveBuffer: number;
  /** `bytes` are to be read before it returns: the next datagram may come into the same memory. */
  onMessage(bytes: Uint8Array, from: Peer): void;
  /** A datagram that could not be sent (no route, too long): nobody waits for it. */
  onError(error: Error): void;
}

/** Addresses only: Node would otherwise ask getaddrinfo about each of them. */
type Lookup = NonNullable<SocketOptions["lookup"]>;
export const literally: Lookup = (host, _options, done) => done(null, host, 4);

/** Opens the port with Node's own sockets: works everywhere. Throws Node's error when the port is taken or not allowed. */
export async function openUdp({
  host,
  port,
  receiveBuffer,
  onMessage,
  onError,
}: UdpOptions): Promise<UdpPlane> {
  const socket = createSocket({ type: "udp4", lookup: literally });
  await new Promise<void>((done, fail) => {
    socket.once("error", fail);
    socket.bind({ port, address: host, exclusive: true }, () => {
      socket.off("error", fail);
      done();
    });
  });
  socket.setRecvBufferSize(receiveBuffer);
  socket.setSendBufferSize(receiveBuffer);
  socket.on("error", onError);
  socket.on("message", (bytes: Uint8Array, from: RemoteInfo) => {
    if (from.port !== 0) onMessage(bytes, from); // forged: nobody can be answered there, and Node throws when one tries
  });
  const bound = socket.address();
  return {
    address: bound.address,
    port: bound.port,
    // Linux reports twice the size, half of it for its own books (socket(7)).
    receiveBuffer: {
      asked: receiveBuffer,
      got: socket.getRecvBufferSize() / (process.platform === "linux" ? 2 : 1),
    },
    send(bytes, toPort, address) {
      socket.send(bytes, toPort, address);
      return socket.getSendQueueCount() === 0; // Node sends at once where the kernel takes it
    },
    close: () => new Promise((done) => socket.close(() => done())),
  };
}
