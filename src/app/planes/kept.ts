// What a plane was told once and must be told again when its thread has been started anew.

export interface Told {
  name: string;
  args: unknown;
}

/** Which calls last, and which calls end them. */
export interface Lasting {
  /** Under which key a call of this name is kept; a later one with the same key replaces it. */
  keep: Record<string, (args: never) => string>;
  /** Which kept calls a call of this name ends. */
  end: Record<string, (args: never) => (kept: Told) => boolean>;
  /** Calls that open doors: told last, when everything behind them is in place. */
  doors: ReadonlySet<string>;
}

/** Remembers the calls that last. A door that took a free port gets that port again. */
export class Kept {
  readonly #lasting: Lasting;
  readonly #told = new Map<string, Told>();

  constructor(lasting: Lasting) {
    this.#lasting = lasting;
  }

  /** A call has been answered. */
  answered(name: string, args: unknown, answer: unknown): void {
    const ends = this.#lasting.end[name]?.(args as never);
    if (ends) for (const [key, told] of this.#told) if (ends(told)) this.#told.delete(key);
    const key = this.#lasting.keep[name]?.(args as never);
    if (key === undefined) return;
    const { port } = (answer ?? {}) as { port?: number };
    const kept = port === undefined ? args : { ...(args as object), port };
    // A door that is opened on port 0 is another one each time.
    const name_ = port === undefined ? key : `${key} ${port}`;
    this.#told.set(name_, { name, args: kept });
  }

  /** What to tell a new thread, in this order. */
  again(): Told[] {
    const all = [...this.#told.values()];
    const isDoor = ({ name }: Told) => this.#lasting.doors.has(name);
    return [...all.filter((told) => !isDoor(told)), ...all.filter(isDoor)];
  }
}
