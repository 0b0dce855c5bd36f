// What is answered, and when: after the commit, once for a turn, once for a request that comes twice.
import assert from "node:assert/strict";
import { test } from "node:test";
import { STATUS } from "../wire/nfs/status.ts";
import { authSys, encodeCall, fragments } from "./nfs-client-rpc-testing.ts";
import { args, connectNfs, type NfsTestClient, sattr } from "./nfs-client-testing.ts";
import { house, mounted, PATH } from "./nfs-testing.ts";
import { deferred } from "./throttle.ts";

const auth = authSys({ uid: 0, gid: 0, gids: [] });
const record = (xid: number, procedure: number, write: Parameters<typeof args>[0]) =>
  fragments(encodeCall({ program: 100003, version: 3, procedure, args: args(write), auth, xid }));
const createOf = (xid: number, root: Uint8Array, name: string) =>
  record(xid, 8, (w) => sattr(w.opaque(root).text(name).u32(1), {}));
/** Sends records in one piece; the replies by their xids. */
const together = (client: NfsTestClient, xids: number[], ...records: Buffer[]) => {
  const replies = xids.map((xid) => client.rpc.expect(xid));
  client.rpc.socket.write(Buffer.concat(records));
  return replies;
};

test("a change is answered when it is lasting; what only looks does not wait for it", async (t) => {
  const gate = deferred();
  const { client, root } = await mounted(t, { hooks: { settled: () => gate.promise } });
  let answered = false;
  const [made, looked] = together(
    client,
    [1, 2],
    createOf(1, root, "file"),
    record(2, 1, (w) => w.opaque(root)),
  );
  void made?.then(() => {
    answered = true;
  });
  await looked;
  await client.null();
  assert.equal(answered, false);
  gate.resolve();
  assert.equal((await made)?.[3], 0);
});

test("all changes of a turn are settled once, and their answers leave together", async (t) => {
  const { client, root, tree } = await mounted(t, { hooks: { settled: () => new Promise(setImmediate) } });
  const before = tree.settles.count;
  const xids = Array.from({ length: 50 }, (_, i) => i + 1);
  let writes = 0;
  client.rpc.socket.on("data", () => {
    writes += 1;
  });
  await Promise.all(together(client, xids, ...xids.map((xid) => createOf(xid, root, `file ${xid}`))));
  assert.ok(tree.settles.count - before <= 3, `${tree.settles.count - before} commits for 50 files`);
  assert.ok(writes <= 3, `${writes} writes for 50 replies`);
});

test("changes that come over several connections at once are in one batch", async (t) => {
  const batches: number[] = [];
  let changes = 0;
  const hooks = {
    before: (what: string) => void (what === "create" && changes++),
    settled: () => {
      if (changes > 0) batches.push(changes);
      changes = 0;
    },
  };
  const { client, root, connect } = await mounted(t, { hooks });
  const others = await Promise.all(Array.from({ length: 7 }, () => connect()));
  const all = [client, ...others];
  for (const one of all) await one.null(); // accepted, too
  await Promise.all(
    all.flatMap((one, i) => together(one, [i + 1], createOf(i + 1, root, `file of client ${i}`))),
  );
  assert.equal(
    batches.reduce((sum, size) => sum + size, 0),
    all.length,
  );
  assert.ok(batches.length <= 2, `batches of ${batches}`);
});

test("what only looks, is refused or was written unstably asks for no commit", async (t) => {
  const { client, root, tree } = await mounted(t);
  const { fh } = await client.create(root, "file");
  const before = tree.settles.count;
  await client.getattr(fh);
  await client.list(root);
  await client.write(fh, 0, new Uint8Array(5), 0);
  await assert.rejects(client.create(root, "file"), { status: STATUS.EXIST });
  assert.equal(tree.settles.count, before);
  await client.write(fh, 0, new Uint8Array(5), 2);
  await client.commit(fh);
  assert.equal(tree.settles.count, before + 2);
});

test("when the disk could not keep a batch none of its answers leaves: the line is cut", async (t) => {
  for (const settled of [
    () => Promise.reject(new Error("the disk is gone")),
    () => {
      throw new Error("the disk is gone");
    },
  ]) {
    const { client, root, event } = await mounted(t, { hooks: { settled } });
    await assert.rejects(client.create(root, "file"), /hung up/);
    assert.equal((await event("error")).why, "the disk is gone");
  }
});

test("a request that comes again is answered again, not done again: also over another connection", async (t) => {
  const { client, root, port, tree } = await mounted(t);
  const once = await Promise.all(together(client, [9], createOf(9, root, "file")));
  assert.equal(tree.remembered.size, 1);
  const again = await connectNfs(port);
  t.after(() => again.close());
  const [second] = await Promise.all(together(again, [9], createOf(9, root, "file")));
  assert.deepEqual(second, once[0]);
  assert.equal((await client.list(root)).length, 3);
  const [other] = await Promise.all(together(again, [10], createOf(10, root, "file")));
  assert.equal(other?.[3], STATUS.EXIST, "another xid is another request");
  const [different] = await Promise.all(together(again, [9], createOf(9, root, "other")));
  assert.equal(different?.[3], 0, "the same xid with other arguments too");
  await client.lookup(root, "other");
});

test("another address with the same xid and arguments is another client", async (t) => {
  const { client, root, port } = await mounted(t);
  await Promise.all(together(client, [9], createOf(9, root, "file")));
  const other = await connectNfs(port, { localAddress: "127.0.0.9" });
  t.after(() => other.close());
  const [reply] = await Promise.all(together(other, [9], createOf(9, root, "file")));
  assert.equal(reply?.[3], STATUS.EXIST);
});

test("a request that comes again while it is being done waits for the first, over whichever connection", async (t) => {
  const gate = deferred();
  let creates = 0;
  const { client, root, port } = await mounted(t, {
    hooks: {
      before(what) {
        if (what !== "create") return undefined;
        creates += 1;
        return gate.promise;
      },
    },
  });
  const again = await connectNfs(port);
  const gone = await connectNfs(port);
  t.after(() => again.close());
  const first = together(client, [4], createOf(4, root, "file"));
  await client.getattr(root); // the first is under way
  const others = [
    ...together(again, [4], createOf(4, root, "file")),
    ...together(client, [], createOf(4, root, "file")),
  ];
  const lost = together(gone, [4], createOf(4, root, "file"));
  await again.getattr(root);
  await gone.getattr(root);
  gone.close();
  await assert.rejects(Promise.all(lost));
  gate.resolve();
  const replies = await Promise.all([...first, ...others]);
  assert.deepEqual(replies[0], replies[1]);
  assert.equal(creates, 1);
});

test("a request whose connection broke while it was done is answered to the client that comes again", async (t) => {
  const gate = deferred();
  const { root, port, connect } = await mounted(t, {
    hooks: { before: (what) => (what === "create" ? gate.promise : undefined) },
  });
  const broken = await connectNfs(port);
  const lost = together(broken, [4], createOf(4, root, "file"));
  await broken.getattr(root);
  broken.close();
  await assert.rejects(Promise.all(lost));
  const again = await connect();
  const replies = together(again, [4], createOf(4, root, "file"));
  await again.getattr(root);
  gate.resolve();
  assert.equal((await Promise.all(replies))[0]?.[3], 0);
});

test("an answer that could not be kept is an error, and the connection goes on: at once or later", async (t) => {
  for (const cold of [false, true]) {
    const { client, root, tree, event } = await mounted(t, {
      hooks: { before: () => (cold ? Promise.resolve() : undefined) },
    });
    tree.remember = () => {
      throw Object.assign(new Error("no room"), { code: "DISK_FULL" });
    };
    await assert.rejects(client.create(root, "file"), { status: STATUS.NOSPC });
    assert.equal((await event("error")).why, "no room");
    await client.getattr(root);
  }
});

test("the write verifier is another one after each start, and one within it", async (t) => {
  const verifiers = new Set<string>();
  for (let i = 0; i < 3; i++) {
    const { client, root } = await mounted(t);
    const { fh } = await client.create(root, "file");
    const { verifier } = await client.write(fh, 0, new Uint8Array(1), 0);
    assert.equal((await client.commit(fh)).verifier, verifier);
    verifiers.add(verifier);
  }
  assert.equal(verifiers.size, 3);
});

test("one slow answer holds up nobody: replies leave in the order in which they are ready", async (t) => {
  const gate = deferred();
  const { client, root } = await mounted(t, {
    hooks: { before: (what) => (what === "read" ? gate.promise : undefined) },
  });
  const { fh } = await client.create(root, "file");
  const data = Buffer.alloc(200_000, "slow");
  await client.write(fh, 0, data);
  const order: string[] = [];
  const slow = client.readAll(fh).then((read) => {
    order.push("read");
    return read;
  });
  for (let i = 0; i < 20; i++) await client.getattr(fh);
  await client.list(root);
  order.push("others");
  gate.resolve();
  assert.ok((await slow).equals(data));
  assert.deepEqual(order, ["others", "read"]);
});

test("everything may be cold, in any order, and is answered right", async (t) => {
  let seed = 7;
  const roll = () => {
    seed = (seed * 1103515245 + 12345) & 0x7fffffff;
    return seed % 3;
  };
  const { client, root } = await mounted(t, {
    hooks: {
      before() {
        const turns = roll();
        return turns === 0 ? undefined : turns === 1 ? Promise.resolve() : new Promise(setImmediate);
      },
      settled: () => (roll() === 0 ? undefined : new Promise(setImmediate)),
    },
  });
  await Promise.all(
    Array.from({ length: 60 }, async (_, i) => {
      const data = Buffer.alloc(10_000 + i, `data of ${i} `);
      const { fh } = await client.create(root, `file ${i}`);
      await client.write(fh, 0, data, i % 3);
      assert.ok((await client.readAll(fh)).equals(data));
      assert.ok((await client.list(root)).some((entry) => entry.name === `file ${i}`));
      await client.rename(root, `file ${i}`, root, `moved ${i}`);
      await client.commit(fh);
      await client.remove(root, `moved ${i}`);
      await assert.rejects(client.lookup(root, `moved ${i}`), { status: STATUS.NOENT });
    }),
  );
  assert.equal((await client.list(root)).length, 2);
});

test("an export whose tree is fetched first gets each call once, with its own arguments", async (t) => {
  const gate = deferred();
  let cold = true;
  const all = await house(t, {
    treeOf: async () => {
      if (cold) await gate.promise;
      return { handles: { export: 7, generation: 1, salt: 0x1234_5678 }, tree: all.tree, name: "pi01" };
    },
  });
  const client = await all.connect();
  const root = await client.mnt(PATH);
  const xids = Array.from({ length: 40 }, (_, i) => i + 1);
  const replies = together(client, xids, ...xids.map((xid) => createOf(xid, root, `file ${xid}`)));
  await client.null();
  await client.null(); // comes where the first of those calls came
  cold = false;
  gate.resolve();
  assert.ok((await Promise.all(replies)).every((reply) => reply[3] === 0));
  assert.deepEqual(
    (await client.list(root)).slice(2).map((entry) => entry.name),
    xids.map((xid) => `file ${xid}`),
  );
});
