// Is what the virtual Pi asked for what the log says? Logs fold and swap lines; the order of requests must hold all the same.
import type { SimRequest } from "./board.ts";
import { plainPath, type TraceLine } from "./trace.ts";

/** Requests for one file, one right after the other: a log may show them as one line. */
interface Group {
  path: string;
  found: boolean;
  /** How often it was read whole; 0: only probed. */
  reads: number;
  uncertain: boolean;
}

export interface Comparison {
  same: boolean;
  /** In words, where same is false. */
  firstDifference?: string;
}

export function groupsOf(requests: readonly SimRequest[]): Group[] {
  const groups: Group[] = [];
  for (const request of requests) {
    const path = plainPath(request.path);
    const found = request.result === "read" || request.result === "probe" || request.result === "too-large";
    const last = groups.at(-1);
    if (last && last.path === path && last.found === found) {
      last.reads += request.result === "read" ? 1 : 0;
      last.uncertain &&= request.uncertain ?? false;
    } else {
      groups.push({
        path,
        found,
        reads: request.result === "read" ? 1 : 0,
        uncertain: request.uncertain ?? false,
      });
    }
  }
  return groups;
}

const describe = (line: TraceLine): string =>
  `${line.path} (${line.outcome === "found" ? (line.whole === false ? "probed" : "found") : line.outcome})`;
const describeGroup = (group: Group | undefined): string =>
  group
    ? `${group.path} (${group.found ? (group.reads > 0 ? "found" : "probed") : "missing"})`
    : "nothing more";

/** "set": the same found names. */
export function compareSets(
  lines: readonly TraceLine[],
  requests: readonly SimRequest[],
  added: ReadonlySet<string>,
): Comparison {
  const logged = new Set(lines.filter(({ outcome }) => outcome === "found").map(({ path }) => path));
  const got = new Set(groupsOf(requests).flatMap(({ path, found }) => (found ? [path] : [])));
  for (const path of logged)
    if (!got.has(path))
      return { same: false, firstDifference: `the log found ${path}, the virtual Pi did not ask for it` };
  for (const path of got)
    if (!logged.has(path) && !added.has(path))
      return { same: false, firstDifference: `the virtual Pi found ${path}, the log did not` };
  return { same: true };
}

/** What the lines said about the group that they were matched with; from SENT on, how many of them may be readings. */
const READ = 1;
const PROBED = 2;
const UNCLEAR = 4;
const SENT = 8;

/**
 * "order": every line in the order of requests. Allowed: requests for one file in a row as one line; a missing and a found
 * neighbour swapped (dnsmasq logs "not found" at the request, "sent" after the last block); a probe right before its
 * reading left out; uncertain requests left out. A partial log (`whole` false) may begin and end anywhere. In a whole and
 * `exact` log no reading may be missing.
 */
export function compareOrder(
  lines: readonly TraceLine[],
  requests: readonly SimRequest[],
  { whole, exact }: { whole: boolean; exact: boolean },
): Comparison {
  const search = new Search(lines, groupsOf(requests), whole, exact);
  return search.run() ? { same: true } : { same: false, firstDifference: search.difference() };
}

class Search {
  readonly #lines: readonly TraceLine[];
  readonly #groups: readonly Group[];
  readonly #whole: boolean;
  readonly #strict: boolean;
  readonly #dead = new Set<string>();
  #furthest = -1;
  #expected: Group | undefined;
  /** The log's line there: it may be the second of two swapped ones. */
  #line: TraceLine | undefined;

  constructor(lines: readonly TraceLine[], groups: readonly Group[], whole: boolean, exact: boolean) {
    this.#lines = lines;
    this.#groups = groups;
    this.#whole = whole;
    this.#strict = whole && exact;
  }

  run(): boolean {
    if (this.#whole) return this.#from(0, -1, 0);
    return this.#groups.some((_, start) => this.#from(0, start - 1, 0));
  }

  difference(): string {
    const number = this.#furthest + 1;
    const pi = describeGroup(this.#expected);
    if (this.#line === undefined)
      return `the log ends after ${number} lines; the virtual Pi goes on with ${pi}`;
    return `request ${this.#lines.indexOf(this.#line) + 1} of the log is ${describe(this.#line)}; the virtual Pi's is ${pi}`;
  }

  /** `group` is the one that the last line belonged to, `said` what its lines said. */
  #from(at: number, group: number, said: number): boolean {
    const key = `${at} ${group} ${said}`;
    if (this.#dead.has(key)) return false;
    const good = this.#step(at, group, said);
    if (!good) this.#dead.add(key);
    return good;
  }

  #step(at: number, group: number, said: number): boolean {
    const line = this.#lines[at];
    if (!line) return this.#end(at, group, said);
    const direct = this.#places(line, group, said, at).some(([g, s]) => this.#from(at + 1, g, s));
    if (direct) return true;
    const next = this.#lines[at + 1];
    if (!next || !mayBeSwapped(line, next)) return false;
    return this.#places(next, group, said, at).some(([g, s]) =>
      this.#places(line, g, s, at + 1).some(([h, u]) => this.#from(at + 2, h, u)),
    );
  }

  /** Groups that this line can belong to: the same as before, or the next one, past what may be left out. */
  #places(line: TraceLine, group: number, said: number, at: number): [group: number, said: number][] {
    const places: [number, number][] = [];
    const here = this.#groups[group];
    const word = wordOf(line);
    if (here && fits(line, here) && said !== 0) places.push([group, (said | (word & 7)) + (word & SENT)]);
    if (group >= 0 && said !== 0 && !this.#settled(here, said)) {
      if (places.length === 0) this.#failed(at, line, here);
      return places;
    }
    for (let next = group + 1; next < this.#groups.length; next++) {
      const candidate = this.#groups[next];
      if (!candidate) break;
      if (fits(line, candidate)) places.push([next, word]);
      if (!this.#mayBeLeftOut(next)) break;
    }
    if (places.length === 0) this.#failed(at, line, this.#groups[group + 1]);
    return places;
  }

  #end(at: number, group: number, said: number): boolean {
    const here = this.#groups[group];
    if (!this.#whole) return said === 0 || !here || here.reads > 0 || (said & READ) === 0;
    if (!this.#settled(here, said)) {
      this.#failed(at, undefined, here);
      return false;
    }
    for (let next = group + 1; next < this.#groups.length; next++)
      if (!this.#mayBeLeftOut(next)) {
        this.#failed(at, undefined, this.#groups[next]);
        return false;
      }
    return true;
  }

  #mayBeLeftOut(index: number): boolean {
    const group = this.#groups[index];
    if (!group) return false;
    if (group.uncertain && !group.found) return true;
    const reading = this.#groups[index + 2];
    const between = this.#groups[index + 1];
    if (!group.found || group.reads > 0 || between?.found) return false;
    return reading?.path === group.path && reading.reads > 0;
  }

  /** Read whole where the log says so, as often as it says, only probed where the log says that. */
  #settled(group: Group | undefined, said: number): boolean {
    if (!group?.found || said === 0) return true;
    if (group.reads === 0) return (said & READ) === 0;
    if (this.#strict && Math.floor(said / SENT) < group.reads) return false;
    return (said & (READ | UNCLEAR)) !== 0;
  }

  #failed(at: number, line: TraceLine | undefined, group: Group | undefined): void {
    if (at - 1 < this.#furthest) return;
    this.#furthest = at - 1;
    this.#line = line;
    this.#expected = group;
  }
}

const fits = (line: TraceLine, group: Group): boolean =>
  line.path === group.path && (line.outcome === "asked" || (line.outcome === "found") === group.found);

const wordOf = (line: TraceLine): number => {
  if (line.outcome !== "found") return UNCLEAR;
  if (line.whole === false) return PROBED;
  return SENT + (line.whole ? READ : UNCLEAR);
};

const mayBeSwapped = (a: TraceLine, b: TraceLine): boolean =>
  a.path !== b.path &&
  !a.concluded &&
  !b.concluded &&
  (a.outcome === "missing" || b.outcome === "missing") &&
  (a.outcome === "found" || b.outcome === "found");
