import { BrambleError } from "../base/errors.ts";
import { type FileBytes, readAll } from "../base/tree.ts";
import { toNetascii } from "../wire/tftp/netascii.ts";
import { ERROR, encode, type Options } from "../wire/tftp/packet.ts";
import { negotiate } from "../wire/tftp/terms.ts";
import type { TftpEvent, TftpOptions } from "./tftp.ts";
import { Admission, type TftpLimits } from "./tftp-admission.ts";
import { blockSizeToward } from "./tftp-mtu.ts";
import { peerKey, type Tids } from "./tftp-tids.ts";
import { type Ending, Transfer } from "./tftp-transfer.ts";
import type { Peer } from "./udp.ts";

/** A request that was understood. */
export interface Request {
  client: Peer;
  path: string;
  netascii: boolean;
  options: Options;
  at: number;
}

/** A client that has taken blocks and then says nothing for so long, and asks anew, was switched off in between. */
const STALL_MS = 1500;
/** netascii is for texts: the whole file is turned in memory. */
const NETASCII_MOST = 1 << 20;

type Say = (event: Omit<TftpEvent, "at">) => void;

/** From a request to its end: the same request is taken once, files are looked for, transfers started and closed. */
export class Desk {
  readonly #find: TftpOptions["find"];
  readonly #limits: TftpLimits;
  readonly #tids: Tids;
  readonly #say: Say;
  readonly #admission: Admission<Request>;
  readonly #open = new Map<string, Request | Transfer>();
  readonly #blockSizeToward = blockSizeToward();
  #closed = false;

  constructor(options: { find: TftpOptions["find"]; limits: TftpLimits; tids: Tids; say: Say }) {
    this.#find = options.find;
    this.#limits = options.limits;
    this.#tids = options.tids;
    this.#say = options.say;
    this.#admission = new Admission(options.limits, (request) => void this.#serve(request));
  }

  get idle(): boolean {
    return this.#admission.idle;
  }

  /** False: there was no room, and the client was told nothing. It asks again by itself. */
  take(request: Request): boolean {
    for (const transfer of this.#tids.of(peerKey(request.client))) {
      if (transfer.sending.stalled(request.at, STALL_MS)) transfer.supersede();
    }
    const id = idOf(request);
    if (this.#open.has(id)) return true; // sent again each 2 s until the first answer: the answer is under way
    this.#open.set(id, request);
    const taken = this.#admission.enter(request);
    if (!taken) this.#open.delete(id);
    return taken;
  }

  tick(now: number): void {
    for (const { live } of this.#tids.all) for (const transfer of live.values()) transfer.tick(now);
    for (const request of this.#admission.expired(now)) {
      this.#open.delete(idOf(request));
      const { client, path } = request;
      this.#say({ kind: "refused", client, path, why: "too many requests at once: it waited in vain" });
    }
  }

  close(): void {
    this.#closed = true;
    for (const { live } of this.#tids.all) for (const transfer of live.values()) transfer.drop();
  }

  async #serve(request: Request): Promise<void> {
    const { client, path } = request;
    let file: FileBytes | undefined;
    let refusal: { text: string; why: string } | undefined;
    try {
      const found = await this.#find(path, client);
      file = found && request.netascii ? await asNetascii(found) : found;
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      refusal = { text: error instanceof BrambleError ? why : "internal error", why };
    }
    if (this.#closed) return;
    this.#admission.found();
    if (file) return this.#start(request, file);
    this.#open.delete(idOf(request));
    this.#admission.leave(request);
    const ms = performance.now() - request.at;
    if (refusal) {
      this.refuse(client, ERROR.UNDEFINED, refusal.text);
      this.#say({ kind: "refused", client, path, ms, why: refusal.why });
    } else {
      this.refuse(client, ERROR.NOT_FOUND, "File not found");
      this.#say({ kind: "missing", client, path, ms });
    }
  }

  #start(request: Request, file: FileBytes): void {
    const { client, path, at } = request;
    const now = performance.now();
    const key = peerKey(client);
    const tid = this.#tids.free(key, now);
    const terms = negotiate(request.options, file.size, {
      blockSize: Math.min(this.#limits.blockSize, this.#blockSizeToward(client.address, now)),
      windowSize: this.#limits.windowSize,
    });
    const { blockSize, windowSize, size } = terms;
    const ended = (ending: Ending): void => {
      const late = performance.now();
      if (tid?.live.delete(key)) this.#tids.retire(tid, key, late);
      this.#open.delete(idOf(request));
      this.#admission.leave(request);
      const { delivered, retransmits } = transfer.sending;
      const figures = { bytes: delivered, ms: late - at, retransmits, blockSize, windowSize };
      this.#say({ ...ending, client, path, ...figures });
    };
    const transfer = new Transfer({
      client,
      path,
      file,
      terms,
      plane: (tid ?? this.#tids.next()).plane,
      ended,
    });
    if (!tid) {
      ended({ kind: "refused", why: "one client port, too many transfers: not answered" });
      return;
    }
    tid.live.set(key, transfer);
    this.#open.set(idOf(request), transfer);
    const blocks = Math.floor(size / blockSize) + 1;
    this.#say({
      kind: "read",
      client,
      path,
      bytes: size,
      blockSize,
      windowSize,
      ...(blocks > 65535 && {
        why: `${blocks} blocks: the block number wraps, boards older than 2025-09-23 stop there`,
      }),
    });
    transfer.start(now);
  }

  /** An ERROR from one of the shared ports; tftp-hpa's client acknowledges errors, so that port does not answer it for a while. */
  refuse(client: Peer, code: number, text: string): void {
    const tid = this.#tids.next();
    tid.plane.send(encode({ type: "error", code, text: text.slice(0, 200) }), client.port, client.address);
    this.#tids.retire(tid, peerKey(client), performance.now());
  }
}

const idOf = ({ client, path }: Request): string => `${peerKey(client)} ${path}`;

async function asNetascii(file: FileBytes): Promise<FileBytes> {
  if (file.size > NETASCII_MOST) {
    throw new BrambleError("BAD_INPUT", "netascii is for texts of up to 1 MiB: ask in octet (binary) mode");
  }
  const bytes = toNetascii(await readAll(file, NETASCII_MOST));
  return {
    size: bytes.length,
    read: (into, offset) => into.set(bytes.subarray(offset, offset + into.length)),
  };
}
