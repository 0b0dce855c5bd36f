import { createHash } from "node:crypto";
import { BrambleError } from "../base/errors.ts";

/** What changes by itself is no part of a thing's version. */
export const VOLATILE: ReadonlySet<string> = new Set([
  "boot",
  "lastSeenMs",
  "line",
  "supervision",
  "power",
  "ownBytes",
  "sharedBytes",
  "inUse",
]);

/** RFC 9110 8.8.3: of what people set in a thing, and of its state. */
export function etagOf(view: unknown): string {
  const text = JSON.stringify(view, (key, value: unknown) => (VOLATILE.has(key) ? undefined : value));
  return `"${createHash("sha256").update(text).digest("base64url").slice(0, 22)}"`;
}

/** RFC 9110 13.1.1. Throws STALE. */
export function mustMatch(wanted: string, view: unknown): void {
  const tags = wanted.split(",").map((tag) => tag.trim());
  if (tags.includes("*") || tags.includes(etagOf(view))) return;
  throw new BrambleError("STALE", "it was changed since you read it", {
    hint: "read it again: its ETag is If-Match of the next try",
  });
}

/** One change of a thing at a time: between looking at its version and changing it, nothing comes. */
export function oneAtATime() {
  const last = new Map<string, Promise<unknown>>();
  return async <T>(key: string, work: () => Promise<T>): Promise<T> => {
    const before = last.get(key) ?? Promise.resolve();
    const mine = before.then(work, work);
    last.set(key, mine);
    try {
      return await mine;
    } finally {
      if (last.get(key) === mine) last.delete(key);
    }
  };
}
