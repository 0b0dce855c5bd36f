// What nodes print, boot by boot: netconsole and syslog. The newest 256 KiB of each boot are kept, in its record.
import type { ConsoleLine, ConsoleView } from "../../api/observe-contract.ts";
import type { Node } from "../../fleet/node.ts";
import type { Book } from "../../storage/book.ts";

/** A boot's ring (spec observability.md 7.2). */
const RING_BYTES = 256 * 1024;
const CHUNK_BYTES = 16 * 1024;
/** Not yet in the book: of one boot, and of all. What comes faster is dropped and counted. */
const PENDING_BYTES = 128 * 1024;
const ALL_PENDING_BYTES = 16 * 1024 * 1024;
const FLUSH_MS = 500;
const MOST_CHARACTERS = 1_000;
const MOST_LINES = 5_000;
/** Boots whose numbers are remembered; of others they are read from the book again. */
const MOST_OPEN = 2_000;

type Heard = Pick<ConsoleLine, "source" | "text"> & Partial<Pick<ConsoleLine, "severity" | "app">>;

interface Ring {
  nodeId: string;
  bootId: string;
  pending: ConsoleLine[];
  pendingBytes: number;
  dropped: number;
  /** From the book: number of the next line, and what it holds of this boot. */
  state?: { next: number; bytes: number };
}

export interface ConsoleBook {
  hear(node: Node, bootId: string | undefined, line: Heard, atMs: number): void;
  /** Lines after number `after`, oldest first. Without a boot: of the node's last one that printed anything. */
  read(node: Node, wish: { boot?: string; after?: number; limit?: number }): Promise<ConsoleView>;
  flush(): Promise<void>;
  close(): Promise<void>;
}

export function consoleBook(book: Book, failed: (error: unknown) => void): ConsoleBook {
  const rings = new Map<string, Ring>();
  let pending = 0;
  let timer: NodeJS.Timeout | undefined;
  let writing: Promise<void> = Promise.resolve();

  function ringOf(nodeId: string, bootId: string): Ring {
    const key = `${nodeId} ${bootId}`;
    const ring = rings.get(key) ?? { nodeId, bootId, pending: [], pendingBytes: 0, dropped: 0 };
    rings.delete(key);
    rings.set(key, ring);
    for (const [old, { pending: lines }] of rings) {
      if (rings.size <= MOST_OPEN) break;
      if (lines.length === 0) rings.delete(old);
      else break;
    }
    return ring;
  }

  async function save(ring: Ring, lines: ConsoleLine[]): Promise<void> {
    const of = { nodeId: ring.nodeId, bootId: ring.bootId };
    await book.transaction().execute(async (trx) => {
      const kept = () =>
        trx.selectFrom("consoleChunk").where("nodeId", "=", of.nodeId).where("bootId", "=", of.bootId);
      const state = ring.state ?? (await stateOf(trx, of));
      let { next, bytes } = state;
      for (const chunk of chunks(lines)) {
        const size = chunk.reduce((sum, line) => sum + line.text.length, 0);
        const atMs = chunk.at(-1)?.atMs ?? 0;
        const row = { ...of, first: next, count: chunk.length, atMs, bytes: size };
        const numbered = chunk.map((line, i) => ({ ...line, seq: next + i }));
        await trx
          .insertInto("consoleChunk")
          .values({ ...row, lines: JSON.stringify(numbered) })
          .execute();
        next += chunk.length;
        bytes += size;
      }
      while (bytes > RING_BYTES) {
        const oldest = await kept().select(["first", "bytes"]).orderBy("first").limit(1).executeTakeFirst();
        if (!oldest) break;
        await trx
          .deleteFrom("consoleChunk")
          .where("nodeId", "=", of.nodeId)
          .where("bootId", "=", of.bootId)
          .where("first", "=", oldest.first)
          .execute();
        bytes -= oldest.bytes;
      }
      ring.state = { next, bytes };
    });
  }

  function flush(): Promise<void> {
    clearTimeout(timer);
    timer = undefined;
    const batches = [...rings.values()].filter((ring) => ring.pending.length > 0);
    const work = batches.map((ring) => {
      const { pending: lines, dropped } = ring;
      if (dropped > 0)
        lines.push(note(`${dropped} lines were not kept: they came too fast`, lines.at(-1)?.atMs ?? 0));
      Object.assign(ring, { pending: [], pendingBytes: 0, dropped: 0 });
      return { ring, lines };
    });
    pending = 0;
    if (work.length > 0) {
      writing = writing
        .then(async () => {
          for (const { ring, lines } of work) await save(ring, lines);
        })
        .catch(failed);
    }
    return writing;
  }

  return {
    hear(node, bootId = "", heard, atMs) {
      const text = printable(heard.text);
      if (text === "") return;
      const ring = ringOf(node.id, bootId);
      const bytes = text.length;
      if (
        ring.pendingBytes + bytes > PENDING_BYTES ||
        pending + bytes > ALL_PENDING_BYTES ||
        ring.pending.length >= MOST_LINES
      ) {
        ring.dropped += 1;
        return;
      }
      ring.pending.push({ seq: 0, atMs, ...heard, text });
      ring.pendingBytes += bytes;
      pending += bytes;
      timer ??= setTimeout(() => void flush(), FLUSH_MS);
    },

    async read(node, { boot, after = 0, limit = 1_000 }) {
      await flush();
      const of = boot ?? (await lastPrinted(book, node.id));
      const most = Math.min(Math.max(1, limit), MOST_LINES);
      const chunksOf = await book
        .selectFrom("consoleChunk")
        .select(["lines", "first"])
        .where("nodeId", "=", node.id)
        .where("bootId", "=", of ?? "")
        .where((e) => e(e("first", "+", e.ref("count")), ">", after + 1))
        .orderBy("first")
        .execute();
      const lines = chunksOf
        .flatMap((row) => JSON.parse(row.lines) as ConsoleLine[])
        .filter(({ seq }) => seq > after);
      // Without a place to go on from, the newest are wanted.
      const shown = after === 0 ? lines.slice(-most) : lines.slice(0, most);
      return { node: node.name, boot: of ?? "", lines: shown, last: shown.at(-1)?.seq ?? after };
    },
    flush,
    close: flush,
  };
}

const note = (text: string, atMs: number): ConsoleLine => ({ seq: 0, atMs, source: "bramble", text });

async function stateOf(book: Book, { nodeId, bootId }: { nodeId: string; bootId: string }) {
  const row = await book
    .selectFrom("consoleChunk")
    .select((e) => [
      e.fn.sum<number>("bytes").as("bytes"),
      e.fn.max(e("first", "+", e.ref("count"))).as("next"),
    ])
    .where("nodeId", "=", nodeId)
    .where("bootId", "=", bootId)
    .executeTakeFirst();
  return { next: Number(row?.next ?? 1) || 1, bytes: Number(row?.bytes ?? 0) };
}

async function lastPrinted(book: Book, nodeId: string): Promise<string | undefined> {
  const row = await book
    .selectFrom("consoleChunk")
    .select("bootId")
    .where("nodeId", "=", nodeId)
    .orderBy("atMs", "desc")
    .limit(1)
    .executeTakeFirst();
  return row?.bootId;
}

function* chunks(lines: readonly ConsoleLine[]): Generator<ConsoleLine[]> {
  let chunk: ConsoleLine[] = [];
  let bytes = 0;
  for (const line of lines) {
    chunk.push(line);
    bytes += line.text.length;
    if (bytes < CHUNK_BYTES) continue;
    yield chunk;
    chunk = [];
    bytes = 0;
  }
  if (chunk.length > 0) yield chunk;
}

/** Control characters, escape sequences among them, would spoil a terminal. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
const CONTROL = /\u001b\[[0-9;?]*[ -/]*[@-~]|[\u0000-\u0008\u000a-\u001f\u007f-\u009f]/g;
const printable = (text: string): string => text.slice(0, MOST_CHARACTERS).replace(CONTROL, "").trimEnd();
