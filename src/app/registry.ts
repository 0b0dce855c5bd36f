import { BrambleError } from "../base/errors.ts";
import type { Actor } from "../fleet/actor.ts";
import { baseOf } from "../fleet/groups.ts";
import { hostName, type Node, type NodeLife, type Profile, resolveNode } from "../fleet/node.ts";
import { isSelector, selectNodes } from "../fleet/select.ts";
import type { Model } from "../formats/boards.ts";
import type { Book } from "../storage/book.ts";
import { AddressPools, Groups } from "./model-groups.ts";
import { applyModel } from "./model-patch.ts";
import { Addresses } from "./model-plan.ts";
import { nodeOf, nodeRow, profileOf, profileRow, settingsRow } from "./registry-rows.ts";
import { applySettings, type NodePatch, type ProfilePatch } from "./settings-patch.ts";

/** What a selector may ask for that comes from a profile or group. */
const plainSettings = ({ image, root, firmware }: ReturnType<typeof resolveNode>) => ({
  root,
  ...(image !== undefined && { image }),
  ...(firmware !== undefined && { firmware }),
});

/** What a board tells of itself when it is heard. */
export interface Sighting {
  serial?: string;
  mac?: string;
  model?: Model;
  revision?: number;
}

/** Boards that nobody has enrolled are kept in memory and the book up to this many: a stranger may invent serials. */
const MOST_DISCOVERED = 2_000;

const LIFE_KEYS: readonly (keyof NodeLife)[] = ["owner", "maintenance", "deadlineMs", "override"];

/** The nodes and profiles of the book, in memory for the boot path, which waits for no disk. */
export class Registry {
  readonly #book: Book;
  readonly #nodes = new Map<string, Node>();
  readonly #bySerial = new Map<string, Node>();
  readonly #byMac = new Map<string, Node>();
  readonly #profiles = new Map<string, Profile>();
  /** Until a node comes, goes, or is called otherwise. */
  #sorted: readonly Node[] | undefined;
  readonly groups: Groups;
  readonly pools: AddressPools;
  readonly addresses: Addresses;
  #saving: Promise<void> = Promise.resolve();
  #saveFailed: unknown;
  /** Nodes that are written together, as soon as it is their turn. */
  #round: { rows: Map<string, ReturnType<typeof nodeRow>>; written: Promise<void> } | undefined;
  /** Told the id of a node whose row stands in the book now, or is gone. */
  onSaved: (nodeId: string) => void = () => {};

  private constructor(book: Book, groups: Groups, pools: AddressPools) {
    this.#book = book;
    this.groups = groups;
    this.pools = pools;
    this.addresses = new Addresses(this, pools);
  }

  static async open(book: Book): Promise<Registry> {
    const registry = new Registry(book, await Groups.open(book), await AddressPools.open(book));
    for (const row of await book.selectFrom("profile").selectAll().execute()) {
      registry.#profiles.set(row.name, profileOf(row));
    }
    for (const row of await book.selectFrom("node").selectAll().execute()) registry.#index(nodeOf(row));
    return registry;
  }

  /** All nodes by name. */
  all(): readonly Node[] {
    this.#sorted ??= [...this.#nodes.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
    return this.#sorted;
  }
  get size(): number {
    return this.#nodes.size;
  }
  byId = (id: string): Node | undefined => this.#nodes.get(id);
  bySerial = (serial: string): Node | undefined => this.#bySerial.get(serial);
  byMac = (mac: string): Node | undefined => this.#byMac.get(mac);
  byName = (name: string): Node | undefined => this.all().find((node) => node.name === name);

  /** What a node is set to, by itself, its group and its profile. */
  resolve = (node: Node) => resolveNode(node, this.base(node));
  /** What its profile and its group give a node that says nothing itself. */
  base = (node: Node): Profile => baseOf(this.profile(node.profile), this.groups.get(node.group));

  /** A tenant sees its own nodes only. */
  seenBy = (by: Actor): readonly Node[] =>
    by.kind === "tenant" ? this.all().filter(({ owner }) => owner === by.name) : this.all();

  /** The nodes that a selector or hostlist means, with what they are set to. SELECTOR_BAD, HOSTLIST_BAD, NODE_UNKNOWN. */
  select(text: string, among: readonly Node[] = this.all()): Node[] {
    if (!isSelector(text)) return selectNodes(among, text);
    const all = among.map((node) => ({ ...node, ...plainSettings(this.resolve(node)), of: node }));
    return selectNodes(all, text).map(({ of }) => of);
  }

  /** A node by id, name, serial or MAC; throws NODE_UNKNOWN. */
  need(reference: string): Node {
    const text = reference.toLowerCase();
    const found =
      this.#nodes.get(text) ??
      this.#bySerial.get(text.slice(-8)) ??
      this.#byMac.get(text.replaceAll("-", ":")) ??
      this.byName(text);
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
      ...{ state: "discovered" as const, version: 0, stateSinceMs: now, attempt: 0 },
      profile: "default",
      seed: {},
      firstSeenMs: now,
      lastSeenMs: now,
    };
    this.#index(node);
    void this.save(node);
    return { node, isNew: true };
  }

  /** What the life cycle has written of a node, or is about to. */
  live(node: Node, life: NodeLife): void {
    for (const key of LIFE_KEYS) delete (node as Partial<Node>)[key];
    Object.assign(node, life);
  }

  /** All that was to be written before this call is written, or has failed. */
  written(): Promise<void> {
    return this.#saving;
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
    this.#check(next, patch);
    this.#put(node, next);
    await this.save(node);
    // an address that a person gives may have been another's by the plan
    if (patch.address === undefined && patch.management === undefined) await this.addresses.planNode(node);
    else await this.addresses.plan();
  }

  #check(next: Node, patch: NodePatch): void {
    const others = this.all();
    if (patch.group) this.groups.need(patch.group);
    applyModel(next, patch, others);
    applySettings(next, patch);
  }

  #put(node: Node, next: Node): void {
    for (const key of Object.keys(node)) delete (node as unknown as Record<string, unknown>)[key];
    Object.assign(node, next);
    this.#sorted = undefined;
    this.addresses.changed();
  }

  /** Many nodes at once, in one transaction; what they become was checked by the caller, in the same turn. */
  async replaceAll(drafts: readonly { node: Node; next: Node }[]): Promise<void> {
    for (const { node, next } of drafts) this.#put(node, next);
    await this.saveAll(drafts.map(({ node }) => node));
    if (this.pools.all().length > 0) await this.addresses.plan();
  }

  async patchProfile(name: string, patch: ProfilePatch): Promise<Profile> {
    const profile = this.profile(name);
    const next: Profile = { ...profile, seed: { ...profile.seed } };
    applySettings(next, patch);
    next.root ??= "auto";
    next.version = (profile.version ?? 1) + 1;
    await this.#book.updateTable("profile").set(profileRow(next)).where("name", "=", name).execute();
    this.#profiles.set(name, next);
    return next;
  }

  async addProfile(profile: Profile): Promise<void> {
    if (this.#profiles.has(profile.name))
      throw new BrambleError("PROFILE_TAKEN", `there is a profile ${profile.name} already`, {
        hint: `bramble profile set ${profile.name}`,
      });
    await this.#book.insertInto("profile").values(profileRow(profile)).execute();
    this.#profiles.set(profile.name, profile);
  }

  /** The caller has made sure that no node is set to it. */
  async removeProfile(name: string): Promise<void> {
    await this.#book.deleteFrom("profile").where("name", "=", name).execute();
    this.#profiles.delete(name);
  }

  async forget(node: Node): Promise<void> {
    this.#nodes.delete(node.id);
    this.#sorted = undefined;
    this.addresses.changed();
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
      await trx.deleteFrom("lun").where("nodeId", "=", node.id).execute();
      await trx.updateTable("volume").set({ nodeId: null }).where("nodeId", "=", node.id).execute();
      for (const table of ["secret", "openDisk", "agentSession", "lifeEvent", "effect", "inventory"] as const)
        await trx.deleteFrom(table).where("nodeId", "=", node.id).execute();
      await trx.deleteFrom("node").where("id", "=", node.id).execute();
    });
    this.onSaved(node.id);
  }

  /** Writes a node behind the others that wait; sightings do not wait for it, people's changes do. */
  save(node: Node): Promise<void> {
    if (!this.#round) {
      const rows = new Map<string, ReturnType<typeof nodeRow>>();
      this.#round = { rows, written: this.#behind(() => this.#write(rows)) };
    }
    this.#round.rows.set(node.id, nodeRow(node));
    return this.#round.written;
  }

  /** Those that were saved while others were written, in one transaction. */
  async #write(rows: ReadonlyMap<string, ReturnType<typeof nodeRow>>): Promise<void> {
    if (this.#round?.rows === rows) this.#round = undefined;
    const there = [...rows.values()].filter(({ id }) => this.#nodes.has(id));
    await this.#book.transaction().execute(async (trx) => {
      for (const row of there)
        await trx
          .insertInto("node")
          .values(row)
          .onConflict((c) => c.column("id").doUpdateSet(settingsRow(row)))
          .execute();
    });
    for (const { id } of there) this.onSaved(id);
  }

  /** Many nodes in one transaction, behind the others that wait. */
  saveAll(nodes: readonly Node[]): Promise<void> {
    if (nodes.length === 0) return Promise.resolve();
    const rows = nodes.map(nodeRow);
    this.#round = undefined; // what is saved from now on comes behind these
    return this.#behind(async () => {
      await this.#book.transaction().execute(async (trx) => {
        for (const row of rows)
          await trx.updateTable("node").set(settingsRow(row)).where("id", "=", row.id).execute();
      });
      for (const { id } of rows) this.onSaved(id);
    });
  }

  #behind(write: () => Promise<void>): Promise<void> {
    const written = this.#saving.then(write);
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
    if (!this.#nodes.has(node.id)) this.#sorted = undefined;
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
    const taken = new Set([...this.#nodes.values()].map((node) => node.name));
    let name = wish;
    for (let n = 2; taken.has(name); n++) name = `${wish}-${n}`;
    return name;
  }
}
