// The groups and address pools of the book, in memory for the boot path.
import type { Selectable } from "kysely";
import { BrambleError } from "../base/errors.ts";
import { type AddressPool, checkPool } from "../fleet/address-plan.ts";
import { checkGroupName, type Group, patchValues, type ValuesPatch } from "../fleet/groups.ts";
import type { Book, Tables } from "../storage/book.ts";
import { packed, present, unpacked } from "./registry-rows.ts";
import { applySettings, type ProfilePatch, setOrDrop } from "./settings-patch.ts";

export type GroupPatch = ProfilePatch & { about?: string | null; values?: ValuesPatch };

const MOST_GROUPS = 10_000;
const MOST_POOLS = 1_000;

const groupOf = (row: Selectable<Tables["group"]>): Group =>
  ({
    ...present(row),
    ...unpacked(row),
    values: JSON.parse(row.values) as Group["values"],
  }) as unknown as Group;

const groupRow = (group: Group): Selectable<Tables["group"]> => ({
  name: group.name,
  about: group.about ?? null,
  image: group.image ?? null,
  root: group.root ?? null,
  firmware: group.firmware ?? null,
  seed: JSON.stringify(group.seed),
  values: JSON.stringify(group.values),
  version: group.version,
  ...packed(group),
});

export class Groups {
  readonly #book: Book;
  readonly #groups = new Map<string, Group>();

  private constructor(book: Book) {
    this.#book = book;
  }

  static async open(book: Book): Promise<Groups> {
    const groups = new Groups(book);
    for (const row of await book.selectFrom("group").selectAll().execute())
      groups.#groups.set(row.name, groupOf(row));
    return groups;
  }

  all = (): Group[] => [...this.#groups.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
  get = (name: string | undefined): Group | undefined =>
    name === undefined ? undefined : this.#groups.get(name);

  /** Throws GROUP_UNKNOWN. */
  need(name: string): Group {
    const found = this.#groups.get(name);
    if (found) return found;
    const names = this.all().map((group) => group.name);
    throw new BrambleError("GROUP_UNKNOWN", `there is no group ${name}`, {
      hint: names.length > 0 ? `there are: ${names.slice(0, 20).join(", ")}` : `bramble group add ${name}`,
    });
  }

  async add(name: string, patch: GroupPatch): Promise<Group> {
    checkGroupName(name);
    if (this.#groups.has(name))
      throw new BrambleError("GROUP_TAKEN", `there is a group ${name} already`, {
        hint: `bramble group set ${name}`,
      });
    if (this.#groups.size >= MOST_GROUPS)
      throw new BrambleError("BAD_INPUT", `there are ${MOST_GROUPS} groups already`);
    const group = patched({ name, seed: {}, values: {}, version: 0 }, patch);
    await this.#book.insertInto("group").values(groupRow(group)).execute();
    this.#groups.set(name, group);
    return group;
  }

  async patch(name: string, patch: GroupPatch): Promise<Group> {
    const group = patched(this.need(name), patch);
    await this.#book.updateTable("group").set(groupRow(group)).where("name", "=", name).execute();
    this.#groups.set(name, group);
    return group;
  }

  /** The caller has made sure that no node is in it. */
  async remove(name: string): Promise<void> {
    await this.#book.deleteFrom("group").where("name", "=", name).execute();
    this.#groups.delete(name);
  }
}

function patched(group: Group, { about, values, ...settings }: GroupPatch): Group {
  const next: Group = { ...group, seed: { ...group.seed }, version: group.version + 1 };
  if (about && (about.length > 200 || /[\r\n]/.test(about)))
    throw new BrambleError("BAD_INPUT", "what a group is for is one line of at most 200 characters");
  setOrDrop(next, "about", about as string | null | undefined);
  if (values) next.values = patchValues(group.values, values);
  applySettings(next, settings);
  return next;
}

export class AddressPools {
  readonly #book: Book;
  readonly #pools = new Map<string, AddressPool>();

  private constructor(book: Book) {
    this.#book = book;
  }

  static async open(book: Book): Promise<AddressPools> {
    const pools = new AddressPools(book);
    for (const row of await book.selectFrom("addressPool").selectAll().execute())
      pools.#pools.set(row.name, row as AddressPool);
    return pools;
  }

  all = (): AddressPool[] => [...this.#pools.values()].sort((a, b) => (a.name < b.name ? -1 : 1));

  /** Throws ADDRESS_POOL_UNKNOWN. */
  need(name: string): AddressPool {
    const found = this.#pools.get(name);
    if (found) return found;
    const names = this.all().map((pool) => pool.name);
    throw new BrambleError("ADDRESS_POOL_UNKNOWN", `there is no address pool ${name}`, {
      hint:
        names.length > 0
          ? `there are: ${names.slice(0, 20).join(", ")}`
          : "bramble address pool add NAME FROM-TO",
    });
  }

  async add(pool: AddressPool): Promise<AddressPool> {
    if (this.#pools.has(pool.name))
      throw new BrambleError("ADDRESS_POOL_TAKEN", `there is an address pool ${pool.name} already`, {
        hint: `bramble address pool set ${pool.name}`,
      });
    if (this.#pools.size >= MOST_POOLS)
      throw new BrambleError("BAD_INPUT", `there are ${MOST_POOLS} address pools already`);
    const checked = checkPool(pool, this.all());
    await this.#book.insertInto("addressPool").values(checked).execute();
    this.#pools.set(pool.name, checked);
    return checked;
  }

  async set(pool: AddressPool): Promise<AddressPool> {
    const checked = checkPool(pool, this.all());
    await this.#book.updateTable("addressPool").set(checked).where("name", "=", pool.name).execute();
    this.#pools.set(pool.name, checked);
    return checked;
  }

  async remove(name: string): Promise<void> {
    await this.#book.deleteFrom("addressPool").where("name", "=", name).execute();
    this.#pools.delete(name);
  }
}
