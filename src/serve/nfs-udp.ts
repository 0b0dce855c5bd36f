// NFS over UDP: MOUNT, and of NFS what changes nothing. U-Boot speaks nothing else; an address in a datagram proves nothing.
import { CallHead } from "../wire/rpc/message.ts";
import type { NfsClient } from "./nfs.ts";
import type { Desk } from "./nfs-desk.ts";
import type { Line, Tell } from "./nfs-line.ts";
import { Outbox, type Slabs } from "./outbox.ts";
import { openUdp, type Peer, type UdpPlane } from "./udp.ts";

/** Datagrams whose answers are under way; more are lost, and come again. */
const MOST_OPEN = 256;
const MOST_REPLY = 65_000;
const RECEIVE_BUFFER = 1 << 20;
const RECORD_MARK = 4;

/** One datagram: a line that says one thing. */
class Datagram implements Line {
  readonly client: NfsClient;
  readonly head = new CallHead();
  readonly now: Outbox;
  readonly held: Outbox;
  readonly gone = false;
  readonly #reply: (line: Datagram) => void;
  #open = 0;

  constructor({ address, port }: Peer, slabs: Slabs, reply: (line: Datagram) => void) {
    this.client = { address, port, transport: "udp" };
    this.now = new Outbox(slabs);
    this.held = new Outbox(slabs);
    this.#reply = reply;
  }
  /** Nothing is changed over UDP. */
  unsettled(): void {}
  used(): void {}
  begun(): void {
    this.#open += 1;
  }
  ended(): void {
    this.#open -= 1;
    this.done();
  }
  done(): void {
    if (this.#open === 0) this.#reply(this);
  }
}

/** Listens until close(). Rejects with Node's error when the port cannot be had. */
export async function serveNfsUdp(options: {
  host: string;
  port: number;
  desk: Desk;
  slabs: Slabs;
  tell: Tell;
}): Promise<UdpPlane> {
  const { desk, slabs, tell } = options;
  let open = 0;
  const reply = (line: Datagram) => {
    open -= 1;
    const { client } = line;
    const pieces = line.now.take();
    for (const { slab, from, to } of pieces) {
      const bytes = slab.bytes.slice(from + RECORD_MARK, to);
      if (bytes.length <= MOST_REPLY) plane.send(bytes, client.port, client.address);
      else tell({ kind: "refused", client, why: `a reply of ${bytes.length} bytes is too long for UDP` });
    }
    line.now.free(pieces);
  };
  const plane = await openUdp({
    host: options.host,
    port: options.port,
    receiveBuffer: RECEIVE_BUFFER,
    onMessage(bytes, from) {
      if (open >= MOST_OPEN) return;
      open += 1;
      const line = new Datagram(from, slabs, reply);
      try {
        desk.answer(line, bytes, 0, bytes.length);
      } catch (error) {
        open -= 1;
        const why = error instanceof Error ? error.message : String(error);
        tell({ kind: "refused", client: line.client, why });
        return;
      }
      line.done();
    },
    onError() {}, // a client that has gone: nobody waits for the reply
  });
  return plane;
}
