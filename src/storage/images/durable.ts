import { open, rename } from "node:fs/promises";
import { dirname } from "node:path";
import { BrambleError } from "../../base/errors.ts";

/** Entries that were made, renamed or removed in a folder are on the disk when it ends. */
export async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, "r");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** Renames, for good: the file's own bytes must be synced already. */
export async function publish(from: string, to: string): Promise<void> {
  await rename(from, to);
  await syncFolder(dirname(to));
}

/** Writes a small file beside its place, syncs it and renames it there: readers see the old one or the new one. */
export async function writeWhole(path: string, text: string, by: string): Promise<void> {
  const handle = await open(by, "w", 0o644);
  try {
    await handle.writeFile(text);
    await handle.sync();
  } finally {
    await handle.close();
  }
  await publish(by, path);
}

export const errorCode = (error: unknown): string | undefined =>
  error instanceof Error && "code" in error ? String(error.code) : undefined;

/** A host error that means "no room" (ulimit -f and quotas too) as DISK_FULL; others come back as they are. */
export function asDiskFull(error: unknown, doing: string): unknown {
  if (!["ENOSPC", "EFBIG", "EDQUOT"].includes(errorCode(error) ?? "")) return error;
  return new BrambleError("DISK_FULL", `the disk is full: ${doing}`, {
    hint: "make room where the data folder lies, or choose another one by --data; nothing half is left behind",
    cause: error,
  });
}
