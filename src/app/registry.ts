import type { Selectable } from "kysely";
import { parseIpv4, parseMac } from "../base/addresses.ts";
import { BrambleError } from "../base/errors.ts";
import {
  hostName,
  type Node,
  type NodeState,
  type Profile,
  ROOT_MODES,
  type RootMode,
} from "../fleet/node.ts";
import type { Model } from "../formats/boards.ts";
import type { Book, Tables } from "../storage/book.ts";

/** What a person may set on a node; null takes a setting back to the profile's. */
export interface NodePatch {
  name?: string;
  profile?: string;
  image?: string | null;
  root?: RootMode | null;
  firmware?: string | null;
  address?: string | null;
  user?: string | null;
  passwordHash?: string | null;
  sshKeys?: string[] | null;
}
export type ProfilePatch = Omit<NodePatch, "name" | "profile" | "address">;

/** What a board tells of itself when it is heard. */
export interface Sighting {
  serial?: string;
  mac?: string;
  model?: Model;
  revision?: number;
}

/** Boards that nobody has enrolled are kept in memory and the book up to this many: a stranger may invent serials. */
const MOST_DISCOVERED = 2_000;

/** The nodes and profiles of the book, in memory for the boot path, which waits for no disk. */
export class Registry {
  readonly #book: Book;
  readonly #nodes = new Map<string, Node>();
  readonly #bySerial = new Map<string, Node>();
  readonly #byMac = new Map<string, Node>();
  readonly #profiles = new Map<string, Profile>();
  #saving: Promise<void> = Promise.resolve();
  #saveFailed: unknown;

  private constructor(book: Book) {
    this.#book = book;
  }

  static async open(book: Book): Promise<Registry> {
    const registry = new Registry(book);
    for (const row of await book.selectFrom("profile").selectAll().execute()) {
      registry.#profiles.set(row.name, profileOf(row));
    }
    for (const row of await book.selectFrom("node").selectAll().execute()) registry.#index(nodeOf(row));
    return registry;
  }

  all(): Node[] {
    return [...this.#nodes.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
  }
  byId = (id: string): Node | undefined => this.#nodes.get(id);
  bySerial = (serial: string): Node | undefined => this.#bySerial.get(serial);
  byMac = (mac: string): Node | undefined => this.#byMac.get(mac);

  /** A node by id, name, serial or MAC; throws NODE_UNKNOWN. */
  need(reference: string): Node {
    const text = reference.toLowerCase();
    const found =
      this.#nodes.get(text) ??
      this.#bySerial.get(text.slice(-8)) ??
      this.#byMac.get(text.replaceAll("-", ":")) ??
      this.all().find((node) => node.name === text);
    if (found) return found;
    const near = this.all().filter((node) => node.id.startsWith(text) || node.name.startsWith(text));
    if (near.length === 1 && near[0]) return near[0];
    if (near.length > 1) {
      throw new BrambleError("NODE_AMBIGUOUS", `${reference} fits ${near.map((n) => n.name).join(", ")}`);
    }
    throw new BrambleError("NODE_UNKNOWN", `there is no node ${reference}`, {
      hint: "`bramble node list` shows all",
    });
  }

  profile(name: string): Profile {
    const found = this.#profiles.get(name);
    if (found) return found;
    throw new BrambleError("PROFILE_UNKNOWN", `there is no profile ${name}`, {
      hint: `there are: ${[...this.#profiles.keys()].join(", ")}`,
    });
  }
  profiles = (): Profile[] => [...this.#profiles.values()];

  /**
   * The node that a sighting means, made as `discovered` when it is new; undefined when there are too many strangers.
   * A serial that comes from another MAC than before (or the other way round) is a conflict, and nothing is learned from it.
   */
  see(sighting: Sighting, now: number): { node: Node; isNew: boolean; conflict?: string } | undefined {
    const { serial, mac } = sighting;
    const known = (serial && this.#bySerial.get(serial)) || (mac && this.#byMac.get(mac));
    if (known) {
      let conflict: string | undefined;
      if (serial && known.serial && serial !== known.serial) {
        conflict = `${mac} now says serial ${serial}, before ${known.serial}`;
      } else if (mac && known.mac && mac !== known.mac) {
        conflict = `serial ${serial} now comes from ${mac}, before from ${known.mac}`;
      }
      if (conflict) return { node: known, isNew: false, conflict };
      if (Object.entries(sighting).some(([key, value]) => value !== known[key as keyof Sighting])) {
        Object.assign(known, sighting);
        this.#index(known);
        void this.save(known);
      }
      known.lastSeenMs = now;
      return { node: known, isNew: false };
    }
    const id = serial ?? mac?.replaceAll(":", "-");
    if (!id || this.#discovered() >= MOST_DISCOVERED) return undefined;
    const node: Node = {
      ...sighting,
      id,
      name: this.#freeName(hostName(`pi-${serial ?? id.slice(-8)}`)),
      state: "discovered",
      profile: "default",
      seed: {},
      firstSeenMs: now,
      lastSeenMs: now,
    };
    this.#index(node);
    void this.save(node);
    return { node, isNew: true };
  }

  async setState(node: Node, state: NodeState): Promise<void> {
    node.state = state;
    await this.save(node);
  }

  async patch(node: Node, patch: NodePatch): Promise<void> {
    const next: Node = { ...node, seed: { ...node.seed } };
    if (patch.name !== undefined) {
      if (hostName(patch.name) !== patch.name) {
        throw new BrambleError("BAD_INPUT", `${patch.name} is no host name`, {
          hint: `perhaps ${hostName(patch.name)}`,
        });
      }
      if (this.all().some((other) => other.id !== node.id && other.name === patch.name)) {
        throw new BrambleError("BAD_INPUT", `another node is called ${patch.name}`);
      }
      next.name = patch.name;
    }
    if (patch.profile !== undefined) next.profile = this.profile(patch.profile).name;
    if (patch.address) {
      parseIpv4(patch.address);
      const other = this.all().find((n) => n.id !== node.id && n.address === patch.address);
      if (other) throw new BrambleError("BAD_INPUT", `${patch.address} is reserved for ${other.name}`);
    }
    setOrDrop(next, "address", patch.address);
    applyShared(next, patch);
    for (const key of Object.keys(node)) delete (node as unknown as Record<string, unknown>)[key];
    Object.assign(node, next);
    await this.save(node);
  }

  async patchProfile(name: string, patch: ProfilePatch): Promise<Profile> {
    const profile = this.profile(name);
    const next: Profile = { ...profile, seed: { ...profile.seed } };
    applyShared(next, patch);
    next.root ??= "auto";
    await this.#book.updateTable("profile").set(profileRow(next)).where("name", "=", name).execute();
    this.#profiles.set(name, next);
    return next;
  }

  async forget(node: Node): Promise<void> {
    this.#nodes.delete(node.id);
    if (node.serial) this.#bySerial.delete(node.serial);
    if (node.mac) this.#byMac.delete(node.mac);
    await this.#saving;
    await this.#book.transaction().execute(async (trx) => {
      await trx
        .deleteFrom("step")
        .where("bootId", "in", (query) => query.selectFrom("boot").select("id").where("nodeId", "=", node.id))
        .execute();
      await trx.deleteFrom("boot").where("nodeId", "=", node.id).execute();
      await trx.deleteFrom("event").where("nodeId", "=", node.id).execute();
      await trx.deleteFrom("clone").where("nodeId", "=", node.id).execute();
      await trx.deleteFrom("node").where("id", "=", node.id).execute();
    });
  }

  /** Writes a node behind the others that wait; sightings do not wait for it, people's changes do. */
  save(node: Node): Promise<void> {
    const row = nodeRow(node);
    const written = this.#saving.then(async () => {
      if (!this.#nodes.has(row.id)) return;
      const { id: _, ...set } = row;
      await this.#book
        .insertInto("node")
        .values(row)
        .onConflict((c) => c.column("id").doUpdateSet(set))
        .execute();
    });
    this.#saving = written.catch((error) => {
      this.#saveFailed = error;
    });
    return written;
  }

  /** Ends when all is written; throws what went wrong on the way. */
  async settled(): Promise<void> {
    await this.#saving;
    if (this.#saveFailed) throw this.#saveFailed;
  }

  #index(node: Node): void {
    this.#nodes.set(node.id, node);
    if (node.serial) this.#bySerial.set(node.serial, node);
    if (node.mac) this.#byMac.set(node.mac, node);
  }

  #discovered(): number {
    let count = 0;
    for (const node of this.#nodes.values()) if (node.state === "discovered") count += 1;
    return count;
  }

  #freeName(wish: string): string {
    const taken = new Set(this.all().map((node) => node.name));
    let name = wish;
    for (let n = 2; taken.has(name); n++) name = `${wish}-${n}`;
    return name;
  }
}

function setOrDrop<T extends object, K extends keyof T>(
  target: T,
  key: K,
  value: T[K] | null | undefined,
): void {
  if (value === null) delete target[key];
  else if (value !== undefined) target[key] = value;
}

function applyShared(target: Node | Profile, patch: ProfilePatch): void {
  if (patch.root && !ROOT_MODES.includes(patch.root)) {
    throw new BrambleError("BAD_INPUT", `${patch.root} is no root mode`, {
      hint: `one of ${ROOT_MODES.join(", ")}`,
    });
  }
  setOrDrop(target, "image", patch.image as string | null | undefined);
  setOrDrop(target as Node, "root", patch.root);
  setOrDrop(target, "firmware", patch.firmware as string | null | undefined);
  if (patch.user && !/^[a-z_][a-z0-9_-]{0,31}$/.test(patch.user)) {
    throw new BrambleError("BAD_INPUT", `${patch.user} is no user name`, {
      hint: "lower-case letters, digits, - and _",
    });
  }
  if (patch.passwordHash && !/^\$[a-z0-9]+\$[^\s:]+$/.test(patch.passwordHash)) {
    throw new BrambleError("BAD_INPUT", "that is no password hash", { hint: "make one: openssl passwd -6" });
  }
  for (const key of patch.sshKeys ?? []) {
    if (!/^(ssh-|ecdsa-|sk-)\S+ \S+/.test(key) || /[\r\n]/.test(key)) {
      throw new BrambleError("BAD_INPUT", "that is no ssh public key", {
        hint: "give the line of a .pub file",
      });
    }
  }
  setOrDrop(target.seed, "user", patch.user as string | null | undefined);
  setOrDrop(target.seed, "passwordHash", patch.passwordHash as string | null | undefined);
  setOrDrop(target.seed, "sshKeys", patch.sshKeys as string[] | null | undefined);
}

/** Drops the nulls of a row: an absent value is an absent field. */
const present = <T extends object>(row: T) =>
  Object.fromEntries(Object.entries(row).filter(([, value]) => value !== null)) as {
    [K in keyof T]: NonNullable<T[K]>;
  };

const nodeOf = (row: Selectable<Tables["node"]>): Node =>
  ({ ...present(row), seed: JSON.parse(row.seed) }) as unknown as Node;
const profileOf = (row: Selectable<Tables["profile"]>): Profile =>
  ({ ...present(row), seed: JSON.parse(row.seed) }) as unknown as Profile;

const nodeRow = (node: Node): Selectable<Tables["node"]> => ({
  id: node.id,
  serial: node.serial ?? null,
  mac: node.mac ? parseMac(node.mac) : null,
  model: node.model ?? null,
  revision: node.revision ?? null,
  name: node.name,
  state: node.state,
  profile: node.profile,
  image: node.image ?? null,
  root: node.root ?? null,
  firmware: node.firmware ?? null,
  address: node.address ?? null,
  seed: JSON.stringify(node.seed),
  firstSeenMs: node.firstSeenMs,
  lastSeenMs: node.lastSeenMs,
});
const profileRow = (profile: Profile): Selectable<Tables["profile"]> => ({
  name: profile.name,
  image: profile.image ?? null,
  root: profile.root,
  firmware: profile.firmware ?? null,
  seed: JSON.stringify(profile.seed),
});
