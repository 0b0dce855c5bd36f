import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { STATUS } from "../wire/nfs/status.ts";
import { AUTH_NONE, authSys, encodeCall, fragments, type RpcCall } from "./nfs-client-rpc-testing.ts";
import { args, connectNfs } from "./nfs-client-testing.ts";
import { HANDLES, house, mounted, PATH } from "./nfs-testing.ts";

const status = (code: number) => ({ status: code });
const root0 = authSys({ uid: 0, gid: 0, gids: [] });
const base: Omit<RpcCall, "xid"> = {
  program: 100003,
  version: 3,
  procedure: 1,
  args: new Uint8Array(0),
  auth: root0,
};

test("RPC says what RFC 5531 says: unknown programs (NFSACL too), versions, procedures, arguments, credentials", async (t) => {
  const { client } = await mounted(t);
  const rows: [Partial<RpcCall>, number[]][] = [
    [{ program: 100227 }, [0, 1]],
    [{ program: 100227, procedure: 0 }, [0, 1]],
    [{ program: 100021 }, [0, 1]],
    [{ version: 2 }, [0, 2, 3, 3]],
    [{ version: 4, procedure: 0 }, [0, 2, 3, 3]],
    [{ program: 100005, version: 4 }, [0, 2, 3, 3]],
    [{ procedure: 22 }, [0, 3]],
    [{ procedure: 0xffff_ffff }, [0, 3]],
    [{ program: 100005, procedure: 6 }, [0, 3]],
    [{}, [0, 4]],
    [{ program: 100005, procedure: 1, args: args((w) => w.u32(0x7fff_ffff)) }, [0, 4]],
    [{ program: 100005, procedure: 1, args: args((w) => w.text("/".repeat(1025))) }, [0, 4]],
    [{ rpcVersion: 3 }, [1, 0, 2, 2]],
    [{ auth: { flavor: 6, body: new Uint8Array(16) } }, [1, 1, 1]],
    [{ auth: { flavor: 2, body: new Uint8Array(8) } }, [1, 1, 2]],
    [{ auth: { flavor: 1, body: new Uint8Array(3) } }, [1, 1, 1]],
  ];
  for (const [asked, words] of rows)
    await assert.rejects(client.rpc.call({ ...base, ...asked }), { words }, JSON.stringify(asked));
  assert.equal((await client.rpc.call({ ...base, procedure: 0, auth: AUTH_NONE })).length, 0);
});

const secondsSince = (begun: number): number => Math.ceil((performance.now() - begun) / 1000);

test("a handle with a bit changed, of another export or of another kind is refused, with an event", async (t) => {
  const { client, root, events } = await mounted(t);
  const begun = performance.now();
  const allowed = new Set<number>([STATUS.STALE, STATUS.BADHANDLE]);
  for (let bit = 0; bit < root.length * 8; bit++) {
    const forged = Uint8Array.from(root);
    forged[bit >> 3] = (forged[bit >> 3] as number) ^ (1 << (bit & 7));
    const refusal = await client.getattr(forged).then(
      () => assert.fail(`bit ${bit}`),
      (error) => error,
    );
    assert.ok(allowed.has(refusal.status), `bit ${bit}: ${refusal.message}`);
  }
  for (const length of [0, 4, 23, 25, 64])
    await assert.rejects(client.getattr(new Uint8Array(length)), status(STATUS.BADHANDLE));
  await assert.rejects(
    client.raw(
      1,
      args((w) => w.opaque(new Uint8Array(65))),
    ),
    { words: [0, 4] },
  );
  const denied = events.filter((event) => event.kind === "denied");
  assert.ok(denied.length >= 1 && denied.length <= 1 + secondsSince(begun), "one a second");
  assert.equal(denied[0]?.client.address, "127.0.0.1");
});

test("the second handle of RENAME and LINK is looked at like the first", async (t) => {
  const { client, root, tree } = await mounted(t);
  const { fh } = await client.create(root, "file");
  const other = Uint8Array.from(root);
  other[7] = 9; // another export
  const forged = Uint8Array.from(root);
  forged[23] = (root[23] as number) ^ 1;
  for (const [handle, wanted] of [
    [other, STATUS.XDEV],
    [forged, STATUS.STALE],
    [new Uint8Array(8), STATUS.BADHANDLE],
  ] as const) {
    await assert.rejects(client.rename(root, "file", handle, "new"), status(wanted));
    await assert.rejects(client.link(fh, handle, "new"), status(wanted));
  }
  assert.equal(tree.remembered.size, 1, "nothing was done but the CREATE");
});

test("handles of before a reset are stale", async (t) => {
  let generation = 1;
  const { client, root, tree } = await mounted(t, {
    treeOf: () => ({ handles: { ...HANDLES, generation }, tree, name: "pi01" }),
  });
  await client.getattr(root);
  generation = 2;
  await assert.rejects(client.getattr(root), status(STATUS.STALE));
});

test("whoever may not use an export learns it at each request, also on a connection that could before", async (t) => {
  let allowed = true;
  const { client, root, tree, event } = await mounted(t, {
    treeOf: () => (allowed ? { handles: HANDLES, tree, name: "pi01" } : STATUS.ACCES),
  });
  await client.create(root, "mine");
  allowed = false;
  await assert.rejects(client.getattr(root), status(STATUS.ACCES));
  await assert.rejects(client.create(root, "another"), status(STATUS.ACCES));
  assert.equal((await event("denied")).exportNumber, 7);
  allowed = true;
  assert.equal((await client.list(root)).length, 3);
});

test("names that no name can be are refused, and all others are kept to the byte", async (t) => {
  const { client, root } = await mounted(t);
  for (const name of ["", "a/b", "/", "a\0b", "\0"])
    await assert.rejects(client.create(root, name), status(STATUS.INVAL), JSON.stringify(name));
  for (const length of [256, 1000, 100_000])
    await assert.rejects(client.create(root, "x".repeat(length)), status(STATUS.NAMETOOLONG));
  for (const name of [".", ".."]) await assert.rejects(client.create(root, name), status(STATUS.EXIST));
  const odd = ["\xff\xfe\x80", "x".repeat(255), "\xc3\xa9", "\n\x01", " ", "-rf", "a\\b"];
  for (const name of odd) await client.create(root, name);
  assert.deepEqual(
    (await client.list(root)).slice(2).map((entry) => entry.name),
    odd,
  );
  for (const name of odd) assert.equal((await client.lookup(root, name)).attributes?.kind, 1);
});

test("hostile counts and cookies cost one reply of at most what there is", async (t) => {
  const { client, root } = await mounted(t);
  const { fh } = await client.create(root, "file");
  await client.write(fh, 0, new Uint8Array(10));
  for (const offset of [0, 2 ** 32, 2 ** 53, 2 ** 63])
    for (const count of [0, 0xffff_ffff]) {
      const { data } = await client.read(fh, offset, count);
      assert.equal(data.length, offset === 0 && count > 0 ? 10 : 0);
    }
  await assert.rejects(client.write(fh, 2 ** 63, new Uint8Array(1)), status(STATUS.FBIG));
  await assert.rejects(client.write(fh, 2 ** 53 - 1, new Uint8Array(4)), status(STATUS.FBIG));
  await assert.rejects(client.setattr(fh, { size: 2 ** 63 }).then(() => client.read(fh, 0, 1)));
  assert.deepEqual((await client.readdir(root, 2 ** 52)).entries, []);
  await assert.rejects(client.readdir(root, 2 ** 63), status(STATUS.BAD_COOKIE));
  for (const count of [0, 1, 100])
    await assert.rejects(client.readdirplus(root, 0, count), status(STATUS.TOOSMALL));
  assert.equal((await client.readdirplus(root, 0, 0xffff_ffff, 0)).entries.length, 1, "one is always told");
  const odd = client.raw(
    7,
    args((w) => w.opaque(fh).u64(0).u32(5).u32(2).opaque(new Uint8Array(4))),
  );
  assert.equal((await odd)[3], STATUS.INVAL, "count and data differ");
});

test("what throws in a tree is an answer and an event, and the connection goes on", async (t) => {
  let code = "";
  const { client, root, event } = await mounted(t, {
    hooks: {
      before(what) {
        if (what === "create") throw Object.assign(new Error("it broke"), { code });
      },
    },
  });
  for (const [thrown, wanted] of [
    ["DISK_FULL", STATUS.NOSPC],
    ["ENOSPC", STATUS.NOSPC],
    ["DISK_IO", STATUS.IO],
    ["DISK_READ_ONLY", STATUS.ROFS],
    ["", STATUS.SERVERFAULT],
  ] as const) {
    code = thrown;
    await assert.rejects(client.create(root, "file"), status(wanted), thrown);
  }
  const told = await event("error");
  assert.deepEqual([told.export, told.why], ["pi01", "it broke"]);
  await client.getattr(root);
});

test("no bytes end the server: calls mutated anywhere, cut into any fragments", async (t) => {
  const { port, client, root } = await mounted(t, { limits: { connectionsPerAddress: 4096 } });
  const call = (procedure: number, write: Parameters<typeof args>[0]) =>
    encodeCall({ ...base, xid: 5, procedure, args: args((w) => write(w.opaque(root))) });
  const good = [
    call(1, () => {}),
    call(3, (w) => w.text("name")),
    call(6, (w) => w.u64(0).u32(4096)),
    call(8, (w) => w.text("made").u32(0).u32(0).u32(0).u32(0).u32(0).u32(0).u32(0)),
    call(17, (w) => w.u64(0).u64(0).u32(1000).u32(4000)),
    encodeCall({ ...base, xid: 5, program: 100005, procedure: 1, args: args((w) => w.text(PATH)) }),
  ];
  const change = fc.record({ at: fc.nat(), to: fc.nat(255) });
  const sizes = fc.array(fc.nat(60), { maxLength: 5 });
  await fc.assert(
    fc.asyncProperty(fc.nat(5), fc.array(change, { maxLength: 4 }), sizes, async (which, changes, cuts) => {
      const record = Uint8Array.from(good[which] as Uint8Array);
      for (const { at, to } of changes) record[at % record.length] = to;
      const other = await connectNfs(port);
      other.rpc.socket.end(fragments(record, ...cuts));
      await other.rpc.end();
    }),
    { numRuns: 150 },
  );
  assert.equal((await client.getattr(root)).kind, 2);
});

test("what is no RPC at all is hung up on, at once, with an event", async (t) => {
  const { port, event } = await house(t);
  const nonsense = [
    Buffer.from("GET / HTTP/1.1\r\nHost: x\r\n\r\n"),
    fragments(Buffer.alloc(40, 0xff)),
    fragments(Buffer.alloc(3)),
    Buffer.from("ffffffff", "hex"),
    Buffer.from("c0000000", "hex"),
  ];
  for (const bytes of nonsense) {
    const client = await connectNfs(port);
    client.rpc.socket.write(bytes);
    await client.rpc.end();
  }
  assert.match((await event("refused")).why ?? "", /RPC|XDR/);
});
