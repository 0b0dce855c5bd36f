import { BrambleError } from "../base/errors.ts";
import type { Node } from "../fleet/node.ts";
import { checkName, NO_TEMPLATES, type ProfileTemplates } from "../fleet/profiles.ts";
import type { Book } from "../storage/book.ts";
import type { ModelTables } from "../storage/model-tables.ts";
import type { ProfileTables } from "../storage/profile-tables.ts";
import { FrozenBoots } from "./model-frozen.ts";

export type Cluster = Omit<ProfileTables["cluster"], "profile">;
interface Secret {
  value: string;
  setMs: number;
}

type TemplateVersion = ModelTables["templateVersion"];

const SECRET_LIMIT = 64 * 1024;
/** Of each profile's templates. */
const KEPT_VERSIONS = 50;

function lowestFree(taken: ReadonlySet<number>): number {
  let number = 0;
  while (taken.has(number)) number += 1;
  return number;
}

/** Templates, secrets, numbers and clusters of the profiles: in memory for the boot path, and in the book. */
export class ProfileStore {
  readonly #book: Book;
  readonly #templates = new Map<string, ProfileTemplates>();
  readonly #secrets = new Map<string, Map<string, Secret>>();
  readonly #members = new Map<string, { profile: string; number: number }>();
  readonly #clusters = new Map<string, Cluster>();
  readonly #versions = new Map<string, number>();
  /** What boots under way were given. */
  readonly frozen: FrozenBoots;
  #revision = 0;
  #saving: Promise<unknown> = Promise.resolve();
  #saveFailed: unknown;

  private constructor(book: Book) {
    this.#book = book;
    this.frozen = new FrozenBoots(book);
  }

  static async open(book: Book): Promise<ProfileStore> {
    const store = new ProfileStore(book);
    for (const { profile, version } of await book
      .selectFrom("templateVersion")
      .select((row) => ["profile", row.fn.max("version").as("version")])
      .groupBy("profile")
      .execute())
      store.#versions.set(profile, version);
    for (const { profile, text } of await book.selectFrom("template").selectAll().execute())
      store.#templates.set(profile, { ...NO_TEMPLATES, ...(JSON.parse(text) as ProfileTemplates) });
    for (const { profile, name, value, setMs } of await book
      .selectFrom("profileSecret")
      .selectAll()
      .execute())
      store.#of(profile).set(name, { value, setMs });
    for (const { nodeId, profile, number } of await book.selectFrom("member").selectAll().execute())
      store.#members.set(nodeId, { profile, number });
    for (const { profile, ...cluster } of await book.selectFrom("cluster").selectAll().execute())
      store.#clusters.set(profile, cluster);
    return store;
  }

  /** Another number after each change that a rendering could show. */
  get revision(): number {
    return this.#revision;
  }

  /** Something beside the templates has changed that they print. */
  touched(): void {
    this.#revision += 1;
  }

  templates = (profile: string): ProfileTemplates => this.#templates.get(profile) ?? NO_TEMPLATES;

  /** Number of the newest version of its templates; 0: it never had any. */
  version = (profile: string): number => this.#versions.get(profile) ?? 0;

  /** A new version, and its number; templates that are as before make none. */
  async put(
    profile: string,
    templates: ProfileTemplates,
    { by, note, atMs }: { by: string; note: string; atMs: number },
  ): Promise<number> {
    const text = JSON.stringify(templates);
    const before = this.version(profile);
    if (text === JSON.stringify(this.templates(profile))) return before;
    const version = before + 1;
    await this.#book.transaction().execute(async (trx) => {
      await trx
        .insertInto("template")
        .values({ profile, text })
        .onConflict((c) => c.column("profile").doUpdateSet({ text }))
        .execute();
      await trx.insertInto("templateVersion").values({ profile, version, atMs, by, note, text }).execute();
      await trx
        .deleteFrom("templateVersion")
        .where("profile", "=", profile)
        .where("version", "<=", version - KEPT_VERSIONS)
        .execute();
    });
    this.#templates.set(profile, templates);
    this.#versions.set(profile, version);
    this.#revision += 1;
    return version;
  }

  /** Newest first, without their texts. */
  versions(profile: string): Promise<Omit<TemplateVersion, "profile" | "text">[]> {
    return this.#book
      .selectFrom("templateVersion")
      .select(["version", "atMs", "by", "note"])
      .where("profile", "=", profile)
      .orderBy("version", "desc")
      .execute();
  }

  /** Throws TEMPLATE_VERSION_UNKNOWN. */
  async templatesAt(profile: string, version: number): Promise<ProfileTemplates> {
    if (version === 0) return NO_TEMPLATES;
    const row = await this.#book
      .selectFrom("templateVersion")
      .select("text")
      .where("profile", "=", profile)
      .where("version", "=", version)
      .executeTakeFirst();
    if (row) return { ...NO_TEMPLATES, ...(JSON.parse(row.text) as ProfileTemplates) };
    throw new BrambleError(
      "TEMPLATE_VERSION_UNKNOWN",
      `profile ${profile} has no version ${version} of its templates`,
      { hint: `bramble profile history ${profile} lists the last ${KEPT_VERSIONS}` },
    );
  }

  /** All of a profile that is gone. */
  async forget(profile: string): Promise<void> {
    await this.#saving;
    await this.#book.transaction().execute(async (trx) => {
      for (const table of ["template", "templateVersion", "profileSecret", "member", "cluster"] as const)
        await trx.deleteFrom(table).where("profile", "=", profile).execute();
    });
    this.#revision += 1;
    this.#templates.delete(profile);
    this.#versions.delete(profile);
    this.#secrets.delete(profile);
    this.#clusters.delete(profile);
    for (const [id, member] of this.#members) if (member.profile === profile) this.#members.delete(id);
  }

  /** For rendering a node's own seed; to be shown to nobody. */
  secrets = (profile: string): ReadonlyMap<string, string> =>
    new Map([...(this.#secrets.get(profile) ?? [])].map(([name, { value }]) => [name, value]));

  secretNames = (profile: string): { name: string; setMs: number }[] =>
    [...(this.#secrets.get(profile) ?? [])].map(([name, { setMs }]) => ({ name, setMs }));

  async setSecret(profile: string, name: string, value: string, setMs: number): Promise<void> {
    checkName("secret", name);
    if (value === "" || value.length > SECRET_LIMIT || value.includes("\0"))
      throw new BrambleError("BAD_INPUT", `a secret is text of 1 to ${SECRET_LIMIT} characters`);
    await this.#book
      .insertInto("profileSecret")
      .values({ profile, name, value, setMs })
      .onConflict((c) => c.columns(["profile", "name"]).doUpdateSet({ value, setMs }))
      .execute();
    this.#of(profile).set(name, { value, setMs });
    this.#revision += 1;
  }

  async removeSecret(profile: string, name: string): Promise<void> {
    if (!this.#of(profile).has(name)) {
      const names = this.secretNames(profile).map((one) => one.name);
      throw new BrambleError("SECRET_UNKNOWN", `profile ${profile} has no secret ${name}`, {
        hint: names.length > 0 ? `it has: ${names.join(", ")}` : "it has none",
      });
    }
    await this.#book
      .deleteFrom("profileSecret")
      .where("profile", "=", profile)
      .where("name", "=", name)
      .execute();
    this.#of(profile).delete(name);
    this.#revision += 1;
  }

  /**
   * A node's number within its profile: kept while it stays in it, then free for the next. `all` tells who is still there.
   */
  index(node: Node, all: readonly Node[]): number {
    const kept = this.#members.get(node.id);
    if (kept?.profile === node.profile) return kept.number;
    const here = new Map(all.map((one) => [one.id, one.profile]));
    const taken = new Set<number>();
    for (const [id, { profile, number }] of this.#members) {
      if (here.get(id) === profile) {
        if (profile === node.profile) taken.add(number);
      } else this.#drop(id);
    }
    const number = lowestFree(taken);
    const member = { profile: node.profile, number };
    this.#members.set(node.id, member);
    this.#save(() =>
      this.#book
        .insertInto("member")
        .values({ nodeId: node.id, ...member })
        .onConflict((c) => c.column("nodeId").doUpdateSet(member))
        .execute(),
    );
    return number;
  }

  /** The number that it would be given, which it is not. */
  nextIndex(node: Node, all: readonly Node[]): number {
    const here = new Map(all.map((one) => [one.id, one.profile]));
    const numbers = [...this.#members].flatMap(([id, { profile, number }]) =>
      id !== node.id && profile === node.profile && here.get(id) === profile ? [number] : [],
    );
    return this.knownIndex(node) ?? lowestFree(new Set(numbers));
  }

  /** The same, where it has one already. */
  knownIndex(node: Node): number | undefined {
    const kept = this.#members.get(node.id);
    return kept?.profile === node.profile ? kept.number : undefined;
  }

  cluster = (profile: string): Cluster | undefined => this.#clusters.get(profile);

  async setCluster(profile: string, cluster: Cluster): Promise<void> {
    await this.#book
      .insertInto("cluster")
      .values({ profile, ...cluster })
      .onConflict((c) => c.column("profile").doUpdateSet(cluster))
      .execute();
    this.#clusters.set(profile, cluster);
    this.#revision += 1;
  }

  async forgetCluster(profile: string): Promise<void> {
    await this.#book.deleteFrom("cluster").where("profile", "=", profile).execute();
    this.#clusters.delete(profile);
    this.#revision += 1;
  }

  /** Ends when all is written; throws what went wrong on the way. */
  async settled(): Promise<void> {
    await this.#saving;
    if (this.#saveFailed) throw this.#saveFailed;
  }

  #of(profile: string): Map<string, Secret> {
    const found = this.#secrets.get(profile) ?? new Map<string, Secret>();
    this.#secrets.set(profile, found);
    return found;
  }

  #drop(nodeId: string): void {
    this.#members.delete(nodeId);
    this.#save(() => this.#book.deleteFrom("member").where("nodeId", "=", nodeId).execute());
  }

  /** One behind the other, for numbers must be free before they are given again. */
  #save(work: () => Promise<unknown>): void {
    this.#saving = this.#saving.then(work).catch((error) => {
      this.#saveFailed = error;
    });
  }
}
