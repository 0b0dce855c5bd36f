import { InvalidArgumentError } from "commander";

/** An option's parser: the text as it is where it is a whole number in these bounds; else commander says which option it was. */
export const whole =
  (least: number, most: number) =>
  (text: string): string => {
    if (/^\d{1,15}$/.test(text) && Number(text) >= least && Number(text) <= most) return text;
    throw new InvalidArgumentError(`Write a whole number from ${least} to ${most}.`);
  };

/** 0: any free port, or none, as the option says. */
export const port = whole(0, 65_535);

/** Days that anything is kept or lasts. */
export const days = whole(1, 3_650);

/** Rows of a list: what the API gives in one answer. */
export const rows = whole(1, 1_000);

/** Any number. InvalidArgumentError: commander's parsers, and complain() where a command reads its own words. */
export function number(text: string): number {
  const value = Number(text);
  if (text.trim() !== "" && Number.isFinite(value)) return value;
  throw new InvalidArgumentError(`${JSON.stringify(text)} is no number.`);
}
