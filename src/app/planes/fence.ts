// Who has which disk open in this thread, and what must end before somebody else may open it.
import { type Holder, mayLogIn, type Party, TOOLS } from "../../fleet/fencing.ts";

/** A session that has disks open. */
export interface OpenSession {
  party: Party;
  paths: readonly string[];
  /** A sign of life within `timeoutMs`. */
  ping(timeoutMs: number): Promise<boolean>;
  /** Ends it; resolves when nothing of it touches a disk any more. */
  drop(why: string): Promise<void>;
}

interface Wish {
  party: Party;
  paths: readonly string[];
}

type Answer = { refused: string } | { tookOver: { from: Party; why: string }[] };

/** A session that gives no sign of life for so long is dead. */
const PING_MS = 5_000;
/** A login that was let in must be through by then; until then nobody else is let in. */
const LOGIN_MS = 15_000;
/** A node that had its disk so lately may be on its way back to it (a cable, a restart of ours): tools wait. */
const AWAY_MS = 30_000;
/** Somebody else may have logged in while we waited for a holder: look again, so many times. */
const ROUNDS = 4;

export class Fence {
  readonly #sessions = new Set<OpenSession>();
  readonly #logins = new Set<Wish & { untilMs: number }>();
  /** By disk: when a node was last seen, or told to come. */
  readonly #seen = new Map<string, number>();
  readonly #now: () => number;

  constructor(now: () => number = Date.now) {
    this.#now = now;
  }

  /** Lets a login in, after those that must give way have gone; or says why not. A login that is let in holds the disks until it is through, or late. */
  async ask(wish: Wish, pingMs = PING_MS): Promise<Answer> {
    const tookOver: { from: Party; why: string }[] = [];
    const alive = new Map<OpenSession, boolean>();
    for (let round = 0; round < ROUNDS; round++) {
      const early = this.#inTheWay(wish);
      if (early !== undefined) return { refused: early };
      const conflicts = this.#conflicts(wish, alive);
      if (conflicts.length === 0) {
        const expected = wish.party.boot === TOOLS ? this.#expected(wish.paths) : undefined;
        if (expected !== undefined) return { refused: expected };
        this.#through(wish.party); // one line for each party, however often it comes
        this.#logins.add({ ...wish, untilMs: this.#now() + LOGIN_MS });
        return { tookOver };
      }
      const refused = conflicts.find(({ verdict }) => verdict.how === "refuse")?.verdict;
      if (refused?.how === "refuse") return { refused: refused.why };
      for (const { session, verdict } of conflicts) {
        if (verdict.how === "ping") alive.set(session, await session.ping(pingMs));
        else if (verdict.how === "takeOver") {
          tookOver.push({ from: session.party, why: verdict.why });
          await session.drop(verdict.why);
          this.#sessions.delete(session);
        }
      }
    }
    return { refused: "others log in to this disk all the time" };
  }

  /** The login is through. Gives back what to call when nothing of the session touches a disk any more. */
  opened(session: OpenSession): () => void {
    this.#through(session.party);
    this.#sessions.add(session);
    return () => {
      this.#sessions.delete(session);
      if (session.party.boot !== TOOLS) this.expect(session.paths);
    };
  }

  #through(party: Party): void {
    for (const login of this.#logins) if (same(login.party, party)) this.#logins.delete(login);
  }

  /** A node may come for these disks at any moment. */
  expect(paths: readonly string[]): void {
    for (const path of paths) this.#seen.set(path, this.#now());
  }
  /** Nobody has a way to these disks any more. */
  forget(paths: readonly string[]): void {
    for (const path of paths) this.#seen.delete(path);
  }

  /** Ends the sessions of these disks whose party `goes`; resolves when nothing of them touches a disk any more. */
  async clear(paths: readonly string[], goes: (party: Party) => boolean, why: string): Promise<Party[]> {
    const meant = (one: Wish) => goes(one.party) && overlap(one.paths, paths);
    for (const login of this.#logins) if (meant(login)) this.#logins.delete(login);
    const ending = [...this.#sessions].filter(meant);
    await Promise.all(ending.map((session) => session.drop(why)));
    for (const session of ending) this.#sessions.delete(session);
    return ending.map(({ party }) => party);
  }

  /** Who of another node has one of these disks open. */
  ofOthers(paths: readonly string[], node: string): Party | undefined {
    return [...this.#sessions].find((s) => s.party.node !== node && overlap(s.paths, paths))?.party;
  }

  /** Why tools may not have this disk now, as far as can be told without asking its holder; undefined: they may. */
  whyNotTools(path: string): string | undefined {
    const node = [...this.#sessions].find(({ party, paths }) => party.boot !== TOOLS && paths.includes(path));
    if (node) return `${node.party.address} is running from this disk`;
    return this.#expected([path]);
  }

  #conflicts(wish: Wish, alive: ReadonlyMap<OpenSession, boolean>) {
    return [...this.#sessions].flatMap((session) => {
      if (!overlap(session.paths, wish.paths)) return [];
      const known = alive.get(session);
      const holder: Holder = { ...session.party, ...(known !== undefined && { alive: known }) };
      const verdict = mayLogIn(holder, wish.party);
      return verdict.how === "take" ? [] : [{ session, verdict }];
    });
  }

  /** Tools: the node was here a moment ago. */
  #expected(paths: readonly string[]): string | undefined {
    const last = Math.max(...paths.map((path) => this.#seen.get(path) ?? Number.NEGATIVE_INFINITY));
    const leftMs = last + AWAY_MS - this.#now();
    if (leftMs <= 0) return undefined;
    return `its node was here a moment ago and may come back: when it is off, try again in ${Math.ceil(leftMs / 1000)} s`;
  }

  /** A login of somebody else that is not through yet, and to whom this one need not be preferred. */
  #inTheWay(wish: Wish): string | undefined {
    const now = this.#now();
    for (const login of this.#logins) {
      if (login.untilMs <= now) this.#logins.delete(login);
      else if (
        overlap(login.paths, wish.paths) &&
        mayLogIn({ ...login.party, alive: true }, wish.party).how === "refuse"
      )
        return `${login.party.address} is just logging in to it`;
    }
    return undefined;
  }
}

const overlap = (some: readonly string[], others: readonly string[]): boolean =>
  some.some((path) => others.includes(path));
const same = (one: Party, other: Party): boolean =>
  one.node === other.node &&
  one.boot === other.boot &&
  one.address === other.address &&
  one.kind === other.kind;
