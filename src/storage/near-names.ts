const MOST_NAMES = 12;

/** "did you mean …?" where a name is close, else the names that there are. */
export function near(wrong: string, names: readonly string[]): string {
  const close = names
    .map((name) => ({ name, far: distance(wrong, name) }))
    .filter(
      ({ name, far }) =>
        far <= Math.max(wrong.length > 2 ? 2 : 1, Math.floor(wrong.length / 3)) || name.startsWith(wrong),
    )
    .sort((one, other) => one.far - other.far)
    .map(({ name }) => name);
  if (close.length > 0) return `did you mean ${close.slice(0, 3).join(", ")}?`;
  const some = [...names].sort().slice(0, MOST_NAMES);
  return names.length === 0
    ? "there are no names here"
    : `there are: ${some.join(", ")}${names.length > some.length ? ", …" : ""}`;
}

/** Levenshtein's: insertions, deletions and replacements. */
function distance(one: string, other: string): number {
  let row = Array.from({ length: other.length + 1 }, (_, i) => i);
  for (let i = 1; i <= one.length; i++) {
    const next = [i];
    for (let j = 1; j <= other.length; j++) {
      const swap = (row[j - 1] ?? 0) + (one[i - 1] === other[j - 1] ? 0 : 1);
      next.push(Math.min(swap, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1));
    }
    row = next;
  }
  return row[other.length] ?? 0;
}
