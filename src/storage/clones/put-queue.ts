interface Put {
  from: Uint8Array;
  offset: number;
  done: () => void;
  failed: (error: unknown) => void;
}

/** Most bytes that one call of the host gets: the next ones should not wait long. */
const MOST = 1 << 20;

/**
 * Large writes to one file, on another thread, one at a time: several at once would spin for the lock that the host's file
 * system has on each file. What waits meanwhile and lies one behind the other goes in one call.
 */
export class PutQueue {
  readonly #write: (from: Uint8Array[], offset: number) => Promise<void>;
  readonly #waiting: Put[] = [];
  #busy = false;

  constructor(write: (from: Uint8Array[], offset: number) => Promise<void>) {
    this.#write = write;
  }

  /** `from` must stay untouched until it ends. */
  put(from: Uint8Array, offset: number): Promise<void> {
    return new Promise((done, failed) => {
      this.#waiting.push({ from, offset, done, failed });
      if (!this.#busy) this.#next();
    });
  }

  #next(): void {
    const puts = this.#take();
    const first = puts[0];
    this.#busy = first !== undefined;
    if (!first) return;
    const work = this.#write(
      puts.map(({ from }) => from),
      first.offset,
    );
    const after = (tell: (put: Put) => void) => {
      this.#next();
      for (const put of puts) tell(put);
    };
    work.then(
      () => after((put) => put.done()),
      (error: unknown) => after((put) => put.failed(error)),
    );
  }

  #take(): Put[] {
    let count = 0;
    let bytes = 0;
    let end = this.#waiting[0]?.offset;
    for (const { from, offset } of this.#waiting) {
      if (offset !== end || (count > 0 && bytes + from.length > MOST)) break;
      count += 1;
      bytes += from.length;
      end = offset + from.length;
    }
    return this.#waiting.splice(0, count);
  }
}
