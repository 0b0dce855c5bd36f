import type { AccessCommands } from "../api/access-contract.ts";
import type { Role } from "../api/route.ts";
import { BrambleError } from "../base/errors.ts";
import type { Actor } from "../fleet/actor.ts";
import type { TokenWish } from "./access/tokens.ts";
import { lesser } from "./access/users.ts";
import type { Core } from "./core.ts";

/** Users, tokens and the audit log. */
export function accessCommands({ access, news }: Pick<Core, "access" | "news">): AccessCommands {
  const { users, tokens, links, audit } = access;
  const isAdmin = (by: Actor) => by.kind === "admin";
  const changed = (id: string) => news.tell({ about: "user", id });

  return {
    users: () => users.list(),
    async addUser({ name, role, password }) {
      const made = await users.add(name, role, password);
      changed(name);
      return made;
    },
    async setUser({ user, role, password }) {
      const set = await users.set(user, {
        ...(role !== undefined && { role }),
        ...(password !== undefined && { password }),
      });
      changed(user);
      return set;
    },
    async removeUser({ user }) {
      await users.remove(user);
      changed(user);
      return { name: user };
    },
    tokens: (_, { by }) => tokens.list(isAdmin(by) ? undefined : by.name),
    async addToken({ name, role, scopes, days, user }, { by }) {
      if (by.scopes) {
        throw new BrambleError("FORBIDDEN", "a token with scopes makes no tokens", {
          hint: "log in as a person",
        });
      }
      if (user !== undefined && user !== by.name && !isAdmin(by)) {
        throw new BrambleError("FORBIDDEN", "only admins make tokens for others");
      }
      const theirs = await users.find(user ?? by.name);
      if (user !== undefined && !theirs) await users.need(user);
      const most = theirs ? lesser(theirs.role, by.kind as Role) : (by.kind as Role);
      const wish: TokenWish = {
        name,
        role: role === undefined ? most : lesser(role, most),
        ...(theirs && { user: theirs.name }),
        ...(scopes && { scopes }),
        ...(days !== undefined && { days }),
      };
      if (role !== undefined && wish.role !== role) {
        throw new BrambleError("FORBIDDEN", `a token of ${theirs?.name ?? by.name} is ${most} at most`);
      }
      const made = await tokens.make(wish);
      changed(theirs?.name ?? name);
      return made;
    },
    async removeToken({ token }, { by }) {
      const { name } = await tokens.remove(token, isAdmin(by) ? undefined : by.name);
      changed(name);
      return { name };
    },
    async makeLoginLink({ user }) {
      return links.login((await users.need(user)).name);
    },
    audit: (query) => audit.query(query),
    checkAudit: () => audit.check(),
  };
}
