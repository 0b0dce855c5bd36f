// A node's root over NFS, from MOUNT to the next start of the server: a client of ours on loopback, from the build.
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { toUtf8, utf8 } from "../src/base/text.ts";
import { readAll } from "../src/base/tree.ts";
import { connectNfs, type NfsTestClient } from "../src/serve/nfs-client-testing.ts";
import { STABLE } from "../src/wire/nfs/tree.ts";
import { loopback } from "./planes-server.ts";

const PATIENCE = { timeout: 120_000 };
const NODE_AT = "127.0.0.1";
const STRANGER_AT = "127.0.0.2";

async function bramble(t: TestContext, data = mkdtempSync(join(tmpdir(), "nfs-roots-"))) {
  const one = await loopback({ data });
  await one.commands.setNode({ node: one.node.name, patch: { root: "nfs" } });
  let open = true;
  const close = async () => {
    if (open) await one.server.close();
    open = false;
  };
  t.after(close);
  const { core, desk } = one.server;
  const node = core.registry.byId(one.node.id) ?? one.node;
  const give = async (bootId = "b1") => {
    const { path } = await desk.agentHooks.exportNfs(node, bootId, NODE_AT);
    return { path, port: one.server.nfsPort() ?? 0 };
  };
  return { ...one, core, node, data, give, close };
}

/** After the last server of a test was started: it is closed before this. */
const removed = (t: TestContext, { data }: { data: string }) =>
  t.after(() => rmSync(data, { recursive: true, force: true }));

async function client(t: TestContext, port: number, localAddress = NODE_AT): Promise<NfsTestClient> {
  const one = await connectNfs(port, { host: "127.0.0.1", localAddress });
  t.after(() => one.close());
  return one;
}

/** A file by its path, from the root's handle. */
async function find(nfs: NfsTestClient, root: Uint8Array, path: string) {
  let fh = root;
  for (const name of path.split("/")) fh = (await nfs.lookup(fh, name)).fh;
  return fh;
}
const textOf = async (nfs: NfsTestClient, fh: Uint8Array) => utf8((await nfs.read(fh, 0, 65_536)).data);

test(
  "a node's tree is its own: settled, for its address alone, and its boot files are in it",
  PATIENCE,
  async (t) => {
    const b = await bramble(t);
    removed(t, b);
    const { path, port } = await b.give();
    const nfs = await client(t, port);
    const root = await nfs.mnt(path);
    assert.equal(await textOf(nfs, await find(nfs, root, "etc/hostname")), `${b.node.name}\n`);
    const made = await b.events(/a tree over .* was made for it: /);
    assert.match(made, /host name/);

    const stranger = await client(t, port, STRANGER_AT);
    await assert.rejects(stranger.mnt(path), /ACCES/);
    await b.events(/127\.0\.0\.2 asked for a root over NFS and was refused/);
    // what one address does wrong is told once a second
    let heard = false;
    const told = b.events(/127\.0\.0\.2 used a file handle of a tree that is not its own/).finally(() => {
      heard = true;
    });
    while (!heard) await assert.rejects(stranger.getattr(root), /STALE|ACCES/);
    await told;

    const boot = await find(nfs, root, "boot/firmware");
    const { fh } = await nfs.create(boot, "extra.txt", { how: "guarded", set: { mode: 0o644 } });
    await nfs.write(fh, 0, toUtf8("from the node\n"), STABLE.fileSync);
    const { tree } = await (await b.core.bootSource(b.node)).bootFiles();
    const file = await tree.open("EXTRA.TXT");
    assert.equal(file && utf8(await readAll(file)), "from the node\n");
    const config = await tree.open("config.txt");
    assert.match(
      config?.identity ?? "",
      /^[0-9a-f]{64} \d+$/,
      "what is the image's is one for all its nodes",
    );
  },
);

test(
  "the plane's thread dies: the node's handles go on, and nothing acknowledged is lost",
  PATIENCE,
  async (t) => {
    process.env["BRAMBLE_TEST_PLANE_FAULTS"] = "ask";
    t.after(() => delete process.env["BRAMBLE_TEST_PLANE_FAULTS"]);
    const b = await bramble(t);
    removed(t, b);
    const { path, port } = await b.give();
    const nfs = await client(t, port);
    const root = await nfs.mnt(path);
    const { fh } = await nfs.create(root, "kept", { how: "guarded" });
    await nfs.write(fh, 0, toUtf8("acknowledged"), STABLE.fileSync);
    await b.core.trees.call("fault", { how: "throw" });
    await b.events(/the nfs plane failed .* was started anew/);
    const again = await client(t, port);
    assert.equal(await textOf(again, fh), "acknowledged");
    const stranger = await client(t, port, STRANGER_AT);
    await assert.rejects(stranger.getattr(fh), /STALE|ACCES/, "who may use it was told to the new thread");
  },
);

test(
  "a node's tree is fast or durable from its next boot on, over a dead thread and a new start as that boot had it",
  PATIENCE,
  async (t) => {
    process.env["BRAMBLE_TEST_PLANE_FAULTS"] = "ask";
    t.after(() => delete process.env["BRAMBLE_TEST_PLANE_FAULTS"]);
    const first = await bramble(t);
    const { id } = first.node;
    const mode = async ({ core }: Pick<typeof first, "core">) =>
      (await core.trees.call("treeFacts", { id })).durability;
    await first.give();
    assert.equal(await mode(first), "durable", "as the server");
    await first.commands.setProfile({ profile: "default", patch: { nfsDurability: "fast" } });
    const [view] = await first.commands.nodes({});
    assert.equal(view?.nfsDurability, "fast");
    assert.equal(await mode(first), "durable", "it runs on");
    const { path, port } = await first.give("b2");
    assert.equal(await mode(first), "fast");
    await first.events(/its root is fast from this boot on/);
    const nfs = await client(t, port);
    const root = await nfs.mnt(path);
    const { fh } = await nfs.create(root, "kept", { how: "guarded" });
    await nfs.write(fh, 0, toUtf8("acknowledged"), STABLE.fileSync);
    await first.core.trees.call("fault", { how: "throw" });
    await first.events(/the nfs plane failed .* was started anew/);
    assert.equal(await mode(first), "fast", "told to the new thread");
    assert.equal(await textOf(await client(t, port), fh), "acknowledged");
    await first.commands.setProfile({ profile: "default", patch: { nfsDurability: null } });
    await first.close();

    const second = await bramble(t, first.data);
    removed(t, second);
    assert.equal(await mode(second), "fast", "its boot goes on");
    await second.give("b3");
    assert.equal(await mode(second), "durable");
    await second.events(/its root is kept as --nfs-durability of the server says/);
  },
);

test(
  "a stop and a new start: the same port, the same handles, for the same address; a release ends them",
  PATIENCE,
  async (t) => {
    const first = await bramble(t);
    const { path, port } = await first.give();
    const nfs = await client(t, port);
    const root = await nfs.mnt(path);
    const { fh } = await nfs.create(root, "kept", { how: "guarded" });
    await nfs.write(fh, 0, toUtf8("acknowledged"), STABLE.fileSync);
    await first.close();

    const second = await bramble(t, first.data);
    removed(t, second);
    assert.equal(second.server.nfsPort(), port, "the door is open, where it was, before anybody asks");
    const again = await client(t, port);
    assert.equal(await textOf(again, fh), "acknowledged");
    assert.deepEqual(await again.mnt(path), root, "MOUNT again, by the same boot");
    const stranger = await client(t, port, STRANGER_AT);
    await assert.rejects(stranger.mnt(path), /ACCES/);

    await second.server.desk.dropDisk(second.node, "released");
    assert.equal(await second.core.removeTree(second.node), true);
    const after = await client(t, port);
    await assert.rejects(after.getattr(root), /STALE/);
    await assert.rejects(after.mnt(path), /ACCES/);
    const { path: fresh } = await second.give("b2");
    const anew = await after.mnt(fresh);
    await assert.rejects(after.lookup(anew, "kept"), /NOENT/, "a tree that is made anew is as the image");
    await assert.rejects(after.getattr(root), /STALE/, "no handle of before leads into it");
  },
);
