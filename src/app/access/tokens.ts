import { randomBytes } from "node:crypto";
import type { Selectable } from "kysely";
import type { TokenView } from "../../api/access-contract.ts";
import type { Role } from "../../api/route.ts";
import { BrambleError } from "../../base/errors.ts";
import type { Actor } from "../../fleet/actor.ts";
import type { Book, Tables } from "../../storage/book.ts";
import { recentOf } from "./recent.ts";
import { digest, newSecret } from "./secrets.ts";
import { lesser, type Users } from "./users.ts";

const PREFIX = "bramble_";
const DAY_MS = 86_400_000;
/** When it was used last is written so often at most. */
const USED_MS = 60_000;
const MOST = 1_000;

const view = (row: Selectable<Tables["token"]>): TokenView => ({
  id: row.id,
  name: row.name,
  role: row.role as Role,
  scopes: JSON.parse(row.scopes) as string[],
  createdMs: row.createdMs,
  ...(row.user !== null && { user: row.user }),
  ...(row.expiresMs !== null && { expiresMs: row.expiresMs }),
  ...(row.lastUsedMs !== null && { lastUsedMs: row.lastUsedMs }),
});

export interface TokenWish {
  name: string;
  /** Whose rights it has at most; absent: it stands for itself. */
  user?: string;
  role: Role;
  scopes?: string[];
  days?: number;
}

interface Known {
  by: Actor;
  id: string;
  expiresMs: number | null;
  usedMs: number;
}

/** Tokens for programs: 256 random bits, of which the book has the hash. */
export function tokensOf(book: Book, users: Users, now: () => number) {
  const rows = () => book.selectFrom("token").selectAll().orderBy("createdMs", "desc").execute();
  const recent = recentOf<Known>();
  users.onChange(recent.forget);

  async function look(hash: string): Promise<Known | undefined> {
    const row = await book.selectFrom("token").selectAll().where("hash", "=", hash).executeTakeFirst();
    const user = row?.user ? await users.find(row.user) : undefined;
    if (!row || (row.user !== null && !user)) return undefined;
    const role = row.role as Role;
    const scopes = JSON.parse(row.scopes) as string[];
    const by: Actor = {
      kind: user ? lesser(role, user.role) : role,
      name: row.user ?? row.name,
      ...(scopes.length > 0 && { scopes }),
    };
    return { by, id: row.id, expiresMs: row.expiresMs, usedMs: row.lastUsedMs ?? 0 };
  }

  return {
    list: async (user?: string) =>
      (await rows()).filter((row) => user === undefined || row.user === user).map(view),
    async make(wish: TokenWish): Promise<TokenView & { token: string }> {
      if ((await rows()).length >= MOST)
        throw new BrambleError("TOO_MANY", `there are ${MOST} tokens already`, {
          hint: "`bramble token rm` those that nobody uses",
        });
      const token = `${PREFIX}${newSecret()}`;
      const row = {
        id: randomBytes(6).toString("hex"),
        hash: digest(token),
        name: wish.name,
        user: wish.user ?? null,
        role: wish.role,
        scopes: JSON.stringify(wish.scopes ?? []),
        createdMs: now(),
        expiresMs: now() + Math.round((wish.days ?? 30) * DAY_MS),
        lastUsedMs: null,
      };
      await book.insertInto("token").values(row).execute();
      return { ...view(row), token };
    },
    /** By its id or name; `user`: only one of that user's. */
    async remove(reference: string, user?: string): Promise<TokenView> {
      const found = (await rows()).find(
        (row) =>
          (row.id === reference || row.name === reference) && (user === undefined || row.user === user),
      );
      if (!found) throw new BrambleError("CREDENTIAL_UNKNOWN", `there is no token ${reference}`);
      await book.deleteFrom("token").where("id", "=", found.id).execute();
      recent.forget();
      return view(found);
    },
    /** Who a token stands for; throws AUTH_REFUSED. Its role is never more than its user's is now. */
    async who(token: string): Promise<Actor> {
      const hash = digest(token);
      const known = await recent.find(hash, () => look(hash));
      if (!known || (known.expiresMs !== null && known.expiresMs <= now())) {
        throw new BrambleError("AUTH_REFUSED", "the token is unknown, revoked or expired", {
          hint: "`bramble token add` makes one",
        });
      }
      if (now() - known.usedMs > USED_MS) {
        known.usedMs = now();
        await book
          .updateTable("token")
          .set({ lastUsedMs: known.usedMs })
          .where("id", "=", known.id)
          .execute();
      }
      return known.by;
    },
  };
}
