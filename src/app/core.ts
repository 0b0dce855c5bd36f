import { randomBytes, randomUUID } from "node:crypto";
import { BrambleError } from "../base/errors.ts";
import { type Book, openBook } from "../storage/book.ts";
import { type Access, accessOf } from "./access/access.ts";
import { type DataFolder, dataFolder, lock } from "./data.ts";
import { type Journal, openJournal } from "./journal.ts";
import { standardDoers } from "./life/doers.ts";
import { type Hear, lifeHearing } from "./life/hear.ts";
import { type Life, openLife } from "./life/life.ts";
import { type NewsDesk, newsDesk } from "./news.ts";
import { type NodeClones, nodeClones } from "./node-clones.ts";
import { type NodeTrees, nodeTrees } from "./node-trees.ts";
import type { DiskCalls } from "./planes/disk-calls.ts";
import { DISK_LASTING, DISK_REPEATABLE, NFS_LASTING, NFS_REPEATABLE } from "./planes/lasting.ts";
import { lazyPlane } from "./planes/lazy.ts";
import type { MountAnswer, MountWish, NfsCalls, NfsNews, NfsPlaneGiven } from "./planes/nfs-calls.ts";
import { type Plane, spawnPlane } from "./planes/spawn.ts";
import type { Counts } from "./planes/tally.ts";
import { openPowerDesk, type PowerDesk } from "./power/desk.ts";
import { openDriver } from "./power/open-driver.ts";
import { shutdownNode } from "./power/shutdown.ts";
import { ProfileStore } from "./profile-store.ts";
import { Registry } from "./registry.ts";
import { openTasks, type Tasks } from "./tasks.ts";
import { eventView } from "./views.ts";

/** A data folder that this process holds: what every command needs, with or without servers. */
export interface Core extends NodeClones, NodeTrees {
  data: DataFolder;
  book: Book;
  registry: Registry;
  /** What profiles have beside their settings: templates, secrets, clusters. */
  profiles: ProfileStore;
  journal: Journal;
  /** What changed, for whoever shows it. The journal tells it of events and boots, the registry of nodes. */
  news: NewsDesk;
  /** Users, tokens, sessions, the audit log. */
  access: Access;
  /** What takes long. */
  tasks: Tasks;
  /** Every change of a node's state. */
  life: Life;
  /** What switches nodes, and what their power is. */
  power: PowerDesk;
  /** What boards and the supervisor tell the life cycle. */
  hear: Hear;
  disks: Plane<DiskCalls>;
  /** The trees of nodes with NFS roots; its thread begins with the first of them. */
  trees: Plane<NfsCalls>;
  /** A long call to the disk plane that the signal ends. */
  job<T>(signal: AbortSignal, call: (job: string) => Promise<T>, plane?: "disks" | "trees"): Promise<T>;
  newSecret(): string;
  close(): Promise<void>;
}

export interface CoreSettings {
  data: string;
  onDisk?(event: unknown): void;
  /** What happened at the NFS plane's door, and a client that wants a tree. */
  onNfs?(news: NfsNews): void;
  mount?(wish: MountWish): Promise<MountAnswer>;
  nfsDurability?: NfsPlaneGiven["durability"];
  /** What the disk plane has counted in the last second. */
  onCounts?(counts: Counts): void;
  /** How long a transaction of the book took. */
  onTransaction?(ms: number): void;
  /** How long a question to this switch took. */
  onSnmp?(name: string, ms: number): void;
  /** The disk plane ends again and again: nothing can go on. */
  failed?(error: Error): void;
  warn(words: string): void;
}

export async function openCore(settings: CoreSettings): Promise<Core> {
  const data = dataFolder(settings.data);
  const held = lock(data.root);
  let book: Book | undefined;
  try {
    book = await openBook(data.book, settings.onTransaction);
    const registry = await Registry.open(book);
    const profiles = await ProfileStore.open(book);
    const news = newsDesk();
    const journal = openJournal(
      book,
      (error) => settings.warn(`the book could not be written: ${String(error)}`),
      {
        event: (row) => news.tell({ about: "event", event: eventView(row, registry) }),
        boot: (id, node) => news.tell({ about: "boot", id, node }),
      },
    );
    registry.onSaved = (id) => news.tell({ about: "node", id });
    const life = await openLife({ book, registry, journal, news, now: Date.now, warn: settings.warn });
    const tasks = await openTasks(book, news, Date.now);
    const power = await openPowerDesk({
      core: { book, registry, journal, news },
      open: (wish) => openDriver(wish, Date.now, (ms) => settings.onSnmp?.(wish.name, ms)),
      now: Date.now,
      shutdown: shutdownNode.bind(undefined, { book }),
    });
    life.usePower(power);
    const telling = {
      told(words: string) {
        journal.event("server", undefined, words);
        settings.warn(words);
      },
      failed: (error: Error) => settings.failed?.(error) ?? settings.warn(error.message),
    };
    const disks = spawnPlane<DiskCalls>("disk", {
      ...telling,
      handlers: {
        disk: (event: never) => settings.onDisk?.(event),
        counts: (counts: never) => settings.onCounts?.(counts),
      },
      lasting: DISK_LASTING,
      repeatable: DISK_REPEATABLE,
    });
    const given: NfsPlaneGiven = {
      folder: data.trees,
      images: data.root,
      durability: settings.nfsDurability ?? "durable",
    };
    const trees = lazyPlane<NfsCalls>("nfs", () =>
      spawnPlane<NfsCalls>("nfs", {
        ...telling,
        given,
        handlers: {
          nfs: (news: never) => settings.onNfs?.(news),
          mount: (wish: never): Promise<MountAnswer> | MountAnswer =>
            settings.mount?.(wish) ?? { refused: "no-such" },
          counts: (counts: never) => settings.onCounts?.(counts),
        },
        lasting: NFS_LASTING,
        repeatable: NFS_REPEATABLE,
      }),
    );
    const core = coreOf({
      data,
      book,
      registry,
      profiles,
      journal,
      news,
      access: accessOf(book, settings.warn),
      tasks,
      life,
      power,
      disks,
      trees,
      release: () => held.release(),
    });
    standardDoers(core);
    return core;
  } catch (error) {
    await book?.destroy();
    held.release();
    throw error;
  }
}

function coreOf(
  parts: Pick<
    Core,
    | "data"
    | "book"
    | "registry"
    | "profiles"
    | "journal"
    | "news"
    | "access"
    | "tasks"
    | "life"
    | "power"
    | "disks"
    | "trees"
  > & {
    release(): void;
  },
): Core {
  const { data, book, registry, profiles, journal, news, access, tasks, life, power, disks, trees } = parts;
  const newSecret = () => randomBytes(32).toString("hex");
  const clones = nodeClones({ data, book, registry, disks }, (node) => ofTrees.treeSource(node));
  const { imageOf } = clones;
  const ofTrees = nodeTrees({ data, book, registry, journal, trees, imageOf, newSecret });

  return {
    data,
    book,
    registry,
    profiles,
    journal,
    news,
    access,
    tasks,
    life,
    power,
    hear: lifeHearing({ book, registry, life, now: Date.now }),
    disks,
    trees,
    ...clones,
    ...ofTrees,
    async job(signal, call, plane = "disks") {
      if (signal.aborted) throw new BrambleError("CANCELLED", "it was stopped before it began");
      const job = randomUUID();
      const stop = () =>
        void (plane === "disks" ? disks.call("cancelJob", { job }) : trees.call("cancelJob", { job })).catch(
          () => {},
        ); // the call itself says what became of it
      signal.addEventListener("abort", stop);
      try {
        return await call(job);
      } finally {
        signal.removeEventListener("abort", stop);
      }
    },
    newSecret,
    async close() {
      await power.close();
      await tasks.close();
      await life.close();
      await Promise.all([disks.end(), trees.end()]);
      await registry.settled();
      await profiles.settled();
      await journal.close();
      await book.destroy();
      parts.release();
    },
  };
}
