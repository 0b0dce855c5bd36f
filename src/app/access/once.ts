import type { Once } from "../../api/handle.ts";
import { BrambleError } from "../../base/errors.ts";
import type { Book } from "../../storage/book.ts";
import { digest } from "./secrets.ts";

const KEEP_MS = 24 * 3_600_000;
const LONGEST_KEY = 128;
/** Longer answers are not kept: whoever asks again is told to look. */
const LONGEST_BODY = 256 * 1024;

/**
 * Requests with an Idempotency-Key are done once: the key stands in the book before the work begins, the answer after it. A key whose
 * work was interrupted stays taken, since nobody knows how far it came. Failures of ours free their key.
 */
export function onceOf(book: Book, now: () => number): Once {
  return async ({ key, who, request }, work) => {
    if (!/^[\x21-\x7e]+$/.test(key) || key.length > LONGEST_KEY) {
      throw new BrambleError("BAD_INPUT", "that is no Idempotency-Key", {
        hint: `up to ${LONGEST_KEY} visible ASCII characters, such as a UUID`,
      });
    }
    const hash = digest(request);
    const mine = await book.transaction().execute(async (trx) => {
      await trx
        .deleteFrom("answer")
        .where("atMs", "<", now() - KEEP_MS)
        .execute();
      const row = await trx
        .selectFrom("answer")
        .selectAll()
        .where("who", "=", who)
        .where("key", "=", key)
        .executeTakeFirst();
      if (row) return row;
      await trx
        .insertInto("answer")
        .values({ key, who, request: hash, status: null, body: null, atMs: now() })
        .execute();
      return undefined;
    });
    if (mine) {
      if (mine.request !== hash)
        throw new BrambleError("KEY_REUSED", "this Idempotency-Key came with another request before");
      if (mine.status !== null && mine.body !== null)
        return { status: mine.status, body: mine.body, again: true };
      throw new BrambleError(
        "KEY_BUSY",
        "the request of this Idempotency-Key is at work, or was interrupted",
        {
          hint: "look what became of it, then use a new key",
        },
      );
    }
    const row = () => book.updateTable("answer").where("who", "=", who).where("key", "=", key);
    try {
      const { status, body } = await work();
      const kept = body.length <= LONGEST_BODY ? body : JSON.stringify({ done: true });
      await row().set({ status, body: kept }).execute();
      return { status, body, again: false };
    } catch (error) {
      await book.deleteFrom("answer").where("who", "=", who).where("key", "=", key).execute();
      throw error;
    }
  };
}
