import type { Row } from "./case.ts";

/** The rows for people: for each peer its value and how many times better (above 1) or worse we are; then CPU and memory. */
export function table(rows: readonly Row[]): string {
  const lines: string[][] = [["", "", "value", "ours is", "CPU s/GB", "us/request", "RSS MB"]];
  for (const row of rows) {
    const names = ["ours", ...Object.keys(row.peers)];
    for (const name of names) {
      const value = name === "ours" ? row.ours : (row.peers[name] ?? Number.NaN);
      const ratio = row.better === "more" ? row.ours / value : value / row.ours;
      lines.push([
        name === "ours" ? row.name : "",
        name,
        `${value.toLocaleString("en")} ${row.unit}`,
        name === "ours" ? "" : `${ratio.toFixed(2)}x`,
        String(row.cpuSecondsPerGb[name] ?? ""),
        String(row.cpuMicrosPerRequest[name] ?? ""),
        String(row.rssMb[name] ?? ""),
      ]);
    }
  }
  const widths = (lines[0] ?? []).map((_, column) =>
    Math.max(...lines.map((line) => line[column]?.length ?? 0)),
  );
  const pad = (line: string[]) =>
    line.map((text, i) => (i < 2 ? text.padEnd(widths[i] ?? 0) : text.padStart(widths[i] ?? 0))).join("  ");
  return lines.map((line) => pad(line).trimEnd()).join("\n");
}
