// Parts of a raw disk image: wiped, taken out, put back.
import { type FileHandle, open, rm } from "node:fs/promises";
import type { ReadableDisk } from "../../base/disk.ts";
import type { Range } from "../../formats/unused.ts";
import { RawFile } from "./raw-file.ts";
import { SparseFile } from "./sparse.ts";

const PIECE = 1 << 20;

/** Of a partition, in bytes. */
interface Place {
  offset: number;
  size: number;
}

/** Zeros in the ranges that are given, which count from `base`. */
export async function wipe(
  path: string,
  base: number,
  unused: (disk: ReadableDisk) => AsyncIterable<Range>,
  signal: AbortSignal | undefined,
): Promise<void> {
  const disk = await RawFile.open(path);
  const file = await open(path, "r+");
  const zeros = Buffer.alloc(PIECE);
  try {
    const ranges: Range[] = [];
    for await (const range of unused(disk)) ranges.push(range); // all of it first: what they are read from may be wiped
    for (const { offset, length } of ranges) {
      for (let at = 0; at < length; at += PIECE) {
        signal?.throwIfAborted();
        await differ(file, zeros.subarray(0, Math.min(PIECE, length - at)), base + offset + at);
      }
    }
    await file.sync();
  } finally {
    await file.close();
    await disk.close();
  }
}

/** Writes where something else is: a hole that is to be zeros stays a hole. */
async function differ(file: FileHandle, bytes: Uint8Array, place: number): Promise<void> {
  const there = Buffer.alloc(bytes.length);
  await file.read(there, 0, there.length, place);
  if (!there.equals(bytes)) await file.write(bytes, 0, bytes.length, place);
}

/** A range of a disk as a file of its own, not on the disk yet. */
export async function copyBytes(
  disk: ReadableDisk,
  { offset, size }: Place,
  to: string,
  signal: AbortSignal,
): Promise<void> {
  const out = await open(to, "w", 0o600);
  try {
    for (let at = 0; at < size; at += PIECE) {
      signal.throwIfAborted();
      const piece = Buffer.alloc(Math.min(PIECE, size - at));
      await disk.read(piece, offset + at);
      await out.write(piece, 0, piece.length, at);
    }
  } finally {
    await out.close();
  }
}

/** A partition as a file of its own. */
export async function copyOut(
  path: string,
  apart: string,
  root: Place,
  signal: AbortSignal | undefined,
): Promise<void> {
  await rm(apart, { force: true });
  const disk = await RawFile.open(path);
  const out = await SparseFile.create(apart);
  try {
    for (let at = 0; at < root.size; at += PIECE) {
      signal?.throwIfAborted();
      const piece = Buffer.alloc(Math.min(PIECE, root.size - at));
      await disk.read(piece, root.offset + at);
      await out.write(piece);
    }
    await out.finish(0o600);
  } finally {
    await out.close();
    await disk.close();
  }
}

/** And back to its place; what is the same is not written. */
export async function copyBack(
  apart: string,
  path: string,
  root: Place,
  signal: AbortSignal | undefined,
): Promise<void> {
  const disk = await RawFile.open(apart);
  const file = await open(path, "r+");
  try {
    for (let at = 0; at < root.size; at += PIECE) {
      signal?.throwIfAborted();
      const piece = Buffer.alloc(Math.min(PIECE, root.size - at));
      await disk.read(piece, at);
      await differ(file, piece, root.offset + at);
    }
    await file.sync();
  } finally {
    await file.close();
    await disk.close();
  }
}
