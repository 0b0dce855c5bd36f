import type { CompiledQuery, DatabaseConnection, Driver, TransactionSettings } from "kysely";
import { SqliteDialect, type SqliteDriver } from "kysely";
import { BrambleError } from "../base/errors.ts";

export interface BookDriverOptions {
  /** Brings everything that is written onto the disk; asked for what was written before the call. */
  sync(): Promise<void>;
  /** How long a transaction took, from `begin` until it is on the disk. */
  onTransaction?(ms: number): void;
  /** Before the database is closed. */
  closing?(): Promise<void>;
}

/**
 * SQLite for a process that must not stand still: a commit writes (WAL, synchronous=NORMAL), and who asked for it goes on when an
 * fdatasync of the log that began later has ended, done by another thread. Meanwhile the next transaction runs, and shares the next one.
 */
export class BookDialect extends SqliteDialect {
  readonly #options: BookDriverOptions;
  #driver: SqliteDriver | undefined;
  constructor(config: ConstructorParameters<typeof SqliteDialect>[0], options: BookDriverOptions) {
    super(config);
    this.#options = options;
  }
  override createDriver(): Driver {
    this.#driver = super.createDriver() as SqliteDriver;
    return bookDriver(this.#driver, this.#options);
  }
  /** Does something while nobody has the connection; who wants it waits in line. */
  async alone<T>(work: () => Promise<T>): Promise<T> {
    const driver = this.#driver;
    if (!driver) throw new BrambleError("INTERNAL", "the book is not open yet");
    await driver.acquireConnection();
    try {
      return await work();
    } finally {
      await driver.releaseConnection();
    }
  }
}

/** One user's turn with the only connection. It ends once, when its statements are done: before they are on the disk. */
class Turn implements DatabaseConnection {
  readonly #inner: DatabaseConnection;
  readonly #sync: () => Promise<void>;
  readonly #end: () => Promise<void>;
  isOver = false;
  /** Since when it is in a transaction. */
  beganMs: number | undefined;

  constructor(inner: DatabaseConnection, { sync, end }: { sync(): Promise<void>; end(): Promise<void> }) {
    this.#inner = inner;
    this.#sync = sync;
    this.#end = end;
  }
  async end(): Promise<void> {
    if (this.isOver) return;
    this.isOver = true;
    await this.#end();
  }
  async executeQuery<R>(query: CompiledQuery) {
    const result = await this.#inner.executeQuery<R>(query);
    if (this.beganMs !== undefined || isRead(query)) return result;
    await this.end();
    await this.#sync();
    return result;
  }
  streamQuery<R>(query: CompiledQuery, chunkSize: number) {
    return this.#inner.streamQuery<R>(query, chunkSize);
  }
}

const isRead = ({ query, sql }: CompiledQuery): boolean =>
  query.kind === "SelectQueryNode" || /^\s*(select|pragma)\b/i.test(sql);

function bookDriver(inner: SqliteDriver, { sync, onTransaction, closing }: BookDriverOptions): Driver {
  return {
    init: () => inner.init(),
    async acquireConnection() {
      return new Turn(await inner.acquireConnection(), { sync, end: () => inner.releaseConnection() });
    },
    async beginTransaction(turn: Turn, _: TransactionSettings) {
      turn.beganMs = performance.now();
      await inner.beginTransaction(turn);
    },
    async commitTransaction(turn: Turn) {
      await inner.commitTransaction(turn);
      const began = turn.beganMs ?? 0;
      turn.beganMs = undefined;
      await turn.end();
      await sync();
      onTransaction?.(performance.now() - began);
    },
    /**
     * Where SQLite has rolled back by itself (a full disk, an I/O error), the failure itself is told, not that there is nothing left to
     * roll back (sqlite.org/lang_transaction.html, "Response To Errors Within A Transaction").
     */
    async rollbackTransaction(turn: Turn) {
      if (turn.isOver) return; // committed, but not brought onto the disk: the connection is another's now
      await inner.rollbackTransaction(turn).catch((error: Error) => {
        if (!/no transaction is active/.test(error.message)) throw error;
      });
    },
    releaseConnection: (turn: Turn) => turn.end(),
    async destroy() {
      await closing?.();
      await inner.destroy();
    },
  } as Driver;
}

/** Calls that come while one is under way share the next one: it begins after them. */
export function shared(work: () => Promise<void>): () => Promise<void> {
  let under: Promise<void> = Promise.resolve();
  let next: Promise<void> | undefined;
  let isUnder = false;
  const start = async (): Promise<void> => {
    next = undefined;
    isUnder = true;
    try {
      await work();
    } finally {
      isUnder = false;
    }
  };
  return () => {
    if (next) return next;
    if (!isUnder) {
      under = start();
      return under;
    }
    next = under.then(start, start);
    under = next;
    return next;
  };
}

/**
 * Throws for ever once it has failed. The host tells of an fdatasync that failed once only, and what it lost nobody knows: a later one that
 * ends well says nothing of what was to be kept before.
 */
export function failingForGood(work: () => Promise<void>): () => Promise<void> {
  let lost: BrambleError | undefined;
  return async () => {
    if (lost) throw lost;
    try {
      await work();
    } catch (cause) {
      lost = new BrambleError("DISK_IO", `the book is not kept any more: ${(cause as Error).message}`, {
        cause,
        hint: "look at the host's disk, then start Bramble again: what was said to be saved before is safe",
      });
      throw lost;
    }
  };
}
