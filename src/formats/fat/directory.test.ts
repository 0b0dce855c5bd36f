import assert from "node:assert/strict";
import { test } from "node:test";
import { decodeDirectory } from "./directory.ts";

const SHORT = "LONGNA~1TXT";
const NAME = "long name of two.txt";

/** Microsoft's ChkSum() over the eleven bytes of a short name (FAT specification 1.03, "Long directory entries"). */
const checksum = (short: string) =>
  [...Buffer.from(short)].reduce((sum, byte) => (((sum & 1) << 7) + (sum >> 1) + byte) & 255, 0);

function shortRecord(name = SHORT): Buffer {
  const record = Buffer.alloc(32);
  record.write(name, "latin1");
  record[11] = 0x20;
  return record;
}

/** The records of a long name, last part first. */
function longRecords(name = NAME, sum = checksum(SHORT)): Buffer[] {
  const units = [...name].map((c) => c.charCodeAt(0));
  const count = Math.ceil(units.length / 13);
  units.push(0);
  while (units.length < count * 13) units.push(0xffff);
  const places = [1, 3, 5, 7, 9, 14, 16, 18, 20, 22, 24, 28, 30];
  return Array.from({ length: count }, (_, i) => {
    const record = Buffer.alloc(32);
    record[0] = (i + 1) | (i + 1 === count ? 0x40 : 0);
    record[11] = 0x0f;
    record[13] = sum;
    places.forEach((at, unit) => {
      record.writeUInt16LE(units[i * 13 + unit] as number, at);
    });
    return record;
  }).reverse();
}

const names = (...records: Buffer[]) =>
  decodeDirectory(Buffer.concat(records)).entries.map(({ name, shortName }) => [name, shortName]);

test("decodeDirectory() joins the parts of a long name that carries its short name's checksum", () => {
  assert.deepEqual(names(...longRecords(), shortRecord()), [[NAME, "LONGNA~1.TXT"]]);
});

test("decodeDirectory() drops a long name that belongs to no short name: an old system renamed or removed it", () => {
  const short = [["LONGNA~1.TXT", "LONGNA~1.TXT"]];
  const [last, first] = longRecords() as [Buffer, Buffer];
  assert.deepEqual(names(...longRecords(NAME, checksum("OTHER      ")), shortRecord()), short);
  assert.deepEqual(names(last, longRecords(NAME, 7)[1] as Buffer, shortRecord()), short);
  assert.deepEqual(names(first, shortRecord()), short);
  assert.deepEqual(names(last, shortRecord()), short);
  assert.deepEqual(names(first, last, shortRecord()), short);
  const deleted = shortRecord();
  deleted[0] = 0xe5;
  assert.deepEqual(names(last, first, deleted, shortRecord()), short);
});
