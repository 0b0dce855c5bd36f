// Names that people give to nodes, to tell them apart by: `rack-row=b`, `gpu`, `example.org/customer=acme`.
import { BrambleError } from "../base/errors.ts";
import { SELECT_KEYS } from "./select.ts";

export type Labels = Record<string, string>;
/** Null takes a label away. */
export type LabelsPatch = Record<string, string | null>;

const MOST_LABELS = 64;
const KEY = /^[A-Za-z0-9](?:[A-Za-z0-9._/-]{0,61}[A-Za-z0-9])?$/;
const VALUE = /^(?:[A-Za-z0-9](?:[A-Za-z0-9._:@/+-]{0,61}[A-Za-z0-9+])?)?$/;

/** Throws BAD_INPUT. What begins with a letter or digit is no spreadsheet's formula, and needs no quotes in a selector. */
export function checkLabel(key: string, value: string): void {
  if (!KEY.test(key))
    throw new BrambleError("BAD_INPUT", `${JSON.stringify(key.slice(0, 80))} is no name of a label`, {
      hint: "up to 63 letters, digits and . _ / -, a letter or digit first and last",
    });
  if (SELECT_KEYS.includes(key.toLowerCase()))
    throw new BrambleError("BAD_INPUT", `no label can be called ${key}: that is a fact of the node itself`, {
      hint: "where it stands: bramble place set; its group: bramble group join",
    });
  if (!VALUE.test(value))
    throw new BrambleError(
      "BAD_INPUT",
      `${JSON.stringify(value.slice(0, 80))} cannot be the value of label ${key}`,
      {
        hint: "nothing, or up to 63 letters, digits and . _ : @ / + -, a letter or digit first and last",
      },
    );
}

/** The labels with the patch in them; undefined where none is left. Throws BAD_INPUT. */
export function patchLabels(before: Labels | undefined, patch: LabelsPatch): Labels | undefined {
  const next = new Map(Object.entries(before ?? {}));
  for (const [key, value] of Object.entries(patch)) {
    if (value === null) next.delete(key);
    else if (typeof value !== "string") throw new BrambleError("BAD_INPUT", `label ${key} must be text`);
    else {
      checkLabel(key, value);
      next.set(key, value);
    }
  }
  if (next.size > MOST_LABELS)
    throw new BrambleError("BAD_INPUT", `a node has at most ${MOST_LABELS} labels`);
  return next.size === 0
    ? undefined
    : Object.fromEntries([...next].sort(([one], [other]) => (one < other ? -1 : 1)));
}

/** Words of a command line: `key=value`, `key` alone, and `key-` to take it away. Throws BAD_INPUT. */
export function parseLabels(words: readonly string[]): LabelsPatch {
  const patch = new Map<string, string | null>();
  for (const word of words) {
    const at = word.indexOf("=");
    const [key, value] =
      at >= 0
        ? [word.slice(0, at), word.slice(at + 1)]
        : word.endsWith("-")
          ? [word.slice(0, -1), null]
          : [word, ""];
    if (patch.has(key)) throw new BrambleError("BAD_INPUT", `label ${key} is given twice`);
    if (value !== null) checkLabel(key, value);
    patch.set(key, value);
  }
  return Object.fromEntries(patch);
}

export const labelWords = (labels: Labels | undefined): string =>
  Object.entries(labels ?? {})
    .map(([key, value]) => (value === "" ? key : `${key}=${value}`))
    .join(" ");
