// To whom this thread opens disks: each node to its newest boot only, and to tools.
import { BrambleError } from "../../base/errors.ts";
import { type Party, TOOLS } from "../../fleet/fencing.ts";
import type { Chap, Lun } from "./disk-calls.ts";
import type { Fence } from "./fence.ts";

interface AnyGrant {
  /** `<node>/<boot>`, or `<node>/tools`: what events and drop() call it. */
  name: string;
  /** What a client must name: the sha256 of an NBD secret, an iSCSI target. */
  key: string;
  address: string;
  /** Has its own address logged in before? Then another one may take over from a dead session (iSCSI: CHAP tells who it is). */
  used: boolean;
  paths: readonly string[];
}
export interface NbdGrant extends AnyGrant {
  kind: "nbd";
  path: string;
  readOnly: boolean;
}
export interface IscsiGrant extends AnyGrant {
  kind: "iscsi";
  initiator: string;
  chap: Chap;
  luns: readonly Lun[];
}
export type Grant = NbdGrant | IscsiGrant;

export const bootOf = ({ name }: Grant): string => name.slice(name.indexOf("/") + 1);
export const nodeOf = ({ name }: Grant): string => name.slice(0, name.indexOf("/"));

/** A node that moved so often is not believed any more. */
const MOST_FENCED = 64;

export class Grants {
  readonly #fence: Fence;
  readonly #byKey = new Map<string, Grant>();
  /** By node: addresses of boots that a newer one has replaced. */
  readonly #fenced = new Map<string, Set<string>>();
  /** By key: somebody older is being fenced; whoever asks waits. */
  readonly #busy = new Map<string, Promise<unknown>>();
  readonly #ended: (older: Grant) => void;

  /** `ended` hears of every grant that ends. */
  constructor(fence: Fence, ended: (older: Grant) => void = () => {}) {
    this.#fence = fence;
    this.#ended = ended;
  }

  /**
   * Opens disks to one boot. Fences the node's older boots first: their grants end, their sessions take no more commands,
   * are drained and dropped, and only then does the new grant exist. Gives back whose sessions ended.
   */
  async give(grant: Grant, why: string): Promise<Party[]> {
    if (bootOf(grant) === TOOLS) {
      this.#byKey.set(grant.key, grant);
      return [];
    }
    const other = this.#fence.ofOthers(grant.paths, nodeOf(grant));
    if (other)
      throw new BrambleError(
        "CLONE_BUSY",
        `${other.node} has a disk of this node open, from ${other.address}`,
        {
          hint: "switch that node off first: a volume has one writer",
        },
      );
    // A boot may have its disks by two ways, as long as no disk is among both.
    const beside = (known: Grant) =>
      known.name === grant.name && !known.paths.some((path) => grant.paths.includes(path));
    const older = [...this.#byKey.values()].filter(
      (known) => nodeOf(known) === nodeOf(grant) && known.key !== grant.key && !beside(known),
    );
    const replaced = this.#byKey.get(grant.key);
    const stays = replaced !== undefined && replaced.name === grant.name;
    if (replaced && !stays) older.push(replaced);
    for (const one of older) this.#end(one, grant);
    // The same boot asks once more: what it has open stays open.
    const goes = (party: Party) => !(stays && party.boot === bootOf(grant));
    const paths = [...grant.paths, ...older.flatMap((one) => one.paths)];
    const clearing = this.#fence.clear(paths, goes, why);
    this.#busy.set(grant.key, clearing);
    try {
      return await clearing;
    } finally {
      this.#fence.expect(grant.paths);
      this.#byKey.set(grant.key, stays ? { ...grant, used: replaced.used || grant.used } : grant);
      if (this.#busy.get(grant.key) === clearing) this.#busy.delete(grant.key);
    }
  }

  /** The grant that a client's key means, when no fencing is under way. */
  async find(key: string): Promise<Grant | undefined> {
    await this.#busy.get(key)?.catch(() => {}); // told to whoever fences
    return this.#byKey.get(key);
  }
  peek = (key: string): Grant | undefined => this.#byKey.get(key);
  /** Is this boot still the one that has it? */
  holds(grant: Grant): boolean {
    return this.#byKey.get(grant.key)?.name === grant.name;
  }
  all = (): Iterable<Grant> => this.#byKey.values();

  /** Was the address a fenced boot's? It may still be alive there, behind a broken network. */
  isFenced(grant: Grant, address: string): boolean {
    return address !== grant.address && (this.#fenced.get(nodeOf(grant))?.has(address) ?? false);
  }

  /** The node has moved: from now on this is its address. */
  moved(grant: Grant, address: string): void {
    grant.address = address;
  }

  /** Ends a grant by its name, and what it has open. */
  async drop(name: string, why: string): Promise<void> {
    const ending = [...this.#byKey.values()].filter((grant) => grant.name === name);
    for (const grant of ending) {
      this.#end(grant, undefined);
    }
    const ofBoot = (grant: Grant) => (party: Party) => party.boot === bootOf(grant);
    await Promise.all(ending.map((grant) => this.#fence.clear(grant.paths, ofBoot(grant), why)));
    for (const grant of ending) this.#fence.forget(grant.paths);
  }

  #end(older: Grant, newer: Grant | undefined): void {
    this.#byKey.delete(older.key);
    if (newer && older.address !== newer.address) {
      const fenced = this.#fenced.get(nodeOf(older)) ?? new Set<string>();
      if (fenced.size < MOST_FENCED) fenced.add(older.address);
      this.#fenced.set(nodeOf(older), fenced);
    }
    this.#ended(older);
  }
}
