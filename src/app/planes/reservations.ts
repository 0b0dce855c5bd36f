// Persistent reservations that must outlive a power cut (SPC-4, APTPL): a small file beside the clone.
import { closeSync, fsyncSync, openSync, readFileSync, renameSync, rmSync, writeSync } from "node:fs";
import { dirname } from "node:path";

const fileOf = (path: string) => `${path}.reservations`;

export function readReservations(path: string): string | undefined {
  try {
    return readFileSync(fileOf(path), "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}

/** The old ones or the new ones are there, never half of them; durable when this returns. None: no file. */
export function saveReservations(path: string, reservations: string): void {
  const name = fileOf(path);
  if (reservations === "") rmSync(name, { force: true });
  else {
    const draft = `${name}.new`;
    const file = openSync(draft, "w", 0o600);
    try {
      writeSync(file, reservations);
      fsyncSync(file);
    } finally {
      closeSync(file);
    }
    renameSync(draft, name);
  }
  const folder = openSync(dirname(path), "r");
  try {
    fsyncSync(folder);
  } finally {
    closeSync(folder);
  }
}

export function removeReservations(path: string): void {
  rmSync(fileOf(path), { force: true });
}
