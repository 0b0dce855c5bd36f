import { closeSync, existsSync, fdatasync, fsyncSync, openSync } from "node:fs";
import { dirname } from "node:path";
import { promisify } from "node:util";
import { Kysely, type MigrationProvider, Migrator } from "kysely";
import Libsql from "libsql";
import { BrambleError } from "../base/errors.ts";
import type { AccessTables } from "./access-tables.ts";
import { type Checkpoints, checkpointsOf } from "./book-checkpoints.ts";
import { BookDialect, failingForGood, shared } from "./book-driver.ts";
import { migrations } from "./book-migrations.ts";
import { keepingStatements } from "./book-statements.ts";
import type { LifeColumns, LifeTables } from "./life-tables.ts";
import type { ModelNodeColumns, ModelTables } from "./model-tables.ts";
import type { NfsColumns, NfsTables } from "./nfs-tables.ts";
import type { ObserveTables } from "./observe-tables.ts";
import type { PowerTables } from "./power-tables.ts";
import type { ProfileTables } from "./profile-tables.ts";
import type { BootSuperviseColumns, SuperviseTables } from "./supervise-tables.ts";

/** Columns that hold JSON are text; times are integer ms since 1970; 0 and 1 stand for no and yes. */
export interface Tables
  extends ProfileTables,
    AccessTables,
    LifeTables,
    ModelTables,
    NfsTables,
    ObserveTables,
    PowerTables,
    SuperviseTables {
  node: LifeColumns &
    ModelNodeColumns &
    NfsColumns & {
      id: string;
      serial: string | null;
      mac: string | null;
      model: string | null;
      revision: number | null;
      name: string;
      profile: string;
      image: string | null;
      root: string | null;
      firmware: string | null;
      address: string | null;
      seed: string;
      firstSeenMs: number;
      lastSeenMs: number;
      ephemeral: number | null;
      quota: number | null;
      guard: string | null;
      volumes: string | null;
    };
  profile: NfsColumns & {
    name: string;
    image: string | null;
    root: string;
    firmware: string | null;
    seed: string;
    ephemeral: number | null;
    quota: number | null;
    guard: string | null;
    volumes: string | null;
    /** One more after each change. */
    version: number;
  };
  clone: {
    nodeId: string;
    imageSha: string;
    createdMs: number;
    /** The boot that an ephemeral clone was made for. */
    bootId: string | null;
  };
  volume: {
    id: string;
    name: string;
    /** The node that it is attached to. */
    nodeId: string | null;
    /** The name that the node's settings give it, where they made it. */
    spec: string | null;
    size: number;
    fstype: string;
    mountpoint: string | null;
    createdMs: number;
  };
  /** A LUN number stays its volume's on that node, also while it is not attached. */
  lun: { nodeId: string; lun: number; volumeId: string };
  boot: BootSuperviseColumns & {
    id: string;
    nodeId: string;
    startedMs: number;
    endedMs: number | null;
    stage: string;
    outcome: string | null;
    verdict: string | null;
    root: string | null;
    image: string | null;
    address: string | null;
    /** sha256 of the one-time token, while it may still be used; two with a blank between, when its files were made anew after a restart. */
    tokenHash: string | null;
    /** Our address that the node boots from. */
    server: string | null;
    /** JSON: which version of which profile's templates it was given, with which values. */
    templates: string | null;
    /** JSON of fleet/boot-answer.ts: what it was given, and by whose word. */
    answer: string | null;
  };
  /** What only the node and we know: never shown. */
  secret: { nodeId: string; kind: "chap" | "chap-mutual"; value: string };
  /** The disk that a node's newest boot may open: it must find it again after a restart of ours. */
  openDisk: {
    nodeId: string;
    bootId: string;
    /** `iscsi`: clone and volumes behind its target; `volumes`: these alone. */
    kind: "nbd" | "iscsi" | "volumes" | "nbd+volumes";
    address: string;
    /** NBD: sha256 of the name that it asks by. */
    secretHash: string | null;
    atMs: number;
  };
  /** Whose reports we believe, of the newest boot of each node. */
  agentSession: { nodeId: string; bootId: string; address: string; secretHash: string; atMs: number };
  step: {
    bootId: string;
    seq: number;
    atMs: number;
    kind: string;
    words: string;
    path: string | null;
    result: string | null;
    bytes: number | null;
    tookMs: number | null;
    origin: string | null;
    /** What it proves (fleet/boots.ts). */
    fact: string | null;
  };
  event: { id: number; atMs: number; nodeId: string | null; kind: string; words: string };
  setting: { name: string; value: string };
}

export type Book = Kysely<Tables>;

const MEMORY = ":memory:";

/** What SQLite does by itself, past the query builder: its statements end at the first row where there is none to read. */
const databases = new WeakMap<Book, Libsql.Database>();
const logs = new WeakMap<Book, Checkpoints>();
/** Where nobody else empties the log, SQLite does so at a commit of this many pages: 64 MB. */
const AT_LAST_PAGES = 16_384;

/**
 * Opens (and makes or migrates) the book. What was said to be saved survives a power cut: each transaction waits for an fdatasync, which it
 * shares with those that came meanwhile, and for which this thread does not stand still.
 */
export async function openBook(path: string, onTransaction?: (ms: number) => void): Promise<Book> {
  const damaged = (cause: unknown) =>
    new BrambleError("BOOK_DAMAGED", `the book ${path} could not be opened or migrated`, {
      hint: "was it written by a newer Bramble? restore it from a copy, or move it away to begin anew",
      cause,
    });
  const database = new Libsql(path);
  try {
    giveSpaceBack(database);
    database.exec(
      `PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA wal_autocheckpoint=${AT_LAST_PAGES}; PRAGMA foreign_keys=ON; PRAGMA busy_timeout=5000;`,
    );
  } catch (error) {
    database.close();
    throw damaged(error);
  }
  const log = logOnDisk(path);
  const statements = keepingStatements(database);
  const checkpoints: Checkpoints = checkpointsOf(path, { alone: (work) => dialect.alone(work) });
  const dialect = new BookDialect(
    {
      database: {
        prepare: (sql) => statements.prepare(sql),
        close() {
          statements.close();
          log.close();
        },
      },
    },
    {
      async sync() {
        await log.sync();
        if (path !== MEMORY) checkpoints.written();
      },
      closing: checkpoints.close,
      ...(onTransaction && { onTransaction }),
    },
  );
  const book = new Kysely<Tables>({ dialect });
  databases.set(book, database);
  if (path !== MEMORY) logs.set(book, checkpoints);
  const provider: MigrationProvider = { getMigrations: async () => migrations };
  const { error } = await new Migrator({
    db: book,
    provider,
    allowUnorderedMigrations: true, // each area of Bramble names its own
  }).migrateToLatest();
  if (!error) return book;
  await book.destroy();
  throw damaged(error);
}

/**
 * The book's write-ahead log. SQLite makes it at the first write and takes it away when the book is closed, no sooner; it syncs the log itself
 * before it copies from it, and whenever it begins it anew (sqlite.org/pragma.html#pragma_synchronous, NORMAL).
 */
function logOnDisk(path: string): { sync(): Promise<void>; close(): void } {
  if (path === MEMORY) return { sync: async () => {}, close() {} };
  let fd: number | undefined;
  let under: Promise<unknown> = Promise.resolve();
  const onDisk = failingForGood(async () => {
    if (fd === undefined) {
      if (!existsSync(`${path}-wal`)) return; // a transaction that found nothing to write
      fd = openSync(`${path}-wal`, "r");
      const folder = openSync(dirname(path), "r"); // its name, too, must last
      fsyncSync(folder);
      closeSync(folder);
    }
    under = dataSync(fd);
    await under;
  });
  return {
    sync: shared(onDisk),
    close() {
      const open = fd;
      fd = undefined;
      const shut = () => open !== undefined && closeSync(open);
      void under.then(shut, shut);
    },
  };
}
const dataSync = promisify(fdatasync);

/** Lets pages of deleted rows go back to the file system. A book of before is rewritten once, which takes seconds. */
function giveSpaceBack(database: Libsql.Database): void {
  const INCREMENTAL = 2;
  const mode = database.prepare("PRAGMA auto_vacuum").get() as { auto_vacuum: number };
  if (mode.auto_vacuum === INCREMENTAL) return;
  database.exec("PRAGMA auto_vacuum=INCREMENTAL; VACUUM;");
}

/** Gives up to `pages` unused pages of the book back to the file system. */
export function shrinkBook(book: Book, pages: number): void {
  databases.get(book)?.exec(`PRAGMA incremental_vacuum(${pages})`);
}

/** Writes what stands in the log of changes into the book's file, and empties the log. */
export async function emptyLog(book: Book): Promise<void> {
  await logs.get(book)?.empty();
}
