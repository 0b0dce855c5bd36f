/** Deaths of a plane older than this are forgotten. */
const WITHIN_MS = 60_000;
/** One more death than this within that time, and starting anew does not help. */
const MOST_DEATHS = 5;
const FIRST_MS = 100;
const LONGEST_MS = 5_000;

/**
 * How long to wait before a plane is started anew, in ms; undefined: no more. At once after the first death, since nodes
 * wait for their disks; then twice as long each time. `deaths` are times in ms, the last one is now.
 */
export function restartAfter(deaths: readonly number[]): number | undefined {
  const now = deaths.at(-1) ?? 0;
  const recent = deaths.filter((at) => now - at < WITHIN_MS).length;
  if (recent > MOST_DEATHS) return undefined;
  return recent <= 1 ? 0 : Math.min(LONGEST_MS, FIRST_MS * 2 ** (recent - 2));
}
