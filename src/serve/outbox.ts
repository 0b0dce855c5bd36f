import type { Socket } from "node:net";

/** A buffer that many replies share, so that one receive batch leaves in one write. Reused when nothing pins it. */
export class Slab {
  readonly bytes: Uint8Array;
  readonly view: DataView;
  pins = 0;
  constructor(size: number) {
    this.bytes = Buffer.allocUnsafeSlow(size);
    this.view = new DataView(this.bytes.buffer);
  }
}

/** A run of bytes to send, or the place of a read that is under way. */
export interface Piece {
  slab: Slab;
  from: number;
  to: number;
}

/** Room for 256 KiB of data with its head. */
const SLAB = 260 << 10;
const SPARE = 16;

/** The free slabs of a server, of one size or of several. */
export class Slabs {
  readonly #kinds: readonly { size: number; free: Slab[] }[];
  /** @param sizes in bytes, the smallest first */
  constructor(...sizes: number[]) {
    this.#kinds = (sizes.length > 0 ? sizes : [SLAB]).map((size) => ({ size, free: [] }));
  }
  take(size: number): Slab {
    for (const kind of this.#kinds) if (size <= kind.size) return kind.free.pop() ?? new Slab(kind.size);
    return new Slab(size);
  }
  give(slab: Slab): void {
    for (const { size, free } of this.#kinds)
      if (slab.bytes.length === size && free.length < SPARE) free.push(slab);
  }
}

/** The replies of one connection that have not left yet: room is taken in order, filled at once or later. */
export class Outbox {
  readonly #slabs: Slabs;
  #pieces: Piece[] = [];
  #slab: Slab | undefined; // pinned by us while it is the current one
  #from = 0; // the open run is from here ...
  #at = 0; // ... to here

  constructor(slabs: Slabs) {
    this.#slabs = slabs;
  }

  get empty(): boolean {
    return this.#pieces.length === 0 && this.#from === this.#at;
  }
  /** Bytes that could leave now. */
  get bytes(): number {
    let sum = this.#at - this.#from;
    for (const { from, to } of this.#pieces) sum += to - from;
    return sum;
  }

  /** Bytes that could leave now, of the open run; those before it count as much. */
  get gathered(): number {
    return this.#pieces.length > 0 ? SLAB : this.#at - this.#from;
  }

  /** Takes `length` bytes at the end of the open run: fill slab's bytes from `at` on before anything else is called. */
  room(length: number): { slab: Slab; at: number } {
    let slab = this.#slab;
    if (!slab || this.#at + length > slab.bytes.length) {
      this.#turn();
      slab = this.#slabs.take(length);
      slab.pins = 1;
      this.#slab = slab;
      this.#from = this.#at = 0;
    }
    const at = this.#at;
    this.#at += length;
    return { slab, at };
  }
  /** Gives back the room from `at` on, which was the last one taken. */
  rewind(at: number): void {
    this.#at = at;
  }
  /** Takes the room from `at` on, the last one taken, out of the run: it is sent later, by attach(). */
  detach(at: number): Piece {
    const slab = this.#slab as Slab;
    const piece = { slab, from: at, to: this.#at };
    slab.pins += 1;
    this.#at = at;
    this.#close();
    this.#from = this.#at = piece.to;
    return piece;
  }
  attach(piece: Piece): void {
    this.#close();
    this.#pieces.push(piece);
  }
  put(bytes: Uint8Array): void {
    const { slab, at } = this.room(bytes.length);
    slab.bytes.set(bytes, at);
  }

  /** Takes out all that could leave now: attach() puts it into another outbox of the same slabs, or free() lets it go. */
  take(): Piece[] {
    this.#close();
    const pieces = this.#pieces;
    this.#pieces = [];
    return pieces;
  }
  /** Writes all that can leave now as one batch; `sent`: the socket holds nothing of it any more, and never will. */
  writeTo(socket: Socket, sent: () => void): void {
    this.#write(socket, sent);
  }
  /** The same, where `sent` may be called before this returns: the next long reply then gets the slab of this one, which the processor still has in its cache. */
  writeAtOnceTo(socket: Socket, sent: () => void): void {
    const left = this.#write(socket, sent);
    if (socket.writableLength === 0) left();
  }
  #write(socket: Socket, sent: () => void): () => void {
    const pieces = this.take();
    let isOver = false;
    const left = () => {
      if (isOver) return;
      isOver = true;
      this.free(pieces);
      sent();
    };
    if (pieces.length > 1) socket.cork();
    pieces.forEach(({ slab, from, to }, i) => {
      const bytes = slab.bytes.subarray(from, to);
      if (i === pieces.length - 1) socket.write(bytes, left);
      else socket.write(bytes);
    });
    if (pieces.length > 1) socket.uncork();
    return left;
  }
  /** They have left, or will never. */
  free(pieces: readonly Piece[]): void {
    for (const { slab } of pieces) this.#unpin(slab);
    if (this.#slab?.pins === 1 && this.empty) this.#turn();
  }

  /** Ends the open run. */
  #close(): void {
    if (!this.#slab || this.#from === this.#at) return;
    this.#slab.pins += 1;
    this.#pieces.push({ slab: this.#slab, from: this.#from, to: this.#at });
    this.#from = this.#at;
  }
  /** Leaves the current slab. */
  #turn(): void {
    this.#close();
    if (this.#slab) this.#unpin(this.#slab);
    this.#slab = undefined;
    this.#from = this.#at = 0;
  }
  #unpin(slab: Slab): void {
    slab.pins -= 1;
    if (slab.pins === 0) this.#slabs.give(slab);
  }
}
