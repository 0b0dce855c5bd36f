import assert from "node:assert/strict";
import { type Clone, openClone } from "../clone.ts";

/** All bytes of an open disk. */
export async function bytesOf(disk: Pick<Clone, "size" | "read">): Promise<Uint8Array> {
  const bytes = new Uint8Array(disk.size);
  await disk.read(bytes, 0);
  return bytes;
}

/** All bytes of a file that nobody has open. */
export async function contents(path: string): Promise<Uint8Array> {
  const clone = await openClone(path, { readOnly: true });
  try {
    return await bytesOf(clone);
  } finally {
    await clone.close();
  }
}

export function expectSame(now: Uint8Array, model: Uint8Array, what: string): void {
  if (Buffer.compare(now, model) === 0) return;
  const at = now.findIndex((byte, i) => byte !== model[i]);
  assert.fail(
    `${what}: byte ${at} of ${now.length} is ${now[at]}, should be ${model[at]} of ${model.length}`,
  );
}
