import { chmodSync, mkdirSync } from "node:fs";
import { homedir, userInfo } from "node:os";
import { join } from "node:path";
import Libsql from "libsql";
import { BrambleError } from "../base/errors.ts";

/** Paths inside a data folder. */
export interface DataFolder {
  root: string;
  book: string;
  leases: string;
  socket: string;
  clones: string;
  clone(nodeId: string): string;
  volume(id: string): string;
  /** Of nodes with root mode nfs. */
  trees: string;
}

/** `--data`, else systemd's STATE_DIRECTORY, else the folder of the person who called, also under sudo. */
export function dataPath(option: string | undefined, env: NodeJS.ProcessEnv = process.env): string {
  if (option) return option;
  if (env["STATE_DIRECTORY"]) return env["STATE_DIRECTORY"];
  if (env["INVOCATION_ID"] && process.getuid?.() === 0) return "/var/lib/bramble";
  return join(env["XDG_DATA_HOME"] ?? join(callersHome(env), ".local/share"), "bramble");
}

function callersHome(env: NodeJS.ProcessEnv): string {
  const caller = env["SUDO_USER"];
  if (process.getuid?.() === 0 && caller && caller !== "root")
    return env["SUDO_HOME"] ?? join("/home", caller);
  return homedir() || userInfo().homedir;
}

export function dataFolder(root: string): DataFolder {
  for (const folder of ["", "images", "clones", "volumes", "firmware", "agent", "trees"]) {
    mkdirSync(join(root, folder), { recursive: true, mode: 0o700 });
  }
  return {
    root,
    book: join(root, "book.db"),
    leases: join(root, "leases.journal"),
    socket: join(root, "bramble.sock"),
    clones: join(root, "clones"),
    clone: (nodeId) => join(root, "clones", `${nodeId}.qcow2`),
    trees: join(root, "trees"),
    volume: (id) => join(root, "volumes", `${id}.qcow2`),
  };
}

/**
 * One process per data folder. The lock is SQLite's on a file of its own: the kernel drops it when its holder dies,
 * however that happens, so there is no stale lock to clean up. Undefined where somebody else holds it.
 */
export function tryLock(root: string): { release(): void } | undefined {
  const path = join(root, "lock");
  const file = new Libsql(path);
  try {
    chmodSync(path, 0o600);
    file.exec(
      "PRAGMA busy_timeout=0; PRAGMA locking_mode=EXCLUSIVE; PRAGMA journal_mode=DELETE; BEGIN EXCLUSIVE",
    );
    return { release: () => file.close() };
  } catch (error) {
    file.close();
    if (/locked|busy/i.test(String(error))) return undefined;
    throw error;
  }
}

export function lock(root: string): { release(): void } {
  const held = tryLock(root);
  if (held) return held;
  throw new BrambleError("DATA_LOCKED", `another Bramble is at work in ${root}`, {
    hint: "stop it first, or give this one a folder of its own with --data DIR",
  });
}
