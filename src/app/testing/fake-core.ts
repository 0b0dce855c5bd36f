// A data folder with a real book and registry, and a disk plane that only remembers what it was told.
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { BrambleError } from "../../base/errors.ts";
import type { Node } from "../../fleet/node.ts";
import { openBook } from "../../storage/book.ts";
import type { ImageManifest } from "../../storage/images/manifest.ts";
import type { Running } from "../commands.ts";
import type { Core } from "../core.ts";
import { dataFolder } from "../data.ts";
import { openJournal } from "../journal.ts";
import { newsDesk } from "../news.ts";
import { openPowerDesk } from "../power/desk.ts";
import { openDriver } from "../power/open-driver.ts";
import { Registry } from "../registry.ts";
import { eventView } from "../views.ts";

interface FakeDisk {
  size: number;
  busy: boolean;
  quota?: number | null;
  image?: string;
  snapshots: { name: string; createdMs: number; ownBytes: number }[];
}

type Call = (args: {
  path: string;
  to: string;
  name: string;
  size: number;
  bytes: number | null;
  image: { sha256: string; size: number };
}) => unknown;

export async function fakeCore(t: TestContext) {
  const root = mkdtempSync(join(tmpdir(), "verbs-"));
  const data = dataFolder(root);
  const book = await openBook(data.book);
  const registry = await Registry.open(book);
  const news = newsDesk();
  const failed = (error: unknown) => {
    throw error;
  };
  const journal = openJournal(book, failed, {
    event: (row) => news.tell({ about: "event", event: eventView(row, registry) }),
    boot: (id, node) => news.tell({ about: "boot", id, node }),
  });
  const power = await openPowerDesk({
    core: { book, registry, journal, news },
    open: (wish) => openDriver(wish, Date.now),
    now: Date.now,
    async shutdown() {},
  });
  t.after(async () => {
    await power.close();
    await journal.close();
    await book.destroy();
    rmSync(root, { recursive: true });
  });
  const disks = new Map<string, FakeDisk>();
  const calls: string[] = [];
  const of = (path: string): FakeDisk => {
    const found = disks.get(path);
    if (found) return found;
    throw new BrambleError("DISK_IO", `${path} is not there`);
  };
  const plane: Record<string, Call> = {
    createClone: ({ path, image }) =>
      disks.set(path, { size: image.size, busy: false, image: image.sha256, snapshots: [] }),
    createVolume: ({ path, size }) => disks.set(path, { size, busy: false, snapshots: [] }),
    removeClone({ path }) {
      if (disks.get(path)?.busy) throw new BrambleError("CLONE_BUSY", "the node is running from this clone");
      disks.delete(path);
    },
    facts: ({ path }) => {
      const { size, busy, quota, snapshots, image } = of(path);
      const given = quota ? { quota } : {};
      const images = image ? [image] : [];
      return { size, images, ownBytes: 4096, sharedBytes: 8192, layers: snapshots.length, busy, ...given };
    },
    listSnapshots: ({ path }) => of(path).snapshots,
    snapshotClone: ({ path, name }) => of(path).snapshots.push({ name, createdMs: 1, ownBytes: 8192 }),
    dropSnapshot({ path, name }) {
      of(path).snapshots = of(path).snapshots.filter((one) => one.name !== name);
    },
    rollbackClone: ({ path }) => ({ image: of(path).image }),
    resizeClone({ path, size }) {
      of(path).size = size;
    },
    rebaseClone({ path, image }) {
      of(path).image = image.sha256;
    },
    setQuota({ path, bytes }) {
      of(path).quota = bytes;
    },
    exportClone: ({ to }) => writeFileSync(to, "bytes"),
    mergeClone: () => undefined,
  };
  const images = new Map<string, ImageManifest>();
  const core = {
    data,
    book,
    registry,
    journal,
    news,
    power,
    disks: {
      async call(name: string, args: never) {
        calls.push(name);
        const handler = plane[name];
        if (!handler) throw new Error(`the fake plane has no ${name}`);
        return handler(args);
      },
    },
    async removeClone(node: Node) {
      plane["removeClone"]?.({ path: data.clone(node.id) } as never);
      await book.deleteFrom("clone").where("nodeId", "=", node.id).execute();
    },
    removeTree: async () => false,
    async applyTreeQuota() {},
    applyTreeDurability: async () => undefined,
    job: (_: unknown, call: (job: string) => unknown) => call("job"),
    async applyQuota(node: Node) {
      const { quota } = node;
      const path = data.clone(node.id);
      if (disks.has(path)) of(path).quota = quota ?? null;
    },
    async imageOf() {
      const [first] = images.values();
      if (!first) throw new Error("no image");
      return first;
    },
  } as unknown as Core;
  const dropped: string[] = [];
  const running = {
    dropDisk: async (node: Node, why: string) => {
      dropped.push(`${node.id}: ${why}`);
      const disk = disks.get(data.clone(node.id));
      if (disk) disk.busy = false;
    },
    volumesChanged: async () => {},
    imagesChanged: async () => {},
  } as unknown as Running;
  /** A node, with a clone where an image is named. */
  async function node(serial: string, image?: string): Promise<Node> {
    const seen = registry.see({ serial }, 1);
    if (!seen) throw new Error("no room for a node");
    await registry.settled();
    if (image) {
      disks.set(data.clone(seen.node.id), { size: 1 << 30, busy: false, image, snapshots: [] });
      await book
        .insertInto("clone")
        .values({ nodeId: seen.node.id, imageSha: image, createdMs: 1 })
        .execute();
    }
    return seen.node;
  }
  const events = async (one: Node) => {
    await journal.flush();
    const rows = await book
      .selectFrom("event")
      .select("words")
      .where("nodeId", "=", one.id)
      .orderBy("id")
      .execute();
    return rows.map(({ words }) => words);
  };
  const disk = (path: string): FakeDisk => of(path);
  return { core, running, node, events, disk, disks, calls, dropped };
}
