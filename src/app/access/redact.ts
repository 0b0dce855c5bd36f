import { VOLATILE as OF_A_THING } from "../../api/etag.ts";

/** Arguments whose values nobody is shown again. `value` is a profile's secret. */
const SECRET = /pass|secret|token|communit|credential|privatekey|privkey|authkey|^value$|^key$/i;
const IN_URL = /\/\/[^/@\s]*@/g;

/** A copy without secrets: they, and names and passwords in URLs, become words. */
export function redacted(value: unknown, name = ""): unknown {
  if (value === null || typeof value === "boolean") return value;
  if (SECRET.test(name)) return "(secret)";
  if (typeof value === "string") return value.replace(IN_URL, "//(secret)@");
  if (Array.isArray(value)) return value.map((one) => redacted(one));
  if (typeof value !== "object") return value;
  return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, redacted(one, key)]));
}

/** What differs between two views, as it was and as it is. Times of being seen are no change. */
export function changes(before: unknown, after: unknown): { before?: unknown; after?: unknown } {
  const [old, now] = [fields(before), fields(after)];
  const names = [...new Set([...Object.keys(old), ...Object.keys(now)])].filter(
    (name) => !VOLATILE.has(name) && JSON.stringify(old[name]) !== JSON.stringify(now[name]),
  );
  const only = (all: Record<string, unknown>) =>
    redacted(Object.fromEntries(names.flatMap((name) => (name in all ? [[name, all[name]]] : []))));
  return {
    ...(before !== undefined && { before: only(old) }),
    ...(after !== undefined && { after: only(now) }),
  };
}

/** What changes by itself. */
const VOLATILE: ReadonlySet<string> = new Set([...OF_A_THING, "lastLoginMs", "lastUsedMs"]);

const fields = (value: unknown): Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value) ? { ...value } : {};
