import pc from "picocolors";
import { stringify } from "yaml";

export type Output = "table" | "json" | "yaml";

/** Columns as wide as their widest cell; the last one is left to run on. */
export function table(head: string[], rows: string[][]): string {
  const widths = head.map((title, i) =>
    Math.max(title.length, ...rows.map((row) => plain(row[i] ?? "").length)),
  );
  const line = (cells: string[]) =>
    cells
      .map((cell, i) =>
        i === cells.length - 1 ? cell : cell + " ".repeat((widths[i] ?? 0) - plain(cell).length),
      )
      .join("  ")
      .trimEnd();
  return [line(head.map((title) => pc.dim(title))), ...rows.map(line)].join("\n");
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: colours are escape sequences
const plain = (text: string): string => text.replace(/\u001b\[\d+m/g, "");

/** Data for programs, or a picture of it for people. */
export function show(output: Output, value: unknown, people: () => string): void {
  const forms = {
    json: () => JSON.stringify(value, undefined, 2),
    yaml: () => stringify(value).trimEnd(),
    table: people,
  };
  console.log(forms[output]());
}

export function bytes(n: number): string {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let value = n;
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit += 1;
  }
  return `${unit === 0 || value >= 100 ? Math.round(value) : value.toFixed(1)} ${units[unit]}`;
}

/** "12:31:05", with the day where it is not today. */
export function clock(ms: number): string {
  const at = new Date(ms);
  const time = at.toTimeString().slice(0, 8);
  return at.toDateString() === new Date().toDateString() ? time : `${at.toISOString().slice(0, 10)} ${time}`;
}

export function ago(ms: number, now = Date.now()): string {
  const seconds = Math.max(0, Math.round((now - ms) / 1000));
  if (seconds < 90) return `${seconds} s ago`;
  if (seconds < 5400) return `${Math.round(seconds / 60)} min ago`;
  return seconds < 130_000
    ? `${Math.round(seconds / 3600)} h ago`
    : `${Math.round(seconds / 86_400)} days ago`;
}
