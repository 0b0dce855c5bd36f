// Places as CSV: a row for each node. What cannot be taken is told by line and cell; nothing here changes anything.
import { parse } from "csv-parse";
import { BrambleError } from "../base/errors.ts";
import { labelWords, parseLabels } from "../fleet/labels.ts";
import type { Node } from "../fleet/node.ts";
import { byPlace, judgeMoves, PLACE_KEYS } from "../fleet/places.ts";
import type { Groups } from "./model-groups.ts";
import { applyModel, type ModelPatch } from "./model-patch.ts";

const CSV_CHARACTERS = 10 << 20;
const MOST_ROWS = 20_000;
const MOST_REFUSED = 200;
const CHUNK = 64 * 1024;

const WHO = ["node", "name", "serial", "mac", "id"] as const;
const FIELDS = [...PLACE_KEYS, "group", "labels", "address", "management", "management_mac"] as const;
type Field = (typeof FIELDS)[number];
const HEAD = ["node", "serial", "mac", ...FIELDS];

export interface Refused {
  line: number;
  /** Number of the cell, from 1. */
  column: number;
  field: string;
  why: string;
}

interface Row {
  line: number;
  cells: string[];
}

export interface PlaceImport {
  drafts: { node: Node; next: Node }[];
  same: number;
  refused: Refused[];
  refusedRows: number;
}

/** What the CSV would make of the nodes; to be done at once, before anything else changes them. Throws BAD_INPUT where it is no CSV, or no table of nodes, at all. */
export async function readPlaces(
  csv: string,
  all: () => readonly Node[],
  groups: Groups,
): Promise<PlaceImport> {
  const [head, ...rows] = await rowsOf(csv);
  const nodes = all(); // as they are now: from here on nothing waits
  if (!head)
    throw new BrambleError("BAD_INPUT", "the CSV is empty", { hint: `a first line: ${HEAD.join(",")}` });
  const columns = header(head);
  const found = finder(nodes);
  const refused: Refused[] = [];
  const refuse = (line: number, column: number, why: string) =>
    refused.push({ line, column: column + 1, field: columns[column] ?? "", why });
  const seen = new Map<Node, number>();
  const moves: { node: Node; next: Node; line: number; id: string }[] = [];
  let same = 0;
  for (const { line, cells } of rows) {
    if (cells.length !== columns.length) {
      refuse(
        line,
        Math.min(cells.length, columns.length),
        `${cells.length} cells, and ${columns.length} columns`,
      );
      continue;
    }
    const who = found(cells, columns);
    if (!("node" in who)) {
      refuse(line, who.column, who.why);
      continue;
    }
    const { node } = who;
    const before = seen.get(node);
    if (before !== undefined) {
      refuse(line, who.column, `${node.name} is in line ${before} already`);
      continue;
    }
    seen.set(node, line);
    const next: Node = { ...node, seed: { ...node.seed } };
    const wrong = columns.findIndex((field, i) => {
      try {
        setField(next, field as Field, cells[i] ?? "", groups);
        return false;
      } catch (error) {
        const { message, hint } = error as BrambleError;
        refuse(line, i, hint === undefined ? message : `${message} (${hint})`);
        return true;
      }
    });
    if (wrong >= 0) continue;
    if (JSON.stringify(next) === JSON.stringify(node)) same += 1;
    else moves.push({ ...next, node, next, line });
  }
  const judged = judgeMoves(nodes, moves);
  for (const { move, seat, by } of judged.refused)
    refuse(move.line, Math.max(0, columns.indexOf(fieldOf(seat))), `${by} is at ${seat} already`);
  refused.sort((one, other) => one.line - other.line);
  return {
    drafts: judged.accepted.map(({ node, next }) => ({ node, next })),
    same,
    refused: refused.slice(0, MOST_REFUSED),
    refusedRows: refused.length,
  };
}

/** "rack 3, slot 2" → slot; "switch a, port 3" → port */
const fieldOf = (seat: string): string => {
  const word = seat.split(", ").at(-1)?.split(" ")[0] ?? "";
  return word === "MAC" ? "management_mac" : word;
};

async function rowsOf(csv: string): Promise<Row[]> {
  if (csv.length > CSV_CHARACTERS)
    throw new BrambleError("BAD_INPUT", `the CSV has more than ${CSV_CHARACTERS} characters`, {
      hint: "import it in parts: rows that are not there change nothing",
    });
  const parser = parse({
    bom: true,
    delimiter: [",", ";", "\t"],
    info: true,
    max_record_size: 16 * 1024,
    relax_column_count: true,
    skip_empty_lines: true,
    trim: true,
  });
  const rows: Row[] = [];
  const read = (async () => {
    // in pieces, so that packets are answered meanwhile
    for (let at = 0; at < csv.length && !parser.destroyed; at += CHUNK) {
      if (!parser.write(csv.slice(at, at + CHUNK)))
        await new Promise<void>((done) => {
          parser.once("drain", done).once("close", done);
        });
    }
    parser.end();
  })();
  try {
    for await (const { record, info } of parser as AsyncIterable<{
      record: string[];
      info: { lines: number };
    }>) {
      if (rows.length > MOST_ROWS)
        throw new BrambleError("BAD_INPUT", `the CSV has more than ${MOST_ROWS} rows`);
      rows.push({ line: info.lines, cells: record });
    }
  } catch (error) {
    if (error instanceof BrambleError) throw error;
    const { lines, column, message } = error as Error & { lines?: number; column?: number };
    throw new BrambleError(
      "BAD_INPUT",
      `csv:${lines ?? 1}:${Number(column ?? 0) + 1}: ${message.split(":")[0]}`,
    );
  } finally {
    parser.destroy();
    await read;
  }
  return rows;
}

/** Names of the columns; throws BAD_INPUT. */
function header({ cells }: Row): string[] {
  const columns = cells.map((cell) => cell.toLowerCase().replace(/[ -]/g, "_"));
  const known: readonly string[] = [...WHO, ...FIELDS];
  columns.forEach((name, i) => {
    const why = !known.includes(name)
      ? "is no column"
      : columns.indexOf(name) < i
        ? "is there twice"
        : undefined;
    if (why)
      throw new BrambleError("BAD_INPUT", `csv:1:${i + 1}: ${JSON.stringify(name.slice(0, 40))} ${why}`, {
        hint: `columns are: ${HEAD.join(", ")}`,
      });
  });
  if (!columns.some((name) => WHO.some((who) => who === name)))
    throw new BrambleError("BAD_INPUT", "csv:1:1: no column says which node", {
      hint: "one of node, serial, mac",
    });
  return columns;
}

/** By whole names, serials, MACs and ids: no row means a node by chance. */
function finder(nodes: readonly Node[]) {
  const known = new Map<string, Node>();
  for (const node of nodes)
    for (const key of [node.mac, node.mac?.replaceAll(":", "-"), node.serial, node.id, node.name])
      if (key !== undefined) known.set(key.toLowerCase(), node);
  return (cells: readonly string[], columns: readonly string[]) => {
    let found: { node: Node; column: number } | undefined;
    for (const [column, name] of columns.entries()) {
      const text = (cells[column] ?? "").toLowerCase();
      if (text === "" || !WHO.some((who) => who === name)) continue;
      const node = known.get(name === "serial" ? text.slice(-8) : text);
      if (!node) return { column, why: `there is no node ${text.slice(0, 60)}` };
      if (found && found.node !== node)
        return { column, why: `that is ${node.name}, and not ${found.node.name}` };
      found ??= { node, column };
    }
    return found ?? { column: 0, why: "no cell says which node" };
  };
}

function setField(next: Node, field: Field, text: string, groups: Groups): void {
  const value = text === "" ? null : text;
  const gone = () => Object.fromEntries(Object.keys(next.labels ?? {}).map((key) => [key, null]));
  const patch: ModelPatch =
    field === "labels"
      ? { labels: { ...gone(), ...parseLabels(text.split(/\s+/).filter(Boolean)) } }
      : field === "group"
        ? { group: value === null ? null : groups.need(value).name }
        : field === "address" || field === "management"
          ? { [field]: value }
          : field === "management_mac"
            ? { managementMac: value }
            : PLACE_KEYS.some((key) => key === field)
              ? { place: { [field]: value } }
              : {};
  applyModel(next, patch);
}

/** What readPlaces() takes, with nodes in the order of their places. */
export function writePlaces(nodes: readonly Node[]): string {
  const rows = [...nodes]
    .sort(byPlace)
    .map((node) => [
      node.name,
      node.serial,
      node.mac,
      ...PLACE_KEYS.map((key) => node.place?.[key]),
      ...[node.group, labelWords(node.labels), node.address, node.management, node.managementMac],
    ]);
  return [HEAD, ...rows].map((row) => `${row.map((cell) => quoted(cell ?? "")).join(",")}\r\n`).join("");
}

/** RFC 4180; and nothing that a spreadsheet would take for a formula (names of ours never begin so). */
const quoted = (cell: string): string => {
  const safe = /^[=+\-@\t\r]/.test(cell) ? `'${cell}` : cell;
  return /[",;\t\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
};
