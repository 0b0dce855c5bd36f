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

export interface Placed {
  id: string;
  name?: string;
  place?: Place;
  /** Set by a person. */
  address?: string;
  management?: string;
  managementMac?: string;
}

/** What no two nodes may share, in words: their slot, their switch port, their addresses. */
export function seatsOf({ place, address, management, managementMac }: Placed): string[] {
  const { site, rack, unit, slot, switch: by, port } = place ?? {};
  const where = [site && `site ${site}`, rack && `rack ${rack}`, unit && `unit ${unit}`].filter(Boolean);
  return [
    ...(slot === undefined ? [] : [[...where, `slot ${slot}`].join(", ")]),
    ...(by === undefined || port === undefined ? [] : [`switch ${by}, port ${port}`]),
    ...[address, management].flatMap((one) => (one === undefined ? [] : [`address ${one}`])),
    ...(managementMac === undefined ? [] : [`MAC ${managementMac}`]),
  ];
}

/** Throws PLACE_TAKEN where another node has a seat of this one. */
export function checkSeat(nodes: readonly Placed[], wish: Placed): void {
  const seats = seatsOf(wish);
  for (const by of nodes) {
    if (by.id === wish.id) continue;
    const seat = seatsOf(by).find((one) => seats.includes(one));
    if (seat !== undefined)
      throw new BrambleError("PLACE_TAKEN", `${by.name ?? by.id} is at ${seat} already`);
  }
}

/**
 * Many changes at once, judged by where everybody ends: two boards may change places. `moves` are nodes as they would be. One that wants a
 * seat that stays taken is refused, of two for one seat the later. Those that stay where they were may refuse others.
 */
export function judgeMoves<M extends Placed>(
  nodes: readonly Placed[],
  moves: readonly M[],
): { accepted: M[]; refused: { move: M; seat: string; by: string }[] } {
  let left = [...moves];
  const refused: { move: M; seat: string; by: string }[] = [];
  for (;;) {
    const movers = new Set(left.map(({ id }) => id));
    const seats = new Map<string, string>();
    for (const node of nodes)
      if (!movers.has(node.id)) for (const seat of seatsOf(node)) seats.set(seat, node.name ?? node.id);
    const keep: M[] = [];
    for (const move of left) {
      const wanted = seatsOf(move);
      const seat = wanted.find((one, i) => seats.has(one) || wanted.indexOf(one) < i);
      if (seat === undefined) {
        for (const one of wanted) seats.set(one, move.name ?? move.id);
        keep.push(move);
      } else refused.push({ move, seat, by: seats.get(seat) ?? "itself" });
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
  return NUMBERS.compare(one.name ?? one.id, other.name ?? other.id);
}
