import type { Role } from "../../api/route.ts";
import { BrambleError } from "../../base/errors.ts";
import type { Actor } from "../../fleet/actor.ts";
import type { Book } from "../../storage/book.ts";
import { recentOf } from "./recent.ts";
import { digest, newSecret } from "./secrets.ts";
import type { Users } from "./users.ts";

const LASTS_MS = 12 * 3_600_000;
const MOST_OF_ONE = 20;

export interface Session {
  by: Actor;
  csrf: string;
  expiresMs: number;
}

/** Sessions of browsers: a cookie of 256 random bits, of which the book has the hash; 12 hours. */
export function sessionsOf(book: Book, users: Users, now: () => number) {
  const recent = recentOf<Session>();
  users.onChange(recent.forget);

  async function look(hash: string): Promise<Session | undefined> {
    const row = await book.selectFrom("session").selectAll().where("hash", "=", hash).executeTakeFirst();
    const user = row && (await users.find(row.user));
    return row && user
      ? { csrf: row.csrf, expiresMs: row.expiresMs, by: { kind: user.role, name: user.name } }
      : undefined;
  }

  return {
    async open(user: { name: string; role: Role }, from: string): Promise<Session & { cookie: string }> {
      const cookie = newSecret();
      const [createdMs, expiresMs, csrf] = [now(), now() + LASTS_MS, newSecret()];
      recent.forget(); // old ones may go
      await book.transaction().execute(async (trx) => {
        await trx.deleteFrom("session").where("expiresMs", "<=", createdMs).execute();
        const old = await trx
          .selectFrom("session")
          .select("hash")
          .where("user", "=", user.name)
          .orderBy("createdMs", "desc")
          .offset(MOST_OF_ONE - 1)
          .limit(1_000)
          .execute();
        for (const { hash } of old) await trx.deleteFrom("session").where("hash", "=", hash).execute();
        await trx
          .insertInto("session")
          .values({ hash: digest(cookie), user: user.name, csrf, createdMs, expiresMs, from })
          .execute();
      });
      return { cookie, csrf, expiresMs, by: { kind: user.role, name: user.name } };
    },
    /** Throws AUTH_REFUSED where it is unknown or over. The role is what the user has now. */
    async who(cookie: string): Promise<Session> {
      const hash = digest(cookie);
      const known = await recent.find(hash, () => look(hash));
      if (!known || known.expiresMs <= now())
        throw new BrambleError("AUTH_REFUSED", "this session is over", { hint: "log in again" });
      return known;
    },
    async end(cookie: string): Promise<void> {
      await book.deleteFrom("session").where("hash", "=", digest(cookie)).execute();
      recent.forget();
    },
  };
}
