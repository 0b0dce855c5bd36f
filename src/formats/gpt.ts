// GUID partition table: UEFI 2.10, 5.3. The backup header is read where the first is damaged.

import { crc32 } from "../base/crc32c.ts";
import type { ReadableDisk } from "../base/disk.ts";
import { BrambleError } from "../base/errors.ts";
import { latin1 } from "../base/text.ts";
import { u16, u32, u64 } from "./fields.ts";
import type { PartitionTable } from "./partitions.ts";
import { guid } from "./uuid.ts";

const MAX_TABLE = 1 << 20;
const ZERO_GUID = "00000000-0000-0000-0000-000000000000";

/** `lastLba`: where the protective MBR says that the disk ended when it was partitioned (a clone may be larger). */
export async function readGpt(disk: ReadableDisk, lastLba: number): Promise<PartitionTable> {
  const faults: string[] = [];
  for (const sector of [512, 4096]) {
    const end = Math.floor(disk.size / sector) - 1;
    for (const lba of new Set([1, end, lastLba])) {
      const table = await readCopy(disk, lba, sector);
      if (typeof table !== "string") return table;
      if (sector === 512) faults.push(`at sector ${lba}: ${table}`);
    }
  }
  throw new BrambleError("FORMAT_VALUE", `GPT: no copy of the table is sound (${faults.join("; ")})`);
}

/** One header with its entries, or what is wrong with it. */
async function readCopy(disk: ReadableDisk, lba: number, sector: number): Promise<PartitionTable | string> {
  if (lba < 1 || (lba + 1) * sector > disk.size) return "outside the disk";
  const header = new Uint8Array(sector);
  await disk.read(header, lba * sector);
  if (latin1(header.subarray(0, 8)) !== "EFI PART") return "no header";
  const headerSize = u32(header, 12);
  if (headerSize < 92 || headerSize > sector) return "header size";
  const sum = u32(header, 16);
  header.fill(0, 16, 20);
  if (crc32(header.subarray(0, headerSize)) !== sum) return "header checksum";
  if (u64(header, 24) !== lba) return "header belongs elsewhere";
  const count = u32(header, 80);
  const entrySize = u32(header, 84);
  const at = u64(header, 72) * sector;
  if (entrySize < 128 || entrySize % 8 || count * entrySize > MAX_TABLE) return "entry size";
  if (at + count * entrySize > disk.size) return "entries outside the disk";
  const entries = new Uint8Array(count * entrySize);
  await disk.read(entries, at);
  if (crc32(entries) !== u32(header, 88)) return "checksum of the entries";
  return { scheme: "gpt", diskId: guid(header, 56), partitions: decodeEntries(entries, entrySize, sector) };
}

function decodeEntries(entries: Uint8Array, entrySize: number, sector: number): PartitionTable["partitions"] {
  const partitions: PartitionTable["partitions"] = [];
  for (let i = 0; i * entrySize < entries.length; i++) {
    const entry = entries.subarray(i * entrySize, (i + 1) * entrySize);
    const type = guid(entry, 0);
    if (type === ZERO_GUID) continue;
    const first = u64(entry, 32);
    const last = u64(entry, 40);
    if (last < first || last > Number.MAX_SAFE_INTEGER / 8192) {
      throw new BrambleError("FORMAT_VALUE", `GPT: partition ${i + 1} ends before it starts`);
    }
    partitions.push({
      number: i + 1,
      offset: first * sector,
      size: (last - first + 1) * sector,
      type,
      name: utf16(entry, 56, 36),
      partUuid: guid(entry, 16),
      // Attribute bit 2: legacy BIOS bootable (UEFI table 5.8).
      bootable: ((entry[48] as number) & 4) !== 0,
    });
  }
  return partitions;
}

function utf16(bytes: Uint8Array, at: number, units: number): string {
  let text = "";
  for (let i = 0; i < units; i++) {
    const unit = u16(bytes, at + i * 2);
    if (unit === 0) break;
    text += String.fromCharCode(unit);
  }
  return text;
}
