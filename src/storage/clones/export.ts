import { open, rm } from "node:fs/promises";
import { BrambleError } from "../../base/errors.ts";
import { asDiskFull, errorCode, publish } from "../images/durable.ts";
import { packXz } from "../images/xz.ts";
import { Qcow2Export } from "./export-qcow2.ts";
import { hostError } from "./host-file.ts";
import type { QcowLayer } from "./open-layers.ts";

export const EXPORT_FORMATS = ["raw", "qcow2", "xz"] as const;
export type ExportFormat = (typeof EXPORT_FORMATS)[number];

export interface ExportOptions {
  to: string;
  format: ExportFormat;
  signal?: AbortSignal | undefined;
  /** Bytes of the disk. */
  onProgress?: ((done: number, total: number) => void) | undefined;
}

/** Read and written at a time. */
const PIECE = 1 << 20;
/** What is asked at once: a list of extents must not grow with the disk. */
const WINDOW = 256 << 20;
const GRAIN = 4096;
const ZEROS = Buffer.alloc(PIECE);

/** A stretch of the disk; zeros come without bytes, and may be long. */
interface Piece {
  offset: number;
  length: number;
  bytes?: Uint8Array;
}

/**
 * Writes a disk that does not change to a file of its own: `raw` with holes, `qcow2` that stands on nothing, `xz` of the raw
 * bytes. The file appears under its name when it is whole and durable; whatever goes wrong, nothing is left of it.
 * BAD_INPUT where `to` exists, DISK_FULL, CANCELLED.
 */
export async function exportDisk(disk: QcowLayer, options: ExportOptions): Promise<void> {
  const { to, format, signal } = options;
  const draft = `${to}.part`;
  try {
    await refuseExisting(to);
    if (format === "raw") await writeRaw(disk, draft, options);
    else if (format === "qcow2") await writeQcow2(disk, draft, options);
    else await writeXz(disk, draft, options);
    signal?.throwIfAborted();
    await publish(draft, to);
  } catch (error) {
    await rm(draft, { force: true });
    if (signal?.aborted)
      throw new BrambleError("CANCELLED", `the export to ${to} was stopped`, { cause: error });
    const known = asDiskFull(error, `exporting to ${to}`);
    throw errorCode(known) === undefined ? known : hostError(known, `export to ${to}`);
  }
}

async function refuseExisting(to: string): Promise<void> {
  const there = await open(to, "r").catch((error) => {
    if (errorCode(error) === "ENOENT") return undefined;
    throw error;
  });
  if (!there) return;
  await there.close();
  throw new BrambleError("BAD_INPUT", `${to} exists already`);
}

async function* pieces(disk: QcowLayer, { signal, onProgress }: ExportOptions): AsyncGenerator<Piece> {
  for (let from = 0; from < disk.size; from += WINDOW) {
    for (const extent of disk.status(from, Math.min(WINDOW, disk.size - from))) {
      if (extent.kind === "zero") {
        yield { offset: extent.offset, length: extent.length };
        continue;
      }
      const end = extent.offset + extent.length;
      for (let offset = extent.offset; offset < end; ) {
        signal?.throwIfAborted();
        // Up to a border of pieces, so that holes and clusters lie where they lie on the disk.
        const length = Math.min(end, (Math.floor(offset / PIECE) + 1) * PIECE) - offset;
        const bytes = new Uint8Array(length);
        await disk.read(bytes, offset);
        yield { offset, length, bytes };
        offset += length;
        onProgress?.(offset, disk.size);
      }
    }
  }
  onProgress?.(disk.size, disk.size);
}

async function writeRaw(disk: QcowLayer, draft: string, options: ExportOptions): Promise<void> {
  const file = await open(draft, "w", 0o600);
  try {
    for await (const { offset, bytes } of pieces(disk, options)) {
      if (!bytes) continue;
      for (const run of dataRuns(bytes))
        await writeAll(file, bytes.subarray(run.from, run.to), offset + run.from);
    }
    await file.truncate(disk.size);
    await file.sync();
  } finally {
    await file.close();
  }
}

/** The parts of it that hold anything but zeros, in grains of 4 KiB. */
function* dataRuns(bytes: Uint8Array): Generator<{ from: number; to: number }> {
  let from = -1;
  for (let at = 0; at < bytes.length; at += GRAIN) {
    const isEmpty = isZero(bytes.subarray(at, at + GRAIN));
    if (!isEmpty && from < 0) from = at;
    if (isEmpty && from >= 0) {
      yield { from, to: at };
      from = -1;
    }
  }
  if (from >= 0) yield { from, to: bytes.length };
}

const isZero = (bytes: Uint8Array): boolean =>
  bytes[0] === 0 && Buffer.compare(bytes, ZEROS.subarray(0, bytes.length)) === 0;

type File = Awaited<ReturnType<typeof open>>;

async function writeAll(file: File, bytes: Uint8Array, offset: number): Promise<void> {
  for (let at = 0; at < bytes.length; )
    at += (await file.write(bytes, at, bytes.length - at, offset + at)).bytesWritten;
}

async function writeQcow2(disk: QcowLayer, draft: string, options: ExportOptions): Promise<void> {
  const file = await open(draft, "w", 0o600);
  try {
    const out = new Qcow2Export(disk.size, (bytes, offset) => writeAll(file, bytes, offset));
    for await (const { offset, bytes } of pieces(disk, options)) {
      if (bytes && !isZero(bytes)) await out.put(bytes, offset);
    }
    await file.truncate(await out.finish());
    await file.sync();
  } finally {
    await file.close();
  }
}

async function writeXz(disk: QcowLayer, draft: string, options: ExportOptions): Promise<void> {
  const file = await open(draft, "w", 0o600);
  const raw = async function* () {
    for await (const { length, bytes } of pieces(disk, options)) {
      if (bytes) yield bytes;
      else for (let left = length; left > 0; left -= PIECE) yield ZEROS.subarray(0, Math.min(left, PIECE));
    }
  };
  try {
    let at = 0;
    for await (const packed of packXz(raw())) {
      options.signal?.throwIfAborted();
      await writeAll(file, packed, at);
      at += packed.length;
    }
    await file.sync();
  } finally {
    await file.close();
  }
}
