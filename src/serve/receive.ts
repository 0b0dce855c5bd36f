import { Socket, type SocketConstructorOpts } from "node:net";

export interface Receiving {
  /** Where the next bytes go: asked before each receive. */
  buffer(): Uint8Array;
  /** Bytes that came, at the start of that buffer; false: no more until resume(). */
  bytes(chunk: Uint8Array): boolean;
  /** The other side has ended, or (with the reason) the connection broke; perhaps more than once. */
  ended(why?: string): void;
}

const KEEP_ALIVE_MS = 30_000;

/**
 * Lets a connection that was accepted receive into buffers of ours. Node offers that to sockets that connect only (`onread`);
 * for a busy disk it is worth a third of the speed: one large receive takes in a whole queue of requests and allocates nothing.
 * The socket is made anew around the same handle; where a later Node has no such handle any more, plain data events do.
 * @param accepted from a server with pauseOnConnect
 */
export function receiveInto(accepted: Socket, receiving: Receiving): Socket {
  const socket = receiver(accepted, receiving);
  socket.setNoDelay(true);
  socket.setKeepAlive(true, KEEP_ALIVE_MS);
  socket.on("error", (error) => receiving.ended(error.message));
  socket.on("end", () => receiving.ended());
  socket.on("close", () => receiving.ended());
  return socket;
}

function receiver(accepted: Socket, receiving: Receiving): Socket {
  const inside = accepted as unknown as { _handle?: object | null };
  const handle = inside._handle;
  if (!handle) return receivePlainly(accepted, receiving);
  inside._handle = null;
  accepted.destroy();
  const onread = {
    buffer: () => receiving.buffer(),
    callback: (length: number, buffer: Uint8Array) =>
      receiving.bytes(new Uint8Array(buffer.buffer, buffer.byteOffset, length)),
  };
  const socket = new Socket({ handle, onread } as unknown as SocketConstructorOpts);
  socket.resume();
  return socket;
}

/** The same by data events: Node's buffers are fresh each time, so that nothing is overwritten. */
function receivePlainly(socket: Socket, receiving: Receiving): Socket {
  socket.on("data", (chunk: Buffer) => {
    if (!receiving.bytes(new Uint8Array(chunk.buffer, chunk.byteOffset, chunk.length))) socket.pause();
  });
  socket.resume();
  return socket;
}
