import { randomUUID } from "node:crypto";
import type { Disk } from "../../base/disk.ts";
import { BrambleError } from "../../base/errors.ts";
import { INCOMPATIBLE } from "../../formats/qcow2.ts";
import { Chain, type ChainEvent } from "./chain.ts";
import { Commits } from "./commit.ts";
import { cloneRecord, type NewClone, writeClone, writeVolume } from "./create.ts";
import { type CloneStats, OpenClone, type Timer } from "./engine.ts";
import { GiveBack } from "./give-back.ts";
import { OPEN_HERE, readHeader } from "./header-edit.ts";
import { type HostFile, type OpenHostFile, openHostFile } from "./host-file.ts";
import { type HostFolder, hostFolder } from "./host-folder.ts";
import { Journal, openJournalFiles, readJournal } from "./journal.ts";
import type { Host } from "./layers-index.ts";
import { hostBootId, lockClone, refuseIfLocked } from "./lock.ts";
import { Mapping } from "./mapping.ts";
import { openBelow, QcowLayer } from "./open-layers.ts";
import { Pending } from "./pending.ts";
import { Quota } from "./quota.ts";
import { placeTables, replay, usedClusters } from "./recover.ts";
import { Refcounts } from "./refcounts.ts";
import { Writer } from "./writer.ts";

const COMMIT_MS = 2_000;

/** A node's disk: a copy-on-write overlay over an image, or (a volume) over nothing. */
export interface Clone extends Disk {
  readonly id: string;
  readonly generation: number;
  /** What is done to its files: snapshots, rollback, growth. Undefined where it is open read-only, or not of our making. */
  readonly chain: Chain | undefined;
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
  /** These two stand in for the host's files. */
  hostFile?: OpenHostFile;
  hostFolder?: HostFolder;
  /** Of the host: a journal of another boot is worth nothing. */
  bootId?: string;
  timer?: Timer;
  /** Between a write and the commit that nobody asked for. */
  commitMs?: number;
  /** Quota, merges. */
  on?: (event: ChainEvent) => void;
  /** False: merges that an earlier process left undone wait until somebody asks. */
  merges?: boolean;
}

/** A clone over a raw image: a few pages, no copy. BAD_INPUT if the path exists, IMAGE_DAMAGED if the image's size is another. */
export const createClone = (what: NewClone): Promise<void> => writeClone(what);
/** A disk without an image, zeros at first. BAD_INPUT if the path exists. */
export const createVolume = (what: { path: string; size: number }): Promise<void> => writeVolume(what);

const systemTimer: Timer = (afterMs, act) => {
  const timer = setTimeout(act, afterMs).unref();
  return () => clearTimeout(timer);
};

/**
 * Opens a clone, for writing by one process at a time (CLONE_BUSY). What a killed process had acknowledged is taken up from
 * its journal. IMAGE_CHECKSUM: the image is not the one that the clone was made of; FILE_UNKNOWN: it, or a layer, is missing;
 * CLONE_DAMAGED: a layer was changed. FORMAT_UNSUPPORTED names the feature.
 */
export async function openClone(path: string, options: OpenOptions = {}): Promise<Clone> {
  const host: Host = { open: options.hostFile ?? openHostFile, folder: options.hostFolder ?? hostFolder };
  const unlock = options.readOnly ? undefined : lockClone(path);
  const closing: { close(): void }[] = [];
  try {
    if (!unlock) refuseIfLocked(path);
    const file = host.open(path, unlock ? "write" : "read");
    closing.push(file);
    const header = readHeader(file, path, unlock !== undefined);
    const record = cloneRecord(header);
    if (options.sha256 !== undefined && record?.image?.sha256 !== options.sha256)
      throw new BrambleError("IMAGE_CHECKSUM", `${path} stands on another image than ${options.sha256}`);
    const below = openBelow(path, header, host.open);
    if (below) closing.push(below);
    const reading = new QcowLayer({ path, header, file, mapping: new Mapping(file, header) }, below);
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
      replayToRead(reading, host, options);
      return new OpenClone(id, reading);
    }
    return await openToWrite({ reading, id, unlock, closing, host }, options);
  } catch (error) {
    for (const thing of closing) thing.close();
    unlock?.();
    throw error;
  }
}

/** What a killed process had acknowledged, for a reader: in memory only. */
function replayToRead({ path, header, mapping }: QcowLayer, host: Host, options: OpenOptions): void {
  if ((header.autoclear & OPEN_HERE) === 0n) return;
  const files = openJournalFiles(path, host.open, false);
  replay(mapping, readJournal(files, options.bootId ?? hostBootId()).records);
  for (const file of files) file.close();
}

interface Opening {
  reading: QcowLayer;
  id: string;
  unlock: () => void;
  closing: { close(): void }[];
  host: Host;
}

async function openToWrite(opening: Opening, options: OpenOptions): Promise<Clone> {
  const { reading, host, unlock, id } = opening;
  const { path, header } = reading;
  const refcounts = new Refcounts(reading.own.file, header);
  const journalFiles = openJournalFiles(path, host.open, true) as [HostFile, HostFile];
  opening.closing.push(...journalFiles);
  const bootId = options.bootId ?? hostBootId();
  const sequence = await recover(reading, refcounts, journalFiles, bootId);
  for (const half of journalFiles) half.truncate(0); // before the bit that would have them replayed
  const journal =
    options.journal === false || bootId === "" ? undefined : new Journal(journalFiles, bootId, sequence);
  const quota = new Quota(
    () => clone.ownBytes(),
    (event) => options.on?.({ kind: "quota", ...event }),
  );
  refcounts.buildFreeList();
  const writer = new Writer(reading, refcounts, { journal, quota });
  writer.opened();
  if (!journal)
    for (const half of journalFiles) {
      half.remove();
      half.close();
    }
  const timing = { timer: options.timer ?? systemTimer, commitMs: options.commitMs ?? COMMIT_MS };
  const clone = new OpenClone(id, reading, { writer, journal, unlock, ...timing });
  if (!cloneRecord(header)) return clone;
  const on = options.on ?? (() => {});
  clone.chain = new Chain({ clone, path, host, journal, quota, on, now: Date.now });
  if (options.merges !== false) clone.chain.start();
  return clone;
}

/** Takes up the journal of a killed process and sets right what a crash left; gives the journal's next number. */
async function recover(
  reading: QcowLayer,
  refcounts: Refcounts,
  journalFiles: HostFile[],
  bootId: string,
): Promise<number> {
  const { mapping, header } = reading;
  const { file } = reading.own;
  const wasOpen = (header.autoclear & OPEN_HERE) !== 0n;
  const { records, sequence } = readJournal(wasOpen ? journalFiles : [], bootId);
  const pending = new Pending(mapping, undefined);
  replay(mapping, records, pending);
  const dirty = (header.incompatible & INCOMPATIBLE.dirty) !== 0n;
  // Of our own files we know all that may use a cluster; a power cut may have left some counted and unused.
  if (wasOpen || dirty || cloneRecord(header)) refcounts.recount(usedClusters(header, mapping));
  if (!wasOpen && !dirty) return sequence;
  placeTables(mapping, refcounts, pending);
  // Also without records: the page cache may be ahead of the disk, and nothing may be reused before the disk agrees.
  pending.data = true;
  const giveBack = new GiveBack(file, refcounts, mapping.geometry.clusterSize);
  await new Commits({
    ...{ file, mapping, refcounts, pending, giveBack, journal: undefined, l1Offset: header.l1Offset },
  }).flush();
  return sequence;
}
