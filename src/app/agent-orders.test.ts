import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import { type TestContext, test } from "node:test";
import { type Node, type Profile, resolveNode } from "../fleet/node.ts";
import { openBook } from "../storage/book.ts";
import type { AgentHooks } from "./agent-api.ts";
import { diskOrders } from "./agent-orders.ts";

const NODE: Node = {
  id: "10000001",
  name: "pi",
  ...{ state: "deployed" as const, version: 1, stateSinceMs: 0, attempt: 0 },
  profile: "default",
  seed: {},
  firstSeenMs: 0,
  lastSeenMs: 0,
};
const REQUEST = { address: "10.0.0.2", localAddress: "10.0.0.1", bootId: "b1", own: true };

/** Hooks around a real book; what was opened, and what was said in the timeline, is kept. */
async function bench(t: TestContext, profile: Partial<Profile>) {
  const folder = mkdtempSync(join(tmpdir(), "orders-"));
  const book = await openBook(join(folder, "book.db"));
  t.after(async () => {
    await book.destroy();
    rmSync(folder, { recursive: true });
  });
  const opened: string[] = [];
  const base: Profile = { name: "default", root: "auto", seed: {}, ...profile };
  const image = { facts: { rootPartition: 3, partitions: [{ number: 3, filesystem: "ext4" }] } };
  const chap = { user: "10000001", secret: "s1", mutual: { user: "bramble", secret: "s2" } };
  const session = { port: 3260, target: "iqn.t", initiator: "iqn.i", chap, luns: [] };
  const hooks = {
    core: {
      book,
      data: { volume: (id: string) => `volumes/${id}.qcow2` },
      registry: { profile: () => base, resolve: (node: Node) => resolveNode(node, base) },
      ensureClone: async () => ({ image }),
    },
    async exportNbd() {
      opened.push("nbd");
      return { port: 10809, name: "secret", size: 1 << 30 };
    },
    async exportIscsi() {
      opened.push("iscsi");
      return { ...session, size: 1 << 30 };
    },
    async exportVolumes() {
      opened.push("volumes");
      return session;
    },
    async exportNfs() {
      opened.push("nfs");
      return { path: "/nodes/10000001/secret", options: "vers=3,nolock" };
    },
    ramRoot: async () => ({ format: "tar", stream: () => Readable.from([]) }),
  } as unknown as AgentHooks;
  const volume = async (
    name: string,
    lun: number,
    fstype: string,
    mountpoint: string | null,
    node = NODE.id,
  ) => {
    const values = {
      id: name,
      name,
      nodeId: node,
      spec: null,
      size: 1 << 20,
      fstype,
      mountpoint,
      createdMs: 0,
    };
    await book.insertInto("volume").values(values).execute();
    await book.insertInto("lun").values({ nodeId: NODE.id, lun, volumeId: name }).execute();
  };
  const orders = async () =>
    (await diskOrders(hooks, NODE, REQUEST)).map(([key, value]) => `${key}=${value}`);
  return { volume, orders, opened };
}

const SESSION = [
  "iscsi_portal=10.0.0.1:3260",
  "iscsi_target=iqn.t",
  "iscsi_initiator=iqn.i",
  "iscsi_user=10000001",
  "iscsi_secret=s1",
  "iscsi_mutual_user=bramble",
  "iscsi_mutual_secret=s2",
];

test("an iSCSI root: the session both ways, its volumes by LUN, the partition, the guard", async (t) => {
  const { volume, orders } = await bench(t, { root: "iscsi", guard: { shutdown: 60, down: 0 } });
  await volume("data", 4, "ext4", "/srv");
  await volume("containers", 2, "ext4", "/var/lib/containers");
  await volume("raw", 3, "none", null);
  await volume("moved", 5, "ext4", "/opt", "another");
  assert.deepEqual(await orders(), [
    "root=iscsi",
    "guard=60,0",
    ...SESSION,
    "volume_1=2 ext4 /var/lib/containers containers",
    "volume_3=4 ext4 /srv data",
    "iscsi_lun=0",
    "root_partition=3",
    "root_fstype=ext4",
  ]);
});

test("a RAM root opens the target for its volumes only, and none without", async (t) => {
  const { volume, orders, opened } = await bench(t, { root: "ram" });
  const ram = ["root=ram", "ram_url=/agent/root", "ram_format=tar"];
  assert.deepEqual(await orders(), ram);
  assert.deepEqual(opened, []);
  await volume("data", 1, "ext4", "/srv");
  assert.deepEqual(await orders(), [...ram, ...SESSION, "volume_1=1 ext4 /srv data"]);
  assert.deepEqual(opened, ["volumes"], "its clone stays closed");
});

test("an NBD root has its volumes, and nothing but these, behind the target", async (t) => {
  const { volume, orders, opened } = await bench(t, { root: "nbd" });
  const nbd = ["root=nbd", "nbd_host=10.0.0.1", "nbd_port=10809", "nbd_export=secret", `nbd_size=${1 << 30}`];
  const all = [...nbd, "root_partition=3", "root_fstype=ext4"];
  assert.deepEqual(await orders(), all);
  await volume("data", 1, "ext4", "/srv");
  assert.deepEqual(await orders(), [...all, ...SESSION, "volume_1=1 ext4 /srv data"]);
  assert.deepEqual(opened, ["nbd", "nbd", "volumes"]);
});

test("who only tells what it is, or offers a shell, gets no disk", async (t) => {
  for (const root of ["inventory", "shell"] as const) {
    const { volume, orders, opened } = await bench(t, { root });
    await volume("data", 1, "ext4", "/srv");
    assert.deepEqual(await orders(), [`root=${root}`]);
    assert.deepEqual(opened, []);
  }
});

test("an NFS root: where its tree is, its volumes through the target, and no guard, which would watch nothing", async (t) => {
  const { volume, orders } = await bench(t, { root: "nfs", guard: { shutdown: 60, down: 60 } });
  const root = [
    "root=nfs",
    "nfs_host=10.0.0.1",
    "nfs_path=/nodes/10000001/secret",
    "nfs_options=vers=3,nolock",
  ];
  assert.deepEqual(await orders(), root);
  await volume("containers", 2, "ext4", "/var/lib/containers");
  assert.deepEqual(await orders(), [...root, ...SESSION, "volume_1=2 ext4 /var/lib/containers containers"]);
});

test("an external root: its own server and options, nothing of ours is opened; without a place it is refused", async (t) => {
  const external = { type: "nfs" as const, server: "10.9.9.9", path: "/srv/{node}", options: "vers=4.2" };
  const { orders, opened } = await bench(t, { root: "external", external });
  assert.deepEqual(await orders(), [
    "root=nfs",
    "nfs_host=10.9.9.9",
    `nfs_path=/srv/${NODE.name}`,
    "nfs_options=nolock,vers=4.2",
  ]);
  assert.deepEqual(opened, []);
  const nowhere = await bench(t, { root: "external" });
  await assert.rejects(nowhere.orders(), /nothing says where/);
});
