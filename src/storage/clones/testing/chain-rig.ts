import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { which } from "../../../../test/tools.ts";
import type { Chain } from "../chain.ts";
import { type Clone, type OpenOptions, openClone } from "../clone.ts";
import { checkQcow2 } from "./check.ts";
import { expectSame } from "./contents.ts";
import { MIB, qemu, workshop } from "./workshop.ts";

export const healthy = { corruptions: [], leaks: 0 };
export const filled = (value: number, length = 4096) => new Uint8Array(length).fill(value);
export const chainOf = (clone: Clone): Chain => clone.chain as Chain;

export interface Rig {
  path: string;
  folder: ReturnType<typeof workshop>;
  model: Uint8Array;
  open(options?: OpenOptions): Promise<Clone>;
  write(clone: Clone, offset: number, value: number, length?: number): Promise<void>;
}

export async function withClone(act: (rig: Rig) => Promise<void>, size = 4 * MIB): Promise<void> {
  const folder = workshop(size);
  await folder.clone("c.qcow2");
  const model = folder.bytes.slice();
  const opened: Clone[] = [];
  try {
    await act({
      ...{ path: folder.path("c.qcow2"), folder, model },
      async open(options) {
        const clone = await openClone(folder.path("c.qcow2"), { merges: false, ...options });
        opened.push(clone);
        return clone;
      },
      async write(clone, offset, value, length = 4096) {
        model.fill(value, offset, offset + length);
        await clone.write(filled(value, length), offset);
      },
    });
  } finally {
    for (const clone of opened) await clone.close().catch(() => {});
    folder.remove();
  }
}

export const layerFiles = (folder: ReturnType<typeof workshop>) =>
  readdirSync(folder.path(""))
    .filter((name) => /^c\.qcow2(\.\d+)?$/.test(name))
    .sort();

/** Each qcow2 file alone, by us and by QEMU; and the chain as QEMU reads it. */
export function expectWhole(folder: ReturnType<typeof workshop>, model: Uint8Array): void {
  for (const name of layerFiles(folder)) {
    assert.deepEqual(checkQcow2(folder.path(name)), healthy, name);
    if (which("qemu-img")) qemu.check(folder.path(name));
  }
  if (!which("qemu-img")) return;
  qemu.img("convert", "-O", "raw", folder.path("c.qcow2"), folder.path("flat.raw"));
  expectSame(readFileSync(folder.path("flat.raw")), model, "as qemu-img reads it");
}
