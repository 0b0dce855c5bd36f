import assert from "node:assert/strict";
import { test } from "node:test";
import { XdrReader, XdrWriter } from "../xdr.ts";
import type { Scene } from "./procedure.ts";
import { type AnyProcedure, PROCEDURES } from "./procedures.ts";
import { STATUS } from "./status.ts";
import type { Attributes, Listed, NfsTree, Soon } from "./tree.ts";

const time = { s: 1, ns: 2 };
const attributes: Attributes = {
  ...{ ino: 2, kind: 2, mode: 0o755, nlink: 2, uid: 0, gid: 0, size: 0, used: 0, major: 0, minor: 0 },
  ...{ atime: time, mtime: time, ctime: time },
};
const entry = (cookie: number): Listed => ({ ino: 100 + cookie, name: `name ${cookie}`, cookie, attributes });
type Listing = (fits: (entry: Listed) => boolean) => Soon<{ eof: boolean; attributes: Attributes }>;

/** READDIR of a tree that tells its entries in its own way: the cookies of the reply, and whether it was the end. */
async function listed(listing: Listing, most = 4096): Promise<{ cookies: number[]; eof: boolean } | number> {
  const tree = {
    readdir: (_who: unknown, _ino: number, _cookie: number, fits: (entry: Listed) => boolean) =>
      listing(fits),
    getattr: () => attributes,
  } as unknown as NfsTree;
  const w = new XdrWriter().into(new Uint8Array(8192).fill(0xff), 12);
  const scene: Scene = {
    ...{ tree, ino: 2, handles: { export: 1, generation: 1, salt: 1 }, start: 12, lasting: false },
    ...{ who: { uid: 0, gid: 0, gids: [] }, verifier: new Uint8Array(8) },
  };
  const readdir = PROCEDURES[16] as AnyProcedure;
  const args = new XdrWriter().into(new Uint8Array(20)).u64(0).u64(0).u32(most).bytes;
  await readdir.answer(w, scene, readdir.decode(new XdrReader().over(args)));
  assert.ok(w.at - 12 <= most + 4, "the results are within what was asked for");
  const r = new XdrReader().over(w.bytes, 12, w.at);
  const status = r.u32();
  if (status !== 0) return status;
  r.skip(88 + 8);
  const cookies: number[] = [];
  while (r.bool()) {
    r.skip(8);
    const name = r.text(255);
    cookies.push(r.u64());
    assert.equal(name, `name ${cookies.at(-1)}`);
  }
  const eof = r.bool();
  assert.equal(r.left, 0);
  return { cookies, eof };
}

test("a tree that has to wait goes on where it was, or begins anew: the reply is the same", async () => {
  const wanted = { cookies: [1, 2, 3, 4], eof: true };
  const all = [1, 2, 3, 4].map(entry);
  const end = { eof: true, attributes };
  const atOnce: Listing = (fits) => {
    for (const one of all) fits(one);
    return end;
  };
  const goesOn: Listing = async (fits) => {
    for (const one of all.slice(0, 2)) fits(one);
    await Promise.resolve();
    for (const one of all.slice(2)) fits(one);
    return end;
  };
  const anew: Listing = async (fits) => {
    for (const one of all.slice(0, 3)) fits(one);
    await Promise.resolve();
    for (const one of all) fits(one);
    return end;
  };
  for (const listing of [atOnce, goesOn, anew]) assert.deepEqual(await listed(listing), wanted);
});

test("a listing takes as many entries as fit to the byte, and says TOOSMALL where none does", async () => {
  const tells: Listing = (fits) => {
    for (let cookie = 1; cookie <= 9; cookie++) if (!fits(entry(cookie))) return { eof: false, attributes };
    return { eof: true, attributes };
  };
  const head = 88 + 8 + 8;
  const one = 24 + 8;
  assert.deepEqual(await listed(tells, head + 3 * one), { cookies: [1, 2, 3], eof: false });
  assert.deepEqual(await listed(tells, head + 3 * one - 1), { cookies: [1, 2], eof: false });
  assert.deepEqual(await listed(tells, head + 9 * one), {
    cookies: [1, 2, 3, 4, 5, 6, 7, 8, 9],
    eof: true,
  });
  assert.equal(await listed(tells, head + one - 1), STATUS.TOOSMALL);
  assert.equal(await listed(() => STATUS.ACCES), STATUS.ACCES);
});
