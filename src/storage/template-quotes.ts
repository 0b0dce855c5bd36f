/** A value in quotes that fit one place. */
export class Quoted {
  readonly by: "json" | "shell";
  readonly text: string;
  constructor(by: "json" | "shell", text: string) {
    this.by = by;
    this.text = text;
  }
}

/** Characters that JSON lets through and YAML 1.2 does not (5.1), or takes for an end of line (5.4). */
const UNPRINTABLE = /[\u007f-\u009f\u2028\u2029\ufeff\ufffe\uffff]/g;

/** JSON, which is YAML too (YAML 1.2, 1.3): the whole value stands between its quotes, whatever is in it. */
export const quoteJson = (value: unknown): string =>
  JSON.stringify(value).replace(UNPRINTABLE, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, "0")}`);

/** One word for a POSIX shell (2.2.2 Single-Quotes). NUL cannot be in a word. */
export function quoteShell(value: unknown): string {
  const text = Array.isArray(value) ? value.map(String) : [String(value)];
  if (typeof value === "object" && !Array.isArray(value))
    throw new Error("that is a group of values, not one");
  if (text.some((word) => word.includes("\0"))) throw new Error("a shell's word cannot hold a NUL");
  return text.map((word) => `'${word.replaceAll("'", "'\\''")}'`).join(" ");
}
