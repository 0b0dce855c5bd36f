// Everything that must never leave: taken out of any text by what it is, and where that is not known, by how it looks.
import type { Book } from "../../storage/book.ts";
import { blanked } from "./looks-secret.ts";

/** Shorter ones would take words out that are none of theirs; users are told to choose longer ones. */
const SHORTEST = 6;

/** The columns of the book that hold secrets or what is as good as one. */
const COLUMNS: readonly { table: string; columns: readonly string[] }[] = [
  { table: "secret", columns: ["value"] },
  { table: "profileSecret", columns: ["value"] },
  { table: "cluster", columns: ["token"] },
  { table: "webhook", columns: ["secret"] },
  { table: "boot", columns: ["tokenHash"] },
  { table: "openDisk", columns: ["secretHash"] },
  { table: "agentSession", columns: ["secretHash"] },
];
/** A column of any table that is called so, in tables of other areas, too. */
const TELLING = /(secret|password|passwd|token|hash|salt|community|privKey|authKey|credential)/i;

export interface Scrubber {
  clean(text: string): string;
  /** How often something was taken out so far. */
  removed(): number;
}

/** A scrubber that knows every secret in the book as it is now. */
export async function scrubber(book: Book): Promise<Scrubber> {
  const values = await knownSecrets(book);
  // The longest first: one secret may begin with another.
  const sorted = [...values].sort((a, b) => b.length - a.length);
  const known = sorted.length > 0 ? new RegExp(sorted.map(escaped).join("|"), "g") : undefined;
  let removed = 0;
  const gone = () => {
    removed += 1;
    return "[secret]";
  };
  return {
    clean: (text) => blanked(known ? text.replace(known, gone) : text, gone),
    removed: () => removed,
  };
}

const escaped = (text: string): string => text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");

async function knownSecrets(book: Book): Promise<Set<string>> {
  const found = new Set<string>();
  const tables = await book.introspection.getTables();
  for (const { name, columns } of tables) {
    const named = COLUMNS.find(({ table }) => table === name)?.columns ?? [];
    const telling = columns
      .map((column) => column.name)
      .filter((column) => TELLING.test(column) || named.includes(column));
    const mixed = columns.map((column) => column.name).filter((column) => MIXED.test(column));
    const wanted = [...new Set([...telling, ...mixed])];
    if (wanted.length === 0) continue;
    const rows = (await book
      .selectFrom(name as "setting")
      .select(wanted as never)
      .execute()) as Record<string, unknown>[];
    for (const row of rows) {
      for (const column of telling) add(found, row[column]);
      for (const column of mixed) addInside(found, row[column]);
    }
  }
  return found;
}

/** Columns with JSON, in which some values are secret: settings of drivers, a node's seed. */
const MIXED = /^(seed|settings|config|driver|options|credentials|auth|args|value)$/;

function add(found: Set<string>, value: unknown): void {
  if (typeof value !== "string") return;
  // JSON of a secret, and lists of hashes: each of their words.
  for (const word of [value, ...(value.match(/[^\s"',:{}[\]]+/g) ?? [])])
    if (word.length >= SHORTEST && !/^(true|false|null|scrypt|sha256|hex|base64)$/.test(word)) {
      found.add(word);
      found.add(JSON.stringify(word).slice(1, -1));
    }
}

function addInside(found: Set<string>, value: unknown): void {
  if (typeof value !== "string" || !/^[[{]/.test(value)) return;
  let data: unknown;
  try {
    data = JSON.parse(value);
  } catch {
    return; // no JSON after all
  }
  const walk = (one: unknown, telling: boolean): void => {
    if (typeof one === "string") {
      if (telling) add(found, one);
    } else if (Array.isArray(one)) for (const item of one) walk(item, telling);
    else if (one !== null && typeof one === "object")
      for (const [key, item] of Object.entries(one)) walk(item, telling || TELLING.test(key));
  };
  walk(data, false);
}
