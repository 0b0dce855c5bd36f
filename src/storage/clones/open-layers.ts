import { dirname, isAbsolute, join } from "node:path";
import { BrambleError } from "../../base/errors.ts";
import type { Qcow2Header } from "../../formats/qcow2.ts";
import { type CloneRecord, cloneRecord } from "./create.ts";
import { FROZEN, readHeader } from "./header-edit.ts";
import type { HostFile, OpenHostFile } from "./host-file.ts";
import { openImage, WarmFile } from "./image.ts";
import type { Layer } from "./layer.ts";
import { refuseIfLocked } from "./lock.ts";
import { Mapping } from "./mapping.ts";
import { Reading } from "./reading.ts";

/** Layers under a clone: more than four are slow, more than this are a loop. */
const MOST_LAYERS = 64;

/** One qcow2 file of a chain: what reads it, and where it lies. */
export class QcowLayer extends Reading {
  path: string;
  header: Qcow2Header;

  constructor(
    what: { path: string; header: Qcow2Header; mapping: Mapping; file: HostFile; size?: number },
    below: Layer | undefined,
  ) {
    super(what.mapping, new WarmFile(what.file, what.file.size()), below);
    this.path = what.path;
    this.header = what.header;
  }
}

/** The qcow2 files of a chain, from the top down. */
export function qcowLayers(top: Layer | undefined): QcowLayer[] {
  const found: QcowLayer[] = [];
  for (let at = top; at instanceof QcowLayer; at = at.below) found.push(at);
  return found;
}

/** The number of a frozen layer of this clone, undefined for other files. Layers lie beside it: `c.qcow2.1`, `c.qcow2.2`. */
export function layerNumber(clone: string, name: string): number | undefined {
  const own = clone.slice(clone.lastIndexOf("/") + 1);
  const number = name.startsWith(`${own}.`) ? name.slice(own.length + 1) : "";
  return /^[1-9]\d{0,8}$/.test(number) ? Number(number) : undefined;
}
export const layerPath = (clone: string, number: number): string => `${clone}.${number}`;

/** Opens a layer that is only read, and all below it. */
export function openLayer(path: string, open: OpenHostFile, depth = 1): QcowLayer {
  const file = open(path, "read");
  let below: Layer | undefined;
  try {
    const header = readHeader(file, path, false);
    below = openBelow(path, header, open, depth + 1);
    return new QcowLayer({ path, header, file, mapping: new Mapping(file, header) }, below);
  } catch (error) {
    below?.close();
    file.close();
    throw error;
  }
}

/**
 * What a file stands on: frozen layers, and the image at the bottom. FILE_UNKNOWN where one is missing, IMAGE_CHECKSUM for
 * another image, CLONE_DAMAGED for a layer that somebody else has written to.
 */
export function openBelow(
  path: string,
  header: Qcow2Header,
  open: OpenHostFile,
  depth = 1,
): Layer | undefined {
  if (!header.backing) return undefined;
  if (depth > MOST_LAYERS)
    throw new BrambleError("FORMAT_VALUE", `${path}: more than ${MOST_LAYERS} layers, or a loop of them`);
  const { file: name, format } = header.backing;
  const at = isAbsolute(name) ? name : join(dirname(path), name);
  const record = cloneRecord(header);
  if (format === "raw") return openBaseImage(path, at, record);
  if (format !== "qcow2")
    throw new BrambleError(
      "FORMAT_UNSUPPORTED",
      `${path}: a backing file of format ${format} is not supported`,
    );
  refuseIfLocked(at);
  const below = missingSaysWhat(
    () => openLayer(at, open, depth),
    at,
    `${at}, a layer that ${path} stands on, is missing`,
    "put it back: the clone is worth nothing without it; else reset the clone",
  );
  if (record && cloneRecord(below.header) && (below.header.autoclear & FROZEN) === 0n) {
    below.close();
    throw new BrambleError(
      "CLONE_DAMAGED",
      `${at} was written to by another program, and ${path} stands on it`,
      {
        hint: "put back a copy of that file as it was; else reset the clone",
      },
    );
  }
  return below;
}

function openBaseImage(path: string, at: string, record: CloneRecord | undefined): Layer {
  const expected = record?.image;
  const image = missingSaysWhat(
    () => openImage(at),
    at,
    `${at}, the image that ${path} stands on, is missing`,
    `put the file back, or add the same image again${expected ? ` (sha256 ${expected.sha256})` : ""}`,
  );
  if (!expected || (expected.size === image.size && expected.fingerprint === image.fingerprint)) return image;
  image.close();
  throw new BrambleError(
    "IMAGE_CHECKSUM",
    `${at} is not the image that ${path} was made of (${expected.sha256})`,
    {
      hint: "put the image back as it was: the clone holds only what differs from it",
    },
  );
}

/** `at`: only where this very file is missing, not one that it stands on. */
function missingSaysWhat<T>(act: () => T, at: string, message: string, hint: string): T {
  try {
    return act();
  } catch (cause) {
    const error = cause as BrambleError;
    if (error.code !== "FILE_UNKNOWN" || !error.message.startsWith(`open ${at}:`)) throw cause;
    throw new BrambleError("FILE_UNKNOWN", message, { hint, cause });
  }
}
