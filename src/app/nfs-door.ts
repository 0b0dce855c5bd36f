// The door for NFS roots. Its port is part of what running nodes have mounted: once chosen it stays, over every restart of ours.
import type { BrambleError } from "../base/errors.ts";
import type { Core } from "./core.ts";
import { readSetting, writeSetting } from "./settings.ts";

export interface NfsSettings {
  /** Absent: 2049 where it is free at the first use, else any free one; from then on the same one. */
  port?: number;
  /** Whether a change is on the disk before its reply; default: durable. */
  durability?: "durable" | "fast";
  /** Only clients whose own port is below 1024, which only root of a machine can have. */
  privileged?: boolean;
  /** Also over UDP, for U-Boot and old initramfs: reading only. */
  udp?: boolean;
  /** A port mapper's answers on port 111, where no other program has it. */
  rpcbind?: boolean;
}

/** RFC 1813: NFS's own. A kernel's NFS server on the same machine has it. */
const USUAL_PORT = 2049;
const SETTING = "nfsPort";

export function nfsDoor(
  core: Pick<Core, "trees" | "book" | "registry" | "journal">,
  hosts: readonly string[],
  { port: wish, privileged = false, udp = false, rpcbind = false }: NfsSettings,
  say: (words: string) => void,
  opened: (words: string) => void,
) {
  const { trees, book, registry } = core;
  let opening: Promise<number> | undefined;
  let port: number | undefined;

  const listen = async (host: string, wanted: number) =>
    (await trees.call("listenNfs", { host, port: wanted, privileged, udp, rpcbind })).port;

  async function first(host: string): Promise<number> {
    const kept = wish ?? Number((await readSetting(book, SETTING)) ?? "0");
    if (wish !== undefined || kept > 0) return listen(host, kept);
    return listen(host, USUAL_PORT).catch((error: BrambleError) => {
      if (!/EADDRINUSE|in use/i.test(error.message)) throw error;
      return listen(host, 0);
    });
  }

  async function openAll(): Promise<number> {
    const [host = "127.0.0.1", ...others] = hosts;
    const chosen = await first(host);
    for (const other of others) await listen(other, chosen);
    if (wish !== 0) await writeSetting(book, SETTING, String(chosen));
    port = chosen;
    for (const one of hosts) opened(`NFS ${one}:${chosen}`);
    return chosen;
  }

  /** Opens it where it is not open yet: the port. */
  function open(): Promise<number> {
    opening ??= openAll().catch((error: Error) => {
      opening = undefined; // whoever needs it next tries again
      throw error;
    });
    return opening;
  }

  return {
    open,
    port: () => port,
    /** At the start: opens it where a node has a root over NFS. Whatever is wrong with it, the others are served. */
    async openIfNeeded(): Promise<void> {
      const some = await book.selectFrom("tree").select("nodeId").limit(1).executeTakeFirst();
      if (!some && !registry.all().some((node) => registry.resolve(node).root === "nfs")) return;
      await open().catch((error: BrambleError) => {
        const words = `roots over NFS are not served: ${error.message}${error.hint ? ` (${error.hint})` : ""}`;
        core.journal.event("server", undefined, words);
        say(words);
      });
    },
  };
}
