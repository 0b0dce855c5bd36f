import type { Book } from "../storage/book.ts";

/** A setting that lasts, by name. */
export async function readSetting(book: Book, name: string): Promise<string | undefined> {
  const row = await book.selectFrom("setting").select("value").where("name", "=", name).executeTakeFirst();
  return row?.value;
}

export async function writeSetting(book: Book, name: string, value: string): Promise<void> {
  await book
    .insertInto("setting")
    .values({ name, value })
    .onConflict((c) => c.column("name").doUpdateSet({ value }))
    .execute();
}
