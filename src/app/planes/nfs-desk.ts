// Who may use which tree: what the NFS plane's server asks for every request.
import { BrambleError } from "../../base/errors.ts";
import type { NfsClient, NfsExport, NfsMounted, NfsServer } from "../../serve/nfs.ts";
import { STATUS, type StatusCode } from "../../wire/nfs/status.ts";
import type { NfsTree } from "../../wire/nfs/tree.ts";
import type { Binding, MountAnswer, MountWish } from "./nfs-calls.ts";

/** Trees by the node's id: at once where one is in memory, the same object until it is another tree. */
export interface Trees<T> {
  tree(id: string): T | Promise<T>;
  facts(id: string): { generation: number };
}

export interface NfsDeskOptions<T> {
  trees(): Promise<Trees<T>>;
  /** The tree as clients get it. */
  served(tree: T): NfsTree;
  /** Asks the control side. */
  mount(wish: MountWish): Promise<MountAnswer>;
  /** A client was turned away by a rule of this machine. */
  refused(address: string, why: string): void;
}

/** Ports below it are root's (RFC 1813 does not ask for them; most servers do). */
const FIRST_FREE_PORT = 1024;
const LATELY_MS = 5 * 60_000;

export class NfsDesk<T extends object> {
  readonly #options: NfsDeskOptions<T>;
  readonly #byNumber = new Map<number, Binding & { exported?: { of: T; as: NfsExport }; usedMs: number }>();
  readonly #numbers = new Map<string, number>();
  readonly servers: NfsServer[] = [];
  #trees: Trees<T> | undefined;

  constructor(options: NfsDeskOptions<T>) {
    this.#options = options;
  }

  /** Before the first client comes. */
  async open(): Promise<void> {
    this.#trees = await this.#options.trees();
  }

  /** Has a node asked for something in its tree lately? One that runs does, every few minutes at least. */
  isUsed(id: string): boolean {
    const held = this.#byNumber.get(this.#numbers.get(id) ?? -1);
    return held !== undefined && Date.now() - held.usedMs < LATELY_MS;
  }

  nameOf = (number: number | undefined): string | undefined =>
    number === undefined ? undefined : this.#byNumber.get(number)?.id;

  /** Whoever had the tree before loses it first. */
  async bind(binding: Binding): Promise<{ ended: boolean }> {
    const { id, number, bootId, address } = binding;
    const before = this.#byNumber.get(this.#numbers.get(id) ?? -1);
    const ended = before !== undefined && (before.bootId !== bootId || before.address !== address);
    if (before && (ended || before.number !== number)) await this.unbind(id, "a newer boot has mounted it");
    this.#byNumber.set(number, { ...binding, usedMs: Date.now() });
    this.#numbers.set(id, number);
    return { ended };
  }

  /** Resolves when nothing of a client touches the tree. */
  async unbind(id: string, why: string): Promise<void> {
    const number = this.#numbers.get(id);
    if (number === undefined) return;
    this.#numbers.delete(id);
    this.#byNumber.delete(number);
    await Promise.all(this.servers.map((server) => server.drop(number, why)));
  }

  /** The export of that number, if this client may use it. */
  treeOf(
    number: number,
    client: Pick<NfsClient, "address" | "port">,
    privileged: boolean,
  ): NfsExport | StatusCode | Promise<NfsExport | StatusCode> {
    const held = this.#byNumber.get(number);
    if (!held) return STATUS.STALE;
    if (held.address !== client.address) return STATUS.ACCES;
    if (privileged && client.port >= FIRST_FREE_PORT) return STATUS.ACCES;
    held.usedMs = Date.now();
    const trees = this.#trees;
    if (!trees) throw new BrambleError("INTERNAL", "a client was let in before the trees were open");
    const tree = trees.tree(held.id);
    if (tree instanceof Promise) return tree.then(() => this.treeOf(number, client, privileged));
    if (held.exported?.of !== tree) {
      const { generation } = trees.facts(held.id);
      const handles = { export: number, generation, salt: held.salt };
      held.exported = {
        of: tree,
        as: { handles, tree: this.#options.served(tree), name: held.id },
      };
    }
    return held.exported.as;
  }

  async mount(path: string, client: NfsClient, privileged: boolean): Promise<NfsMounted | StatusCode> {
    const { address, port } = client;
    if (privileged && port >= FIRST_FREE_PORT) {
      this.#options.refused(
        address,
        `its port ${port} is not one of root's: this server wants one below 1024`,
      );
      return STATUS.ACCES;
    }
    const answer = await this.#options.mount({ path, address, port });
    if ("refused" in answer) return answer.refused === "no-such" ? STATUS.NOENT : STATUS.ACCES;
    const exported = await this.treeOf(answer.number, client, privileged);
    if (typeof exported === "number") return exported;
    return { exported, ...(answer.below !== undefined && { below: answer.below }) };
  }
}
