// What keeps an image from booting, in words: one note for each family of boards, since its models lack nearly the same.
import { type Family, familyOf } from "./boards.ts";
import type { ModelFiles } from "./models.ts";

/** Newest first. The ROMs of a 1B and a 2B do not boot from a network: what they lack keeps nobody waiting. */
const FAMILIES: readonly [Family, string][] = [
  ["bcm2712", " (its firmware is in its EEPROM)"],
  ["bcm2711", ""],
  ["bcm2837", ""],
];

/** Empty where at least one model that boots from a network finds all its files, and where none was looked at. */
export function lackNotes(models: readonly ModelFiles[]): string[] {
  const families = FAMILIES.map(([family, more]) => {
    const members = models.filter(({ model }) => familyOf(model) === family);
    return { members, more };
  }).filter(({ members }) => members.length > 0);
  if (families.length === 0 || families.some(({ members }) => members.some(({ boots }) => boots))) return [];
  return [
    "no Raspberry Pi finds all its boot files on it yet",
    ...families.map(
      ({ members, more }) =>
        `a Pi ${orList(members.map(({ model }) => model))}${more} lacks ${lacks(members)}`,
    ),
    "firmware and device trees can be laid beside it (bramble firmware add); the kernel should be the image's own, whose modules its root has",
  ];
}

/** What all of them lack, then each one's own: device trees. */
function lacks(members: readonly ModelFiles[]): string {
  const [first] = members;
  const common = (first?.missing ?? []).filter((name) =>
    members.every(({ missing }) => missing.includes(name)),
  );
  const own = members.flatMap(({ missing }) => missing.filter((name) => !common.includes(name)));
  const named = common.map(oneOf);
  if (own.length > 0) named.push(`its device tree (${[...new Set(own)].join(", ")})`);
  return andList(named);
}

const oneOf = (names: string): string =>
  names.includes(" | ") ? `one of (${names.split(" | ").join(", ")})` : names;
const joined = (word: string) => (all: readonly string[]) =>
  all.length < 2 ? all.join("") : `${all.slice(0, -1).join(", ")} ${word} ${all.at(-1)}`;
const orList = joined("or");
const andList = joined("and");
