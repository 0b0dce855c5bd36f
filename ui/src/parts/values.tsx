/** A setting's value in few words. */
export const valueWords = (value: unknown): string =>
  value === undefined || value === null
    ? "–"
    : typeof value === "boolean"
      ? value
        ? "yes"
        : "no"
      : Array.isArray(value)
        ? value.map(valueWords).join(", ") || "none"
        : typeof value === "object"
          ? Object.entries(value)
              .map(([name, part]) => `${name} ${valueWords(part)}`)
              .join(", ")
          : String(value);
