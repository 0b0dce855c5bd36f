// Server-sent events (WHATWG HTML 9.2): what happened, with ids to go on from; what changed, without.
import type { ServerResponse } from "node:http";
import { BrambleError } from "../base/errors.ts";
import type { EventView } from "./event-contract.ts";

/** What a reader has not taken yet, in bytes; more, and it is cut off: it comes again by itself and goes on where it was. */
const BEHIND = 1 << 20;
const MOST_READERS = 256;
const HEARTBEAT_MS = 15_000;
/** Changes of one thing within this time are one message. */
const TOGETHER_MS = 100;
const REPLAY = 500;

/** What changed; `node`: whose it is, where the id is not a node's own. */
interface Change {
  about: string;
  id: string;
  node?: string;
}

export interface StreamSource {
  /** Events behind an id, oldest first, `limit` at most. */
  since(after: number, limit: number): Promise<EventView[]>;
  /** The ids of the oldest and newest event that are kept; 0 where there are none. */
  ends(): Promise<{ oldest: number; newest: number }>;
  listen(told: (news: { event: EventView } | Change) => void): () => void;
}

export interface Reader {
  /** Whose events these are: a tenant sees its own nodes only. */
  sees(about: string, node: string | undefined): boolean;
}

interface Connection extends Reader {
  out: ServerResponse;
  /** Events up to this id were sent. */
  sent: number;
  /** The newest that was told since it is here. */
  told: number;
  /** It reads what happened before: news waits for that. */
  catchingUp: boolean;
}

/** All readers of one server. News is written out as text once, for all. */
export function streams(source: StreamSource) {
  const readers = new Set<Connection>();
  const changed = new Map<string, Change>();
  let timer: NodeJS.Timeout | undefined;
  let dropped = 0;

  function write(reader: Connection, text: string): void {
    if (reader.out.writableLength > BEHIND) {
      dropped += 1;
      reader.out.destroy();
      return;
    }
    reader.out.write(text);
  }
  const eventText = (event: EventView) => `id: ${event.id}\nevent: event\ndata: ${JSON.stringify(event)}\n\n`;

  function sendEvent(event: EventView): void {
    const text = eventText(event);
    for (const reader of readers) {
      reader.told = event.id;
      if (reader.catchingUp || event.id <= reader.sent) continue;
      reader.sent = event.id;
      if (reader.sees("event", event.node)) write(reader, text);
    }
  }
  function sendChanges(): void {
    timer = undefined;
    for (const change of changed.values()) {
      const text = `event: change\ndata: ${JSON.stringify(change)}\n\n`;
      for (const reader of readers)
        if (reader.sees(change.about, change.node ?? change.id)) write(reader, text);
    }
    changed.clear();
  }
  const quit = source.listen((news) => {
    if (readers.size === 0) return;
    if ("event" in news) return sendEvent(news.event);
    const { about, id, node } = news;
    changed.set(`${about} ${id}`, { about, id, ...(node !== undefined && { node }) });
    timer ??= setTimeout(sendChanges, TOGETHER_MS);
  });
  const beating = setInterval(() => {
    for (const reader of readers) write(reader, ": still here\n\n");
  }, HEARTBEAT_MS);
  beating.unref();

  /** Waits until a reader has taken what it was sent, or is gone. */
  const taken = (out: ServerResponse) =>
    new Promise<void>((resolve) => {
      if (!out.writableNeedDrain || out.destroyed) return resolve();
      const done = () => {
        out.off("drain", done);
        out.off("close", done);
        resolve();
      };
      out.on("drain", done);
      out.on("close", done);
    });

  async function replay(reader: Connection): Promise<void> {
    for (;;) {
      const events = await source.since(reader.sent, REPLAY);
      for (const event of events) {
        reader.sent = event.id;
        if (reader.sees("event", event.node)) reader.out.write(eventText(event));
      }
      await taken(reader.out);
      // what was told while it read stands in the book: it is read, too, before news goes out as it comes
      if (reader.out.destroyed || (events.length === 0 && reader.told <= reader.sent)) return;
    }
  }

  return {
    mustHaveRoom(): void {
      if (readers.size < MOST_READERS) return;
      throw new BrambleError("TOO_MANY", `${MOST_READERS} streams are open already`);
    },
    /** `after`: the last event that it has; absent: from now on. */
    async open(out: ServerResponse, reader: Reader, after: number | undefined): Promise<void> {
      const { oldest, newest } = await source.ends();
      const connection: Connection = { ...reader, out, sent: after ?? newest, told: 0, catchingUp: true };
      readers.add(connection);
      out.once("close", () => readers.delete(connection));
      out.writeHead(200, {
        "content-type": "text/event-stream",
        "cache-control": "no-store",
        "x-accel-buffering": "no",
      });
      out.write("retry: 1000\n\n");
      const isGone = after !== undefined && (after > newest || (oldest > 0 && after < oldest - 1));
      if (isGone) {
        write(connection, `event: reset\ndata: ${JSON.stringify({ oldest, newest })}\n\n`);
        if (after > newest) connection.sent = 0; // ids of another book
      }
      await replay(connection).catch((error: Error) => out.destroy(error));
      connection.catchingUp = false;
    },
    counts: () => ({ readers: readers.size, dropped }),
    close(): void {
      quit();
      clearInterval(beating);
      clearTimeout(timer);
      for (const { out } of readers) out.end();
      readers.clear();
    },
  };
}
export type Streams = ReturnType<typeof streams>;
