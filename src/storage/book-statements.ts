import type { SqliteDatabase, SqliteStatement } from "kysely";
import type Libsql from "libsql";

/** A hundred or two are in use; lists of values make one of their own for each length. */
const MOST = 512;

/**
 * A database whose statements are compiled once: making one takes three times as long as reading a row by it. They are used to their end
 * within one call, so that two users never meet in one; what is read row by row gets its own.
 */
export function keepingStatements(database: Libsql.Database, most = MOST): SqliteDatabase {
  const kept = new Map<string, SqliteStatement>();
  function make(sql: string): SqliteStatement {
    const made = database.prepare(sql);
    return {
      reader: made.reader,
      all: (values) => made.all(values as unknown[]),
      run: (values) => made.run(values as unknown[]) as { changes: number; lastInsertRowid: number },
      iterate: (values) => database.prepare(sql).iterate(values as unknown[]) as IterableIterator<unknown>,
    };
  }
  return {
    prepare(sql) {
      const found = kept.get(sql) ?? make(sql);
      kept.delete(sql); // the newest use comes last
      kept.set(sql, found);
      if (kept.size > most) kept.delete(kept.keys().next().value as string);
      return found;
    },
    close() {
      kept.clear();
      database.close();
    },
  };
}
