import { randomUUID } from "node:crypto";
import { dirname, isAbsolute, join } from "node:path";
import type { Disk } from "../../base/disk.ts";
import { BrambleError } from "../../base/errors.ts";
import { decodeHeader, HEADER_AT, INCOMPATIBLE, type Qcow2Header, refusal } from "../../formats/qcow2.ts";
import { Commits } from "./commit.ts";
import { cloneRecord, type NewClone, writeClone } from "./create.ts";
import { type CloneStats, OpenClone, type Timer } from "./engine.ts";
import { GiveBack } from "./give-back.ts";
import { type HostFile, type OpenHostFile, openHostFile } from "./host-file.ts";
import { openImage, WarmFile } from "./image.ts";
import { Journal, openJournalFiles, readJournal } from "./journal.ts";
import type { Layer } from "./layer.ts";
import { hostBootId, lockClone, refuseIfLocked } from "./lock.ts";
import { Mapping } from "./mapping.ts";
import { Pending } from "./pending.ts";
import { Reading } from "./reading.ts";
import { placeTables, replay, usedClusters } from "./recover.ts";
import { Refcounts } from "./refcounts.ts";
import { Writing } from "./writing.ts";

/**
 * An autoclear bit of our own: this file is, or was when its process died, open for writing here. Whoever else writes to the
 * file clears bits that it does not know (docs/interop/qcow2.rst), and then our journal no longer fits.
 */
const OPEN_HERE = 1n << 62n;
/** Layers under a clone: more than four are slow, more than this are a loop. */
const MOST_LAYERS = 16;
const COMMIT_MS = 2_000;

/** A node's disk: a copy-on-write overlay over an image. */
export interface Clone extends Disk {
  readonly id: string;
  readonly generation: number;
  endBatch(): void;
  ownBytes(): number;
  ownExtents(offset: number, length: number): boolean;
  stats(): CloneStats;
  close(): Promise<void>;
}

export interface OpenOptions {
  readOnly?: boolean;
  /** The image that it must stand on. */
  sha256?: string;
  /** Without it a kill of this process loses writes that no flush covered. */
  journal?: boolean;
  /** Stands in for the host's files. */
  hostFile?: OpenHostFile;
  /** Of the host: a journal of another boot is worth nothing. */
  bootId?: string;
  timer?: Timer;
  /** Between a write and the commit that nobody asked for. */
  commitMs?: number;
}

/** A clone over a raw image: a few pages, no copy. BAD_INPUT if the path exists, IMAGE_DAMAGED if the image's size is another. */
export const createClone = (what: NewClone): Promise<void> => writeClone(what);

const systemTimer: Timer = (afterMs, act) => {
  const timer = setTimeout(act, afterMs).unref();
  return () => clearTimeout(timer);
};

/**
 * Opens a clone, for writing by one process at a time (CLONE_BUSY). What a killed process had acknowledged is taken up from
 * its journal. IMAGE_CHECKSUM: the image is not the one that the clone was made of. FORMAT_UNSUPPORTED names the feature.
 */
export async function openClone(path: string, options: OpenOptions = {}): Promise<Clone> {
  const unlock = options.readOnly ? undefined : lockClone(path);
  const closing: { close(): void }[] = [];
  try {
    if (!unlock) refuseIfLocked(path);
    const file = (options.hostFile ?? openHostFile)(path, unlock ? "write" : "read");
    closing.push(file);
    const header = readHeader(file, path, unlock !== undefined);
    const record = cloneRecord(header);
    if (options.sha256 !== undefined && record?.image.sha256 !== options.sha256)
      throw new BrambleError("IMAGE_CHECKSUM", `${path} stands on another image than ${options.sha256}`);
    const below = openBelow(path, header, 1);
    if (below) closing.push(below);
    const reading = new Reading(new Mapping(file, header), new WarmFile(file, file.size()), below);
    const id = record?.id ?? randomUUID();
    if (unlock && reading.mapping.packed.size > 0)
      throw new BrambleError(
        "FORMAT_UNSUPPORTED",
        `${path}: writing to a file with compressed clusters is not supported`,
        {
          hint: "open it read-only, or convert it with qemu-img convert -O qcow2",
        },
      );
    if (!unlock) {
      replayToRead(path, header, reading.mapping, options);
      return new OpenClone(id, reading);
    }
    return await openToWrite({ path, header, reading, id, unlock, closing }, options);
  } catch (error) {
    for (const thing of closing) thing.close();
    unlock?.();
    throw error;
  }
}

function readHeader(file: HostFile, path: string, write: boolean): Qcow2Header {
  const bytes = new Uint8Array(Math.min(65536, Math.max(file.size(), 1)));
  file.read(bytes, 0);
  const header = decodeHeader(bytes);
  const refused = refusal(header, { write });
  if (refused !== undefined)
    throw new BrambleError("FORMAT_UNSUPPORTED", `${path}: ${refused} is not supported`, {
      hint: "qemu-img convert -O qcow2 makes a plain file of it",
    });
  return header;
}

function openBelow(path: string, header: Qcow2Header, depth: number): Layer | undefined {
  if (!header.backing) return undefined;
  if (depth > MOST_LAYERS)
    throw new BrambleError("FORMAT_VALUE", `${path}: more than ${MOST_LAYERS} layers, or a loop of them`);
  const { file: name, format } = header.backing;
  const at = isAbsolute(name) ? name : join(dirname(path), name);
  if (format === "raw") return openBaseImage(path, at, header);
  if (format !== "qcow2")
    throw new BrambleError(
      "FORMAT_UNSUPPORTED",
      `${path}: a backing file of format ${format} is not supported`,
    );
  refuseIfLocked(at);
  const file = openHostFile(at, "read");
  let below: Layer | undefined;
  try {
    const inner = readHeader(file, at, false);
    below = openBelow(at, inner, depth + 1);
    return new Reading(new Mapping(file, inner), new WarmFile(file, file.size()), below);
  } catch (error) {
    below?.close();
    file.close();
    throw error;
  }
}

function openBaseImage(path: string, at: string, header: Qcow2Header): Layer {
  const image = openImage(at);
  const expected = cloneRecord(header)?.image;
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

/** What a killed process had acknowledged, for a reader: in memory only. */
function replayToRead(path: string, header: Qcow2Header, mapping: Mapping, options: OpenOptions): void {
  if ((header.autoclear & OPEN_HERE) === 0n) return;
  const files = openJournalFiles(path, options.hostFile ?? openHostFile, false);
  replay(mapping, readJournal(files, options.bootId ?? hostBootId()).records);
  for (const file of files) file.close();
}

interface Opening {
  path: string;
  header: Qcow2Header;
  reading: Reading;
  id: string;
  unlock: () => void;
  closing: { close(): void }[];
}

async function openToWrite(opening: Opening, options: OpenOptions): Promise<Clone> {
  const { path, header, reading } = opening;
  const { mapping, own } = reading;
  const file = own.file;
  const refcounts = new Refcounts(file, header);
  const wasOpen = (header.autoclear & OPEN_HERE) !== 0n;
  const journalFiles = openJournalFiles(path, options.hostFile ?? openHostFile, true);
  opening.closing.push(...journalFiles);
  const bootId = options.bootId ?? hostBootId();
  const { records, sequence } = readJournal(wasOpen ? journalFiles : [], bootId);
  const pending = new Pending(mapping, undefined);
  const giveBack = new GiveBack(file, refcounts, mapping.geometry.clusterSize);
  const parts = { file, mapping, refcounts, giveBack, l1Offset: header.l1Offset };
  replay(mapping, records, pending);
  const dirty = (header.incompatible & INCOMPATIBLE.dirty) !== 0n;
  // Of our own files we know all that may use a cluster; a power cut may have left some counted and unused.
  if (wasOpen || dirty || cloneRecord(header)) refcounts.recount(usedClusters(header, mapping));
  if (wasOpen || dirty) {
    placeTables(mapping, refcounts, pending);
    // Also without records: the page cache may be ahead of the disk, and nothing may be reused before the disk agrees.
    pending.data = true;
    await new Commits({ ...parts, pending, journal: undefined }).flush();
  }
  for (const half of journalFiles) half.truncate(0); // before the bit that would have them replayed
  writeFeatures(file, header.incompatible & ~INCOMPATIBLE.dirty, OPEN_HERE);
  const [a, b] = journalFiles as [HostFile, HostFile];
  const journal =
    options.journal === false || bootId === "" ? undefined : new Journal([a, b], bootId, sequence);
  if (!journal)
    for (const half of journalFiles) {
      half.remove();
      half.close();
    }
  refcounts.buildFreeList();
  const live = new Pending(mapping, journal);
  const commits = new Commits({ ...parts, pending: live, journal });
  const writing = new Writing({ reading, refcounts, pending: live });
  const seal = async () => {
    refcounts.writeDirty();
    await file.sync("mapping");
    writeFeatures(file, header.incompatible & ~INCOMPATIBLE.dirty, 0n);
  };
  return new OpenClone(opening.id, reading, {
    ...{ writing, pending: live, commits, refcounts, journal, giveBack, seal, unlock: opening.unlock },
    timer: options.timer ?? systemTimer,
    commitMs: options.commitMs ?? COMMIT_MS,
  });
}

/** The three feature words of the header in one write: bits that we do not know are cleared from the third. */
function writeFeatures(file: HostFile, incompatible: bigint, autoclear: bigint): void {
  const words = new Uint8Array(8);
  const view = new DataView(words.buffer);
  view.setBigUint64(0, autoclear);
  file.write(words.slice(), HEADER_AT.autoclear);
  view.setBigUint64(0, incompatible);
  file.write(words, HEADER_AT.incompatible);
}
