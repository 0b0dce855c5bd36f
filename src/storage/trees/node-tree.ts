// A node's file tree: its own changes over the image, by inode number. What a network file system asks, and what we ask ourselves.
import { BrambleError } from "../../base/errors.ts";
import { STATUS, type StatusCode } from "../../wire/nfs/status.ts";
import type {
  CreateHow,
  Credentials,
  FileKind,
  Ino,
  Listed,
  NfsTree,
  SetAttributes,
  Soon,
  Stable,
  Time,
} from "../../wire/nfs/tree.ts";
import { Cold, whenWarm } from "./cold.ts";
import { Inside } from "./inside.ts";
import * as attributes from "./ops-attributes.ts";
import { commit, flush } from "./ops-commit.ts";
import * as data from "./ops-data.ts";
import { Ground, type TreeParts } from "./ops-ground.ts";
import * as moves from "./ops-moves.ts";
import * as names from "./ops-names.ts";
import { readdir } from "./ops-readdir.ts";

/**
 * Every operation either answers at once, having changed everything or nothing, or gives a promise where something has to come from a disk. Where the
 * host's disk fails or the image is damaged it answers IO (NOSPC for a full one), and `trouble` hears why.
 */
export class NodeTree implements NfsTree {
  readonly root: Ino;
  readonly inside: Inside;
  readonly #ground: Ground;
  readonly #trouble: (error: BrambleError) => void;

  constructor(parts: TreeParts & { trouble: (error: BrambleError) => void }) {
    this.#ground = new Ground(parts);
    this.#trouble = parts.trouble;
    this.root = parts.lower.root;
    this.inside = new Inside(this.#ground);
  }

  getattr(ino: Ino) {
    try {
      return attributes.getattr(this.#ground, ino);
    } catch (error) {
      return this.#again(error, () => attributes.getattr(this.#ground, ino));
    }
  }

  setattr(who: Credentials, ino: Ino, set: SetAttributes, guard?: Time) {
    return this.#run(() => attributes.setattr(this.#ground, who, ino, set, guard));
  }

  lookup(who: Credentials, directory: Ino, name: string) {
    try {
      return attributes.lookup(this.#ground, who, directory, name);
    } catch (error) {
      return this.#again(error, () => attributes.lookup(this.#ground, who, directory, name));
    }
  }

  access(who: Credentials, ino: Ino, wanted: number) {
    try {
      return attributes.access(this.#ground, who, ino, wanted);
    } catch (error) {
      return this.#again(error, () => attributes.access(this.#ground, who, ino, wanted));
    }
  }

  readlink(_who: Credentials, ino: Ino) {
    return this.#run(() => attributes.readlink(this.#ground, ino));
  }

  read(who: Credentials, ino: Ino, offset: number, into: Uint8Array) {
    return this.#run(() => data.read(this.#ground, who, ino, offset, into));
  }

  write(who: Credentials, ino: Ino, offset: number, bytes: Uint8Array, stable: Stable) {
    try {
      const answer = data.write(this.#ground, who, ino, offset, bytes, stable);
      return answer instanceof Promise ? answer.catch((error: unknown) => this.#refusal(error)) : answer;
    } catch (error) {
      const kept = error instanceof Cold ? bytes.slice() : bytes; // they are the caller's again when this returns
      return this.#again(error, () => data.write(this.#ground, who, ino, offset, kept, stable));
    }
  }

  create(who: Credentials, directory: Ino, name: string, how: CreateHow) {
    return this.#run(() => names.create(this.#ground, who, directory, name, how));
  }

  mkdir(who: Credentials, directory: Ino, name: string, set: SetAttributes) {
    return this.#run(() => names.mkdir(this.#ground, who, directory, name, set));
  }

  symlink(who: Credentials, directory: Ino, name: string, target: string, set: SetAttributes) {
    return this.#run(() => names.symlink(this.#ground, who, directory, name, target, set));
  }

  mknod(
    who: Credentials,
    directory: Ino,
    name: string,
    node: { kind: FileKind; major: number; minor: number; set: SetAttributes },
  ) {
    return this.#run(() => names.mknod(this.#ground, who, directory, name, node));
  }

  remove(who: Credentials, directory: Ino, name: string) {
    return this.#run(() => moves.remove(this.#ground, who, directory, name));
  }

  rmdir(who: Credentials, directory: Ino, name: string) {
    return this.#run(() => moves.rmdir(this.#ground, who, directory, name));
  }

  rename(who: Credentials, from: { directory: Ino; name: string }, to: { directory: Ino; name: string }) {
    return this.#run(() => moves.rename(this.#ground, who, from, to));
  }

  link(who: Credentials, ino: Ino, directory: Ino, name: string) {
    return this.#run(() => names.link(this.#ground, who, ino, directory, name));
  }

  readdir(who: Credentials, directory: Ino, cookie: number, fits: (entry: Listed) => boolean) {
    return this.#run(() => readdir(this.#ground, who, directory, cookie, fits));
  }

  fsstat() {
    return this.#run(() => attributes.fsstat(this.#ground));
  }

  commit(ino: Ino, _offset: number, _count: number) {
    return this.#run(() => commit(this.#ground, ino));
  }

  /** All unstable writes go to the disk and into the log: before a snapshot, and before the tree leaves memory. Then settled(). */
  flush(): Promise<void> {
    return flush(this.#ground);
  }

  remember(key: string, reply: Uint8Array): void {
    this.#ground.keep.log({ kind: "reply", key, bytes: reply });
  }
  recall(key: string): Uint8Array | undefined {
    return this.#ground.keep.recall(key);
  }
  settled(): void | Promise<void> {
    return this.#ground.keep.settled();
  }

  #run<T extends object>(act: () => Soon<T>): Soon<T> {
    try {
      const answer = act();
      return answer instanceof Promise ? answer.catch((error: unknown) => this.#refusal(error)) : answer;
    } catch (error) {
      return this.#again(error, act);
    }
  }

  /** After an attempt that threw: once more, when what was cold has come. */
  #again<T extends object>(error: unknown, act: () => Soon<T>): Soon<T> {
    if (!(error instanceof Cold)) return this.#refusal(error);
    return error.ready.then(() => whenWarm(act)).catch((cause: unknown) => this.#refusal(cause));
  }

  #refusal(error: unknown): StatusCode {
    if (!(error instanceof BrambleError)) throw error;
    if (error.code === "DISK_FULL") return STATUS.NOSPC;
    this.#trouble(error);
    return STATUS.IO;
  }
}
