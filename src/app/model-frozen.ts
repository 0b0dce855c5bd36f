// What a boot's templates were rendered from, kept for as long as it may ask: a change while it boots reaches the node at its next boot.
import type { TemplateFacts } from "../fleet/profile-values.ts";
import { NO_TEMPLATES, type ProfileTemplates } from "../fleet/profiles.ts";
import type { Book } from "../storage/book.ts";

/** Everything but secrets, which are never written beside a boot. */
export interface Frozen {
  /** Of the profile's templates. */
  version: number;
  templates: ProfileTemplates;
  facts: Omit<TemplateFacts, "serverUrl" | "secrets" | "cluster">;
}

/** What stands in the book; the templates stand there already, as a version. */
export type FrozenRow = Omit<Frozen, "templates">;

const MOST_BOOTS = 10_000;

export class FrozenBoots {
  readonly #book: Book;
  readonly #boots = new Map<string, Frozen>();

  constructor(book: Book) {
    this.#book = book;
  }

  /** What is to be written beside the boot. */
  keep(bootId: string, frozen: Frozen): string {
    this.#boots.set(bootId, frozen);
    for (const old of this.#boots.keys()) if (this.#boots.size > MOST_BOOTS) this.#boots.delete(old);
    const { templates: _, ...row } = frozen;
    return JSON.stringify(row satisfies FrozenRow);
  }

  /** Also of a boot that was under way before a restart of ours; undefined where it is not known, or too old to be kept. */
  async of(bootId: string): Promise<Frozen | undefined> {
    const known = this.#boots.get(bootId);
    if (known) return known;
    const boot = await this.#book
      .selectFrom("boot")
      .select("templates")
      .where("id", "=", bootId)
      .executeTakeFirst();
    if (!boot?.templates) return undefined;
    const row = JSON.parse(boot.templates) as FrozenRow;
    const kept = await this.#book
      .selectFrom("templateVersion")
      .select("text")
      .where("profile", "=", row.facts.profile)
      .where("version", "=", row.version)
      .executeTakeFirst();
    if (!kept && row.version > 0) return undefined;
    const frozen: Frozen = {
      ...row,
      templates: kept ? { ...NO_TEMPLATES, ...(JSON.parse(kept.text) as ProfileTemplates) } : NO_TEMPLATES,
    };
    this.#boots.set(bootId, frozen);
    return frozen;
  }
}
