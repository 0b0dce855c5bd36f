// Partition tables: MBR with extended partitions, and GPT (UEFI 2.10, chapter 5).
import type { ReadableDisk } from "../base/disk.ts";
import { BrambleError } from "../base/errors.ts";
import { fatGeometry } from "./fat/geometry.ts";
import { u16, u32 } from "./fields.ts";
import { readGpt } from "./gpt.ts";

export interface Partition {
  /** As Linux counts: 1 to 4, logical ones from 5. */
  number: number;
  /** Bytes from the start of the disk. */
  offset: number;
  size: number;
  /** MBR: two hex digits ("0c"); GPT: the type's GUID. Lower case. */
  type: string;
  name?: string;
  /** As in root=PARTUUID=…, lower case. */
  partUuid: string;
  bootable: boolean;
}

export interface PartitionTable {
  scheme: "mbr" | "gpt" | "none";
  /** MBR: eight hex digits; GPT: the disk's GUID; none: "". */
  diskId: string;
  /** Without the extended partitions themselves: they only hold others. */
  partitions: Partition[];
}

const SECTOR = 512;
const GPT_PROTECTIVE = 0xee;
const EXTENDED = new Set([0x05, 0x0f, 0x85]);
const MAX_LOGICAL = 256;

interface MbrEntry {
  slot: number;
  status: number;
  type: number;
  /** In sectors. */
  start: number;
  count: number;
}

/** The four entries of an MBR or EBR sector, empty ones too. */
function decodeEntries(sector: Uint8Array): MbrEntry[] {
  return [0, 1, 2, 3].map((slot) => {
    const at = 446 + slot * 16;
    return {
      slot,
      status: sector[at] as number,
      type: sector[at + 4] as number,
      start: u32(sector, at + 8),
      count: u32(sector, at + 12),
    };
  });
}

const used = (entry: MbrEntry): boolean => entry.type !== 0 && entry.count !== 0;

/**
 * The partition table of a disk. scheme "none" where there is none (also: a file system on the bare disk).
 * FORMAT_VALUE for a damaged table (GPT: both copies) or one whose partitions do not lie on the disk.
 */
export async function readPartitions(disk: ReadableDisk): Promise<PartitionTable> {
  const none: PartitionTable = { scheme: "none", diskId: "", partitions: [] };
  if (disk.size < SECTOR) return none;
  const sector = new Uint8Array(SECTOR);
  await disk.read(sector, 0);
  if (u16(sector, 510) !== 0xaa55) return none;
  const entries = decodeEntries(sector);
  // A boot sector of FAT or NTFS ends in 55aa too, with code or zeros where the table would be.
  if (entries.some((entry) => entry.status & 0x7f)) return none;
  if (!entries.some(used) && fatGeometry(sector, disk.size)) return none;
  const protective = entries.find((entry) => entry.type === GPT_PROTECTIVE);
  if (protective) {
    const table = await readGpt(disk, protective.start + protective.count - 1);
    for (const partition of table.partitions) mustFit(partition, disk);
    return table;
  }
  const diskId = u32(sector, 440).toString(16).padStart(8, "0");
  const partitions: Partition[] = [];
  for (const entry of entries.filter(used)) {
    if (EXTENDED.has(entry.type)) continue;
    partitions.push(mbrPartition(diskId, entry.slot + 1, entry.start, entry));
  }
  for (const entry of entries.filter((e) => used(e) && EXTENDED.has(e.type))) {
    await readLogical(disk, diskId, entry, partitions);
  }
  for (const partition of partitions) mustFit(partition, disk);
  return { scheme: "mbr", diskId, partitions: partitions.sort((a, b) => a.number - b.number) };
}

function mbrPartition(diskId: string, number: number, start: number, entry: MbrEntry): Partition {
  return {
    number,
    offset: start * SECTOR,
    size: entry.count * SECTOR,
    type: entry.type.toString(16).padStart(2, "0"),
    partUuid: `${diskId}-${number.toString(16).padStart(2, "0")}`,
    bootable: entry.status === 0x80,
  };
}

/** Follows the chain of extended boot records: data entries count from their record, links from the extended partition. */
async function readLogical(disk: ReadableDisk, diskId: string, extended: MbrEntry, found: Partition[]) {
  const seen = new Set<number>();
  const sector = new Uint8Array(SECTOR);
  let record: number | undefined = extended.start;
  let number = Math.max(4, ...found.map((p) => p.number)) + 1;
  while (record !== undefined) {
    if (seen.has(record) || seen.size >= MAX_LOGICAL) {
      throw new BrambleError(
        "FORMAT_VALUE",
        `MBR: the chain of logical partitions loops at sector ${record}`,
      );
    }
    seen.add(record);
    if ((record + 1) * SECTOR > disk.size) {
      throw new BrambleError("FORMAT_VALUE", `MBR: a logical partition's record lies outside the disk`, {
        hint: "is the image cut short?",
      });
    }
    await disk.read(sector, record * SECTOR);
    // An extended partition without logical ones may be blank.
    if (u16(sector, 510) !== 0xaa55) return;
    let next: number | undefined;
    for (const entry of decodeEntries(sector).filter(used)) {
      if (EXTENDED.has(entry.type)) next ??= extended.start + entry.start;
      else found.push(mbrPartition(diskId, number++, record + entry.start, entry));
    }
    record = next;
  }
}

function mustFit({ number, offset, size }: Partition, disk: ReadableDisk): void {
  if (offset + size <= disk.size) return;
  throw new BrambleError(
    "FORMAT_VALUE",
    `partition ${number} ends at byte ${offset + size}, the disk at ${disk.size}`,
    { hint: "is the image cut short?" },
  );
}
