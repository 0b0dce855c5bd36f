import { BrambleError } from "../../base/errors.ts";
import { toUtf8, utf8 } from "../../base/text.ts";
import type { OpenHostFile } from "./host-file.ts";
import type { HostFolder } from "./host-folder.ts";
import { layerNumber, layerPath } from "./open-layers.ts";

/** Where a clone's files lie: the host, or what stands in for it in tests. */
export interface Host {
  open: OpenHostFile;
  folder: HostFolder;
}

/** What is known of a frozen layer besides its file. */
export interface LayerEntry {
  /** Of the snapshot that it is; without one it is only there for what stands on it. */
  name?: string;
  createdMs: number;
  /** To be merged away as soon as there is time: a snapshot that was dropped. */
  due?: true;
}

export interface LayersIndex {
  /** The number of the next layer. */
  next: number;
  /** Bytes. */
  quota?: number;
  layers: { [number: string]: LayerEntry };
}

const indexPath = (clone: string): string => `${clone}.layers`;

/**
 * The frozen layers beside a clone, as its index file and the folder say together. What a kill left half done is put right
 * here: an entry is written before its layer and goes after it. Without an index each layer counts as a snapshot.
 */
export function readIndex(clone: string, { open, folder }: Host): LayersIndex {
  const numbers = folder.beside(clone).flatMap((name) => layerNumber(clone, name) ?? []);
  const index = parse(clone, open, folder) ?? {
    next: 1,
    layers: Object.fromEntries(numbers.map((n) => [n, { name: `layer-${n}`, createdMs: 0 }])),
  };
  const top = folder.identity(clone);
  for (const n of numbers) {
    // The clone itself, on its way to be frozen when its process died.
    if (folder.identity(layerPath(clone, n)) === top) {
      folder.remove(layerPath(clone, n));
      delete index.layers[n];
    } else index.layers[n] ??= { createdMs: 0 };
  }
  for (const n of Object.keys(index.layers)) if (!numbers.includes(Number(n))) delete index.layers[n];
  index.next = Math.max(index.next, 1, ...numbers.map((n) => n + 1));
  return index;
}

function parse(clone: string, open: OpenHostFile, folder: HostFolder): LayersIndex | undefined {
  const path = indexPath(clone);
  if (folder.identity(path) === undefined) return undefined;
  const file = open(path, "read");
  try {
    const bytes = new Uint8Array(file.size());
    file.read(bytes, 0);
    const index = JSON.parse(utf8(bytes)) as LayersIndex;
    if (!Number.isSafeInteger(index.next) || typeof index.layers !== "object") throw new Error("no index");
    return index;
  } catch (cause) {
    throw new BrambleError("CLONE_DAMAGED", `${path} is damaged`, {
      hint: "remove that file: each layer is a snapshot then, and none is lost",
      cause,
    });
  } finally {
    file.close();
  }
}

/** The old index or this one, at any moment; durable when it ends. */
export async function writeIndex(clone: string, index: LayersIndex, { open, folder }: Host): Promise<void> {
  const draft = `${indexPath(clone)}.new`;
  folder.remove(draft);
  const file = open(draft, "create");
  try {
    file.write(toUtf8(`${JSON.stringify(index, undefined, 1)}\n`), 0);
    await file.sync("mapping");
  } finally {
    file.close();
  }
  folder.rename(draft, indexPath(clone));
  await folder.sync(clone);
}

/** Each file that belongs to a clone, the clone itself first: without it the others are nothing. */
export function cloneFiles(clone: string, folder: HostFolder): string[] {
  const layers = folder.beside(clone).flatMap((name) => layerNumber(clone, name) ?? []);
  const suffixes = ["", ".ja", ".jb", ".lock", ".new", ".layers", ".layers.new"];
  return [...suffixes.map((suffix) => clone + suffix), ...layers.map((n) => layerPath(clone, n))];
}
