interface Span {
  from: number;
  to: number;
  ended: Promise<unknown>;
}

/** Writes whose bytes other threads put into the file: whoever would change the same bytes waits for them. */
export class Apart {
  readonly #spans: Span[] = [];

  /** Bytes of the disk that `work` changes until it ends. */
  add(from: number, length: number, work: Promise<void>): Promise<void> {
    const span: Span = { from, to: from + length, ended: work };
    this.#spans.push(span);
    const done = () => void this.#spans.splice(this.#spans.indexOf(span), 1);
    span.ended = work.then(done, done);
    return work;
  }

  /** What to wait for, and to ask again then, before these bytes are changed. */
  before(offset: number, length: number): Promise<unknown> | undefined {
    for (const { from, to, ended } of this.#spans) if (from < offset + length && offset < to) return ended;
    return undefined;
  }

  /** When none is under way; for those who let none begin. */
  async idle(): Promise<void> {
    while (this.#spans[0]) await this.#spans[0].ended;
  }
}
