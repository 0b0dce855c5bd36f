import { BrambleError } from "../../base/errors.ts";
import type { Book } from "../../storage/book.ts";
import { readSetting, writeSetting } from "../settings.ts";
import { digest, newSecret } from "./secrets.ts";
import type { Users } from "./users.ts";

const SETUP = "setup-link";
const SETUP_MS = 24 * 3_600_000;
const LOGIN_MS = 5 * 60_000;
const MOST = 100;

/** Secrets that open something once. Links to log in live in memory only: they are over in minutes. */
export function linksOf(book: Book, users: Users, now: () => number) {
  const logins = new Map<string, { user: string; expiresMs: number }>();
  const refused = (words: string, hint: string) => new BrambleError("AUTH_REFUSED", words, { hint });
  const setupRow = async () => {
    const text = await readSetting(book, SETUP);
    return text ? (JSON.parse(text) as { hash: string; expiresMs: number }) : undefined;
  };
  return {
    /** The first start's secret: undefined where somebody may log in, or where it was told before and is still good. */
    async firstStart(): Promise<string | undefined> {
      if (!(await users.none())) return undefined;
      if (((await setupRow())?.expiresMs ?? 0) > now()) return undefined;
      const secret = newSecret();
      await writeSetting(book, SETUP, JSON.stringify({ hash: digest(secret), expiresMs: now() + SETUP_MS }));
      return secret;
    },
    waitsForSetup: () => users.none(),
    /** Makes the first admin; throws AUTH_REFUSED where the secret is not that of the link, or somebody was faster. */
    async setup(secret: string, user: string, password: string) {
      const row = await setupRow();
      if (!(await users.none()) || !row || row.hash !== digest(secret) || row.expiresMs <= now()) {
        throw refused(
          "this link was used, or is over",
          "on the server: `bramble user add NAME --role admin --password`",
        );
      }
      const made = await users.add(user, "admin", password);
      await book.deleteFrom("setting").where("name", "=", SETUP).execute();
      return made;
    },
    login(user: string, lastsMs = LOGIN_MS): { secret: string; expiresMs: number } {
      for (const [hash, { expiresMs }] of logins) if (expiresMs <= now()) logins.delete(hash);
      if (logins.size >= MOST) throw new BrambleError("TOO_MANY", `${MOST} links wait to be opened`);
      const [secret, expiresMs] = [newSecret(), now() + lastsMs];
      logins.set(digest(secret), { user, expiresMs });
      return { secret, expiresMs };
    },
    /** The user of a link, once. */
    async open(secret: string) {
      const hash = digest(secret);
      const link = logins.get(hash);
      logins.delete(hash);
      const user = link && link.expiresMs > now() ? await users.find(link.user) : undefined;
      if (user) return user;
      throw refused("this link was used, or is over", "`bramble user link NAME` on the server makes another");
    },
  };
}
