import assert from "node:assert/strict";
import { test } from "node:test";
import { readJournal } from "./journal.ts";
import type { Volume } from "./volume.ts";

const BLOCK = 1024;
/** The log's block n lies here on the disk. */
const PLACE = 500;
const MAGIC = 0xc03b3998;

type Written = { block: number; escaped?: boolean };
/** What one transaction says: blocks that it wrote, and blocks that it freed. */
interface Transaction {
  writes?: Written[];
  revokes?: number[];
}

/** A block of big-endian words. */
function block(...words: number[]): Uint8Array {
  const bytes = new Uint8Array(BLOCK);
  const view = new DataView(bytes.buffer);
  words.forEach((word, i) => {
    view.setUint32(i * 4, word);
  });
  return bytes;
}

/** A journal without checksums (fs/jbd2: journal_header_s, journal_block_tag_s, jbd2_journal_revoke_header_s), in a file of its own. */
function replay(firstSequence: number, transactions: Transaction[]) {
  const log: Uint8Array[] = [];
  transactions.forEach(({ writes = [], revokes = [] }, i) => {
    const sequence = (firstSequence + i) >>> 0;
    const tags = writes.flatMap(({ block: to, escaped }, n) => {
      const flags = (escaped ? 1 : 0) | 2 | (n === writes.length - 1 ? 8 : 0);
      return [to, flags];
    });
    if (writes.length > 0)
      log.push(block(MAGIC, 1, sequence, ...tags), ...writes.map(({ block: to }) => block(0, to)));
    if (revokes.length > 0) log.push(block(MAGIC, 5, sequence, 16 + revokes.length * 4, ...revokes));
    log.push(block(MAGIC, 2, sequence));
  });
  const length = log.length + 3;
  const file = [block(MAGIC, 4, 0, BLOCK, length, 1, firstSequence, 1, 0, 0, 1), ...log, block(), block()];
  const volume = {
    superblock: { journalInode: 8, blockSize: BLOCK, blocks: 1000 },
    inode: async () => ({ kind: "file", size: length * BLOCK }),
    readBlocks: async (_: unknown, into: Uint8Array, at: number) =>
      into.set(file[at / BLOCK] ?? assert.fail()),
    locate: async (_: unknown, at: number) => ({ physical: PLACE + at, count: 1 }),
  };
  return readJournal(volume as unknown as Volume);
}

test("a block that the same or a later transaction freed does not come back, one written after that does", async () => {
  const { blocks, transactions } = await replay(5, [
    { writes: [{ block: 70 }, { block: 71 }], revokes: [72] },
    { writes: [{ block: 72 }, { block: 73 }], revokes: [70, 73] },
    { writes: [{ block: 74 }] },
  ]);
  assert.equal(transactions, 3);
  assert.deepEqual([...blocks.keys()].sort(), [71, 72, 74]);
});

test("a block that was freed twice stays away until it is written after the second time", async () => {
  const { blocks } = await replay(5, [
    { revokes: [70] },
    { writes: [{ block: 70 }, { block: 71 }] },
    { revokes: [70] },
  ]);
  assert.deepEqual([...blocks.keys()], [71]);
});

test("transactions are counted round 2^32", async () => {
  const { blocks, transactions } = await replay(0xffffffff, [
    { writes: [{ block: 70 }], revokes: [71] },
    { writes: [{ block: 71 }], revokes: [70] },
  ]);
  assert.equal(transactions, 2);
  assert.deepEqual([...blocks.keys()], [71]);
});

test("the last version of a block counts, and whether that one had the journal's magic number in it", async () => {
  const { blocks, escaped } = await replay(5, [
    { writes: [{ block: 70, escaped: true }, { block: 71 }] },
    { writes: [{ block: 70 }, { block: 71, escaped: true }] },
  ]);
  // The log: descriptor 1, data 2 and 3, commit 4, descriptor 5, data 6 and 7.
  assert.deepEqual(
    [...blocks],
    [
      [70, (PLACE + 6) * BLOCK],
      [71, (PLACE + 7) * BLOCK],
    ],
  );
  assert.deepEqual([...escaped], [71]);
});
