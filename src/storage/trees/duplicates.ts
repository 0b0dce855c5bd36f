/** A client asks again only while it has no answer: this many are more than it has under way. */
const MOST = 256;
const MOST_BYTES = 128 * 1024;

/** The last answers of a tree that must not be worked out twice, by the request's key; the oldest go. */
export class Duplicates {
  readonly #replies = new Map<string, Uint8Array>();
  #bytes = 0;

  get memory(): number {
    return this.#bytes + this.#replies.size * 120;
  }

  recall(key: string): Uint8Array | undefined {
    return this.#replies.get(key);
  }

  /** A copy is kept. */
  remember(key: string, reply: Uint8Array): void {
    this.#forget(key);
    this.#replies.set(key, reply.slice());
    this.#bytes += key.length + reply.length;
    for (const oldest of this.#replies.keys()) {
      if (this.#replies.size <= MOST && this.#bytes <= MOST_BYTES) return;
      this.#forget(oldest);
    }
  }

  #forget(key: string): void {
    const reply = this.#replies.get(key);
    if (!reply) return;
    this.#replies.delete(key);
    this.#bytes -= key.length + reply.length;
  }

  /** The oldest first. */
  all(): Iterable<[key: string, reply: Uint8Array]> {
    return this.#replies;
  }
}
