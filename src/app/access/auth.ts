import type { Auth } from "../../api/callers.ts";
import type { Actor } from "../../fleet/actor.ts";
import type { Core } from "../core.ts";
import type { Session } from "./sessions.ts";

/** What a listener asks about callers; every login and every refused one stands in the audit log. */
export function authOf({ access, news }: Pick<Core, "access" | "news">): Auth {
  const { users, tokens, sessions, links, audit } = access;

  async function logged(
    action: string,
    name: string,
    from: string,
    open: () => Promise<Session & { cookie: string }>,
  ): Promise<Session & { cookie: string }> {
    try {
      const session = await open();
      await audit.record({ by: { ...session.by, from }, action, target: session.by.name, result: "ok" });
      return session;
    } catch (error) {
      const by: Actor = { kind: "system", name: "nobody", from };
      const result = (error as { code?: string }).code ?? "INTERNAL";
      await audit.record({ by, action, target: name.slice(0, 64), result });
      throw error;
    }
  }

  return {
    token: tokens.who,
    session: sessions.who,
    login: (user, password, from) =>
      logged("login", user, from, async () => sessions.open(await users.check(user, password), from)),
    loginByLink: (secret, from) =>
      logged("loginByLink", "", from, async () => sessions.open(await links.open(secret), from)),
    setup: (secret, user, password, from) =>
      logged("setup", user, from, async () => {
        const made = await links.setup(secret, user, password);
        news.tell({ about: "user", id: made.name });
        return sessions.open(made, from);
      }),
    waitsForSetup: links.waitsForSetup,
    async logout(cookie, by) {
      await sessions.end(cookie);
      await audit.record({ by, action: "logout", target: by.name, result: "ok" });
    },
    async setPassword(by, old, password, cookie) {
      await users.check(by.name, old);
      await users.set(by.name, { password }, cookie);
      await audit.record({ by, action: "setPassword", target: by.name, result: "ok" });
    },
  };
}
