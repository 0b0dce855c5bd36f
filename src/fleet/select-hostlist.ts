// Hostlists, as Slurm, pdsh and ClusterShell write them: `pi[01-30,40],rack[1-2]-[a-b]` without letters in ranges.
import { BrambleError } from "../base/errors.ts";

/** Names of one hostlist, also before duplicates go. */
const MOST_NAMES = 20_000;
const MOST_CHARACTERS = 64 * 1024;
const DIGITS = /^\d{1,9}$/;

/**
 * The names in their order, each once: commas or blanks between them, `[…]` stands for each of its numbers, `01-30` keeps the width.
 * Several brackets in a name are multiplied. HOSTLIST_BAD with the column.
 */
export function parseHostlist(text: string): string[] {
  if (text.length > MOST_CHARACTERS) throw bad(MOST_CHARACTERS, "it is too long");
  const names = new Set<string>();
  let made = 0;
  for (const { word, at } of words(text)) {
    for (const name of expand(word, at, MOST_NAMES - made)) {
      names.add(name);
      made++;
    }
  }
  return [...names];
}

const bad = (at: number, what: string) =>
  new BrambleError("HOSTLIST_BAD", `hostlist:1:${at + 1}: ${what}`, {
    hint: "such as pi[01-30,40] or pi-1,pi-2",
  });

/** Words between commas and blanks that stand outside of brackets. */
function words(text: string): { word: string; at: number }[] {
  const out: { word: string; at: number }[] = [];
  let from = 0;
  let open = -1;
  for (let i = 0; i <= text.length; i++) {
    const c = text[i];
    if (c === "[") {
      if (open >= 0) throw bad(i, "a bracket in a bracket");
      open = i;
    } else if (c === "]") {
      if (open < 0) throw bad(i, "] without [");
      open = -1;
    } else if (c === undefined || (open < 0 && /[\s,]/.test(c))) {
      if (i > from) out.push({ word: text.slice(from, i), at: from });
      from = i + 1;
    }
  }
  if (open >= 0) throw bad(open, "[ without ]");
  return out;
}

function expand(word: string, at: number, room: number): string[] {
  let names = [""];
  for (const { 0: part, index } of word.matchAll(/\[[^\]]*\]|[^[]+/g)) {
    const choices = part.startsWith("[") ? numbers(part.slice(1, -1), at + index + 1) : [part];
    if (names.length * choices.length > room) throw bad(at, `it means more than ${MOST_NAMES} nodes`);
    names = names.flatMap((name) => choices.map((choice) => name + choice));
  }
  return names;
}

/** "01-30,40" */
function numbers(text: string, at: number): string[] {
  const out: string[] = [];
  let from = at;
  for (const range of text.split(",")) {
    const [first = "", last = first, ...rest] = range.split("-");
    if (!DIGITS.test(first) || !DIGITS.test(last) || rest.length > 0)
      throw bad(from, `${JSON.stringify(range)} is no number and no range`);
    const [low, high] = [Number(first), Number(last)];
    if (high < low) throw bad(from, `${range} runs backwards`);
    if (out.length + high - low >= MOST_NAMES) throw bad(from, `it means more than ${MOST_NAMES} nodes`);
    const width = first.startsWith("0") ? first.length : 0;
    for (let n = low; n <= high; n++) out.push(String(n).padStart(width, "0"));
    from += range.length + 1;
  }
  return out;
}

/** The other way: names as a hostlist, numbers in a row as one range. What it means is the same names in some order. */
export function foldHostlist(names: readonly string[]): string {
  const groups = new Map<string, string[]>();
  const alone: string[] = [];
  for (const name of new Set(names)) {
    const [, stem, digits] = /^([^[\],\s]*?)(\d{1,9})$/.exec(name) ?? [];
    if (stem === undefined || digits === undefined) alone.push(name);
    else groups.set(stem, [...(groups.get(stem) ?? []), digits]);
  }
  const folded = [...groups].map(([stem, digits]) => fold(stem, digits));
  return [...folded, ...alone].join(",");
}

function fold(stem: string, digits: string[]): string {
  if (digits.length === 1) return stem + digits[0];
  const sorted = digits.sort((a, b) => Number(a) - Number(b) || a.length - b.length);
  const runs: [string, string][] = [];
  for (const next of sorted) {
    const run = runs.at(-1);
    const follows = run && written(run[0], Number(run[1]) + 1) === next;
    if (run && follows) run[1] = next;
    else runs.push([next, next]);
  }
  return `${stem}[${runs.map(([from, to]) => (from === to ? from : `${from}-${to}`)).join(",")}]`;
}

/** How a range that begins with `first` writes a number. */
const written = (first: string, n: number): string =>
  String(n).padStart(first.startsWith("0") ? first.length : 0, "0");
