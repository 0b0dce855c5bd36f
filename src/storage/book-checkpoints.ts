// SQLite's write-ahead log goes into the book's file by a connection of its own, in a thread of libsql's: two fsyncs and megabytes of
// pages, for which the control side would stand still if it were done at a commit, as SQLite does it by itself.
import Checkpointer from "libsql/promise";

export interface CheckpointOptions {
  /** The work has the book's only connection to itself: no statement runs meanwhile, and whoever wants one waits in line. */
  alone<T>(work: () => Promise<T>): Promise<T>;
  /** After so many commits; about ten pages each. */
  every?: number;
}

export interface Checkpoints {
  /** A commit is in the log. */
  written(): void;
  /** Everything into the book's file, and the log to nothing. */
  empty(): Promise<void>;
  /** Ends when none is under way. */
  close(): Promise<void>;
}

const EVERY = 128;
/** A checkpoint beside commits never catches up with them, and the log begins anew only when one has: each so many has the book alone. */
const ALONE_EACH = 4;

/** Opens its connection at the first use. */
export function checkpointsOf(path: string, { alone, every = EVERY }: CheckpointOptions): Checkpoints {
  let connection: InstanceType<typeof Checkpointer> | undefined;
  let commits = 0;
  let rounds = 0;
  let working: Promise<void> | undefined;

  async function checkpoint(mode: "PASSIVE" | "TRUNCATE"): Promise<void> {
    connection ??= new Checkpointer(path, {});
    await connection.exec(`PRAGMA wal_checkpoint(${mode})`);
  }
  async function round(): Promise<void> {
    await checkpoint("PASSIVE"); // most of it, beside the commits
    rounds += 1;
    if (rounds % ALONE_EACH === 0) await alone(() => checkpoint("PASSIVE"));
  }

  return {
    written() {
      commits += 1;
      if (commits < every || working) return;
      commits = 0;
      // what failed stands in the log, and is copied by the next one: SQLite's own way with it
      working = round()
        .catch(() => {})
        .finally(() => {
          working = undefined;
        });
    },
    async empty() {
      await working;
      await alone(() => checkpoint("TRUNCATE"));
    },
    async close() {
      await working;
      connection?.close();
    },
  };
}
