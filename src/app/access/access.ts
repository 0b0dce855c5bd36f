import type { Book } from "../../storage/book.ts";
import { auditOf } from "./audit.ts";
import { linksOf } from "./links.ts";
import { sessionsOf } from "./sessions.ts";
import { tokensOf } from "./tokens.ts";
import { usersOf } from "./users.ts";

export type Access = ReturnType<typeof accessOf>;

/** Who may, by what they show, and who did: over the book. */
export function accessOf(book: Book, warn: (words: string) => void, now: () => number = Date.now) {
  const users = usersOf(book, now);
  return {
    users,
    tokens: tokensOf(book, users, now),
    sessions: sessionsOf(book, users, now),
    links: linksOf(book, users, now),
    audit: auditOf(book, now, warn),
  };
}
