import { join } from "node:path";
import { BrambleError } from "../../base/errors.ts";
import { type Host, readWhole } from "./host.ts";
import { type Batch, findBatch, type Run, readBatch, runsOf } from "./journal-format.ts";

/** A run, and where it lies. */
export interface KeptRun extends Run {
  segment: number;
  /** Of the batch that it is a part of. */
  sequence: number;
}

export interface Segment {
  number: number;
  path: string;
  /** Sequence of its last batch. */
  last: number;
  bytes: number;
}

/** Where the journal ends in the middle of a batch: what a kill or a power cut leaves of batches that were promised to nobody. */
export interface CutTail {
  path: string;
  offset: number;
  /** Bytes behind it that are not empty. */
  bytes: number;
}

export interface Scanned {
  /** By tree id, in order. */
  runs: Map<string, KeptRun[]>;
  segments: Segment[];
  /** Sequence of the last whole batch. */
  last: number;
  /** Behind the numbers of all segments that there were. */
  nextNumber: number;
  cut: CutTail | undefined;
}

export const segmentPath = (folder: string, number: number) => join(folder, `journal.${number}`);

const segmentNumbers = (host: Host, folder: string): number[] =>
  host
    .list(folder)
    .flatMap((name) => /^journal\.(\d+)$/.exec(name)?.[1] ?? [])
    .map(Number)
    .sort((a, b) => a - b);

/**
 * Reads the whole journal. What was cut off behind the last whole batch is taken off the files, if it was never promised: the journal then ends with what is whole.
 * TREE_DAMAGED where something is broken that was once on the disk; the message says in which file, at which byte, the hint what to do.
 */
export function scanJournal(host: Host, folder: string): Scanned {
  const numbers = segmentNumbers(host, folder);
  const nextNumber = (numbers.at(-1) ?? 0) + 1;
  const scanned: Scanned = { runs: new Map(), segments: [], last: 0, nextNumber, cut: undefined };
  let expected: number | undefined;
  for (const [i, number] of numbers.entries()) {
    const path = segmentPath(folder, number);
    const bytes = readWhole(host, path);
    let at = 0;
    let last = 0;
    for (let batch = readBatch(bytes, 0, number); batch; batch = readBatch(bytes, at, number)) {
      if (expected !== undefined && batch.sequence > expected) break;
      if (expected === undefined || batch.sequence === expected) {
        collect(scanned.runs, bytes, batch, number);
        expected = batch.sequence + 1;
      }
      last = batch.sequence;
      at = batch.next;
    }
    if (last > 0) scanned.segments.push({ number, path, last, bytes: at });
    scanned.last = (expected ?? 1) - 1;
    const rest = numbers.slice(i + 1);
    if (goesOn(host, folder, { bytes, at, number, expected, rest })) continue;
    refuseIfPromised(host, folder, { bytes, at, number, expected, rest });
    scanned.cut = cutOff(host, folder, { path, bytes, at, rest });
    break;
  }
  const kept = new Set(scanned.segments.map(({ number }) => number));
  for (const number of numbers) if (!kept.has(number)) host.remove(segmentPath(folder, number));
  return scanned;
}

/** What the journal has of one tree, while it goes on; all of that must be on the disk. */
export function runsOfTree(host: Host, folder: string, id: string): KeptRun[] {
  const runs = new Map<string, KeptRun[]>();
  let last = 0;
  for (const number of segmentNumbers(host, folder)) {
    const bytes = readWhole(host, segmentPath(folder, number));
    for (let batch = readBatch(bytes, 0, number); batch; batch = readBatch(bytes, batch.next, number)) {
      if (batch.sequence > last) collect(runs, bytes, batch, number);
      last = Math.max(last, batch.sequence);
    }
  }
  return runs.get(id) ?? [];
}

interface Place {
  bytes: Uint8Array;
  at: number;
  number: number;
  expected: number | undefined;
  /** The numbers of the later segments. */
  rest: number[];
}

/** The next segment that is not empty begins with the next batch, or with older ones again; or nothing follows. */
function goesOn(host: Host, folder: string, { bytes, at, number, expected, rest }: Place): boolean {
  if (expected === undefined && findBatch(bytes, at, number)) return false;
  for (const next of rest) {
    const first = findBatch(readWhole(host, segmentPath(folder, next)), 0, next);
    if (first) return first.at === 0 && (expected === undefined || first.batch.sequence <= expected);
  }
  return !findBatch(bytes, at, number) && isEmpty(bytes, at, number);
}

/** Zeros, or a batch of the life that the file had as another segment. */
function isEmpty(bytes: Uint8Array, at: number, number: number): boolean {
  if (at + 16 > bytes.length) return bytes.subarray(at).every((byte) => byte === 0);
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  const segment = view.getUint32(at + 12, true);
  return segment !== number;
}

function refuseIfPromised(host: Host, folder: string, place: Place): void {
  const { bytes, at, number, expected, rest } = place;
  const later = [...batchesFrom(bytes, at, number)];
  for (const next of rest) later.push(...batchesFrom(readWhole(host, segmentPath(folder, next)), 0, next));
  const promised = later.reduce((most, batch) => Math.max(most, batch.durable), 0);
  const lost = expected ?? (later[0] ? later[0].sequence - 1 : 0);
  if (later.length === 0 || promised < lost) return;
  const path = segmentPath(folder, number);
  throw new BrambleError(
    "TREE_DAMAGED",
    `${path} is damaged at byte ${at}: a batch that was once whole (number ${lost}) cannot be read, and later ones can`,
    {
      hint: `put the file back from a copy. Without one: ${[
        `truncate -s ${at} ${path}`,
        ...rest.map((next) => `rm ${segmentPath(folder, next)}`),
      ].join("; ")}; the trees of nodes are then as they were before, what came later is lost`,
    },
  );
}

function* batchesFrom(bytes: Uint8Array, from: number, segment: number): Generator<Batch> {
  for (
    let found = findBatch(bytes, from, segment);
    found;
    found = findBatch(bytes, found.batch.next, segment)
  )
    yield found.batch;
}

/** Else batches that were never promised would look like later ones of the batches that come now. */
function cutOff(
  host: Host,
  folder: string,
  { path, bytes, at, rest }: { path: string; bytes: Uint8Array; at: number; rest: number[] },
): CutTail {
  let end = bytes.length;
  while (end > at && bytes[end - 1] === 0) end -= 1;
  const cut = { path, offset: at, bytes: end - at };
  const file = host.open(path, "write");
  try {
    file.truncate(at);
  } finally {
    file.close();
  }
  for (const number of rest.toReversed()) host.remove(segmentPath(folder, number));
  return cut;
}

function collect(runs: Map<string, KeptRun[]>, bytes: Uint8Array, batch: Batch, segment: number): void {
  for (const run of runsOf(bytes, batch)) {
    const kept = { ...run, segment, sequence: batch.sequence };
    const known = runs.get(run.id);
    if (known) known.push(kept);
    else runs.set(run.id, [kept]);
  }
}
