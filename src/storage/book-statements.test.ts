import assert from "node:assert/strict";
import { test } from "node:test";
import Libsql from "libsql";
import { keepingStatements } from "./book-statements.ts";

function counted(most?: number) {
  const database = new Libsql(":memory:");
  let made = 0;
  const prepare = database.prepare.bind(database);
  database.prepare = ((sql: string) => {
    made += 1;
    return prepare(sql);
  }) as typeof database.prepare;
  return { database, kept: keepingStatements(database, most), made: () => made };
}

test("keepingStatements() compiles a statement once, whatever its values", () => {
  const { database, kept, made } = counted();
  database.exec("create table t (a integer primary key, b text unique)");
  for (let n = 0; n < 300; n++) kept.prepare("insert into t values (?, ?)").run([n, `b${n}`]);
  const read = (from: number) => kept.prepare("select * from t where a >= ? order by a").all([from]);
  assert.deepEqual(
    [read(299), read(200), read(0), read(300)].map(({ length }) => length),
    [1, 100, 300, 0],
  );
  assert.equal(made(), 2);
  kept.close();
});

test("a statement that failed works the next time, with other values", () => {
  const { database, kept } = counted();
  database.exec("create table t (a integer primary key)");
  const put = (a: number) => kept.prepare("insert into t values (?)").run([a]);
  put(1);
  assert.throws(() => put(1), /UNIQUE/);
  put(2);
  assert.equal(kept.prepare("select * from t").all([]).length, 2);
});

test("a column that is added later is seen by a statement of before", () => {
  const { database, kept } = counted();
  database.exec("create table t (a integer); insert into t values (1)");
  const read = () => kept.prepare("select * from t").all([]);
  assert.deepEqual(read(), [{ a: 1 }]);
  database.exec("alter table t add column b integer default 7");
  assert.deepEqual(read(), [{ a: 1, b: 7 }]);
});

test("two who read one statement row by row do not meet in it", () => {
  const { database, kept } = counted();
  database.exec("create table t (a integer); insert into t values (1), (2), (3)");
  const rows = () =>
    kept.prepare("select a from t order by a").iterate([]) as IterableIterator<{ a: number }>;
  const [one, other] = [rows(), rows()];
  assert.deepEqual(
    [one, other, one, other].map((reader) => reader.next().value?.a),
    [1, 1, 2, 2],
  );
});

test("only so many are kept, and those used last", () => {
  const { kept, made } = counted(2);
  for (const sql of ["select 1", "select 2", "select 1", "select 3", "select 1"]) kept.prepare(sql).all([]);
  assert.equal(made(), 3);
  kept.prepare("select 2").all([]);
  assert.equal(made(), 4);
});
