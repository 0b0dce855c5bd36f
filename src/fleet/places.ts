// Where nodes stand: site, rack, unit, slot, and the switch port that they hang on. One board to a slot, one to a port.
import { BrambleError } from "../base/errors.ts";

export const PLACE_KEYS = ["site", "rack", "unit", "slot", "switch", "port"] as const;
type PlaceKey = (typeof PLACE_KEYS)[number];
/** Words as people call them; a unit of a rack often holds twelve boards, told apart by `slot`. */
export type Place = { [K in PlaceKey]?: string };
/** Null takes a part away. */
export type PlacePatch = { [K in PlaceKey]?: string | null };

/** A letter or digit first: no spreadsheet takes it for a formula. */
const WORD = /^[A-Za-z0-9](?:[A-Za-z0-9 ._:/#()-]{0,61}[A-Za-z0-9)])?$/;

/** The place with the patch in it; undefined where nothing is left. Throws BAD_INPUT. */
export function patchPlace(before: Place | undefined, patch: PlacePatch): Place | undefined {
  const next: Place = {};
  for (const key of Object.keys(patch))
    if (!PLACE_KEYS.some((known) => known === key))
      throw new BrambleError("BAD_INPUT", `a place has no ${key}`, {
        hint: `it has ${PLACE_KEYS.join(", ")}`,
      });
  for (const key of PLACE_KEYS) {
    const value = patch[key] === undefined ? before?.[key] : patch[key];
    if (value === undefined || value === null || value === "") continue;
    const why = whyNoWord(value);
    if (why) throw new BrambleError("BAD_INPUT", `${key} ${JSON.stringify(value).slice(0, 80)}: ${why}`);
    next[key] = value;
  }
  return Object.keys(next).length === 0 ? undefined : next;
}

export const whyNoWord = (value: unknown): string | undefined =>
  typeof value === "string" && WORD.test(value)
    ? undefined
    : "up to 63 letters, digits, blanks and . _ : / # ( ) -, a letter or digit first";

/** What no two nodes may share: their slot, and their switch port, in words. */
export function seatsOf(place: Place | undefined): string[] {
  const { site, rack, unit, slot, switch: by, port } = place ?? {};
  const where = [site && `site ${site}`, rack && `rack ${rack}`, unit && `unit ${unit}`].filter(Boolean);
  return [
    ...(slot === undefined ? [] : [[...where, `slot ${slot}`].join(", ")]),
    ...(by === undefined || port === undefined ? [] : [`switch ${by}, port ${port}`]),
  ];
}

export interface Placed {
  id: string;
  name: string;
  place?: Place;
}

/** The node that has a seat of this place already, and which. */
export function seatTaken(
  nodes: readonly Placed[],
  id: string,
  place: Place | undefined,
): { seat: string; by: Placed } | undefined {
  const seats = seatsOf(place);
  for (const by of nodes) {
    if (by.id === id) continue;
    const seat = seatsOf(by.place).find((one) => seats.includes(one));
    if (seat !== undefined) return { seat, by };
  }
  return undefined;
}

/** Throws PLACE_TAKEN. */
export function checkSeat(nodes: readonly Placed[], id: string, place: Place | undefined): void {
  const taken = seatTaken(nodes, id, place);
  if (taken) throw new BrambleError("PLACE_TAKEN", `${taken.by.name} is at ${taken.seat} already`);
}

/** A wish to move one node. */
export interface Move {
  id: string;
  place: Place | undefined;
}

/**
 * Many moves at once, judged by where everybody ends: two boards may change places. A move onto a seat that stays taken is refused, of two
 * moves to one seat the later. Those that stay where they were may refuse others.
 */
export function judgeMoves<M extends Move>(
  nodes: readonly Placed[],
  moves: readonly M[],
): { accepted: M[]; refused: { move: M; seat: string; by: string }[] } {
  const before = new Map(nodes.map((node) => [node.id, node]));
  let left = [...moves];
  const refused: { move: M; seat: string; by: string }[] = [];
  for (;;) {
    const movers = new Set(left.map(({ id }) => id));
    const seats = new Map<string, string>();
    for (const node of nodes)
      if (!movers.has(node.id)) for (const seat of seatsOf(node.place)) seats.set(seat, node.name);
    const keep: M[] = [];
    for (const move of left) {
      const wanted = seatsOf(move.place);
      const seat = wanted.find((one) => seats.has(one));
      if (seat === undefined) {
        for (const one of wanted) seats.set(one, before.get(move.id)?.name ?? move.id);
        keep.push(move);
      } else refused.push({ move, seat, by: seats.get(seat) ?? "" });
    }
    if (keep.length === left.length) return { accepted: keep, refused };
    left = keep;
  }
}

export const placeWords = (place: Place | undefined): string =>
  PLACE_KEYS.flatMap((key) => (place?.[key] === undefined ? [] : [`${key} ${place[key]}`])).join(", ");

const NUMBERS = new Intl.Collator("en", { numeric: true });
/** As a person walks along: by site, rack, unit, slot, with 2 before 10. */
export function byPlace(one: Placed, other: Placed): number {
  for (const key of PLACE_KEYS) {
    const [a, b] = [one.place?.[key], other.place?.[key]];
    if (a === b) continue;
    if (a === undefined || b === undefined) return a === undefined ? 1 : -1;
    return NUMBERS.compare(a, b);
  }
  return NUMBERS.compare(one.name, other.name);
}
