import type { Selectable } from "kysely";
import type { UserView } from "../../api/access-contract.ts";
import type { Role } from "../../api/route.ts";
import { BrambleError } from "../../base/errors.ts";
import type { Book, Tables } from "../../storage/book.ts";
import { digest, hashPassword, passwordFits } from "./secrets.ts";

export const ROLES: readonly Role[] = ["viewer", "tenant", "operator", "admin"];
/** The one of them that may do less. */
export const lesser = (a: Role, b: Role): Role => (ROLES.indexOf(a) < ROLES.indexOf(b) ? a : b);

const view = (row: Selectable<Tables["user"]>): UserView => ({
  name: row.name,
  role: row.role as Role,
  hasPassword: row.password !== null,
  createdMs: row.createdMs,
  ...(row.lastLoginMs !== null && { lastLoginMs: row.lastLoginMs }),
});

export type Users = ReturnType<typeof usersOf>;

/** People who may log in here. */
export function usersOf(book: Book, now: () => number) {
  const row = (name: string) =>
    book.selectFrom("user").selectAll().where("name", "=", name).executeTakeFirst();
  async function need(name: string) {
    const found = await row(name);
    if (found) return found;
    throw new BrambleError("USER_UNKNOWN", `there is no user ${name}`, { hint: "`bramble user list`" });
  }
  const all = () => book.selectFrom("user").selectAll().orderBy("name").execute();

  /** Somebody must be able to let others in. */
  async function notTheLast(name: string): Promise<void> {
    const admins = (await all()).filter(({ role }) => role === "admin");
    if (admins.length === 1 && admins[0]?.name === name) {
      throw new BrambleError("USER_IN_USE", `${name} is the only admin`, { hint: "make another one first" });
    }
  }

  const listeners = new Set<() => void>();
  const changed = () => {
    for (const listener of listeners) listener();
  };

  return {
    /** Told when anybody's rights may be others than before. */
    onChange: (listener: () => void) => void listeners.add(listener),
    list: async () => (await all()).map(view),
    none: async () => (await all()).length === 0,
    need: async (name: string) => view(await need(name)),
    find: async (name: string) => {
      const found = await row(name);
      return found && view(found);
    },
    async add(name: string, role: Role, password?: string): Promise<UserView> {
      if (await row(name)) throw new BrambleError("USER_TAKEN", `there is a user ${name} already`);
      const made = {
        name,
        role,
        password: password === undefined ? null : await hashPassword(password),
        createdMs: now(),
        lastLoginMs: null,
      };
      await book.insertInto("user").values(made).execute();
      changed();
      return view(made);
    },
    /** A new password ends its sessions, but for the one with the cookie `but`. */
    async set(
      name: string,
      { role, password }: { role?: Role; password?: string },
      but = "",
    ): Promise<UserView> {
      const found = await need(name);
      if (role !== undefined && role !== "admin" && found.role === "admin") await notTheLast(name);
      const next = {
        ...found,
        ...(role !== undefined && { role }),
        ...(password !== undefined && { password: await hashPassword(password) }),
      };
      await book.updateTable("user").set(next).where("name", "=", name).execute();
      if (password !== undefined) {
        const others = book.deleteFrom("session").where("user", "=", name);
        await others.where("hash", "!=", digest(but)).execute();
      }
      changed();
      return view(next);
    },
    async remove(name: string): Promise<void> {
      const found = await need(name);
      if (found.role === "admin") await notTheLast(name);
      await book.transaction().execute(async (trx) => {
        await trx.deleteFrom("session").where("user", "=", name).execute();
        await trx.deleteFrom("token").where("user", "=", name).execute();
        await trx.deleteFrom("user").where("name", "=", name).execute();
      });
      changed();
    },
    /** The user whose password this is; throws AUTH_REFUSED, which never says why. */
    async check(name: string, password: string): Promise<UserView> {
      const found = await row(name);
      const fits = await passwordFits(password, found?.password);
      if (found && fits) {
        await book.updateTable("user").set({ lastLoginMs: now() }).where("name", "=", name).execute();
        return view(found);
      }
      throw new BrambleError("AUTH_REFUSED", "that is no user, or not the password", {
        hint: "`bramble user set NAME --password` on the server sets a new one",
      });
    },
  };
}
