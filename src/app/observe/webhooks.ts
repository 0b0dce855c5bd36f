// Tells web servers of events. What is still to be sent stands in the book: nothing is lost by a kill, and nothing grows without end.
import { randomUUID } from "node:crypto";
import type { Selectable } from "kysely";
import { BrambleError } from "../../base/errors.ts";
import type { Book, Tables } from "../../storage/book.ts";
import type { NewsDesk } from "../news.ts";
import { newWebhookSecret, webhookKey } from "./signature.ts";
import { type Posted, postSigned } from "./webhook-post.ts";

type Webhook = Selectable<Tables["webhook"]>;

/** After each failure; after the last one a letter is dead. */
const BACK_OFF_MS = [5_000, 15_000, 60_000, 300_000, 900_000, 3_600_000, 10_800_000, 21_600_000];
/** Letters that wait for one webhook: when there are so many, events stay in the book until there is room. */
const MOST_WAITING = 1_000;
const MOST_DEAD = 1_000;
const AT_ONCE = 4;
const BATCH = 200;
const MOST_WEBHOOKS = 32;

export interface WebhookOptions {
  book: Book;
  news: NewsDesk;
  now(): number;
  /** The node's name by its id. */
  nameOf(nodeId: string): string;
  /** An attempt has ended. */
  sent?(result: "delivered" | "failed" | "dead"): void;
  failed(error: unknown): void;
  post?: typeof postSigned;
  backOffMs?: readonly number[];
}

export function webhooks(options: WebhookOptions) {
  const { book, news, now, failed, post = postSigned, backOffMs = BACK_OFF_MS } = options;
  let closed = false;
  let again = false;
  let working: Promise<void> | undefined;
  let timer: NodeJS.Timeout | undefined;

  /** Letters for the events that a webhook has not been looked at for: made and marked in one transaction. */
  async function write(hook: Webhook): Promise<boolean> {
    const waiting = await count(book, hook.id, "waiting");
    const room = Math.min(BATCH, MOST_WAITING - waiting);
    if (room <= 0) return false;
    const events = await book
      .selectFrom("event")
      .selectAll()
      .where("id", ">", hook.lastEvent)
      .orderBy("id")
      .limit(room)
      .execute();
    const [first] = events;
    const last = events.at(-1);
    if (!first || !last) return false;
    const kinds = JSON.parse(hook.kinds) as string[];
    const wanted = events.filter(({ kind }) => kinds.length === 0 || kinds.includes(kind));
    const missed = hook.lastEvent > 0 ? first.id - hook.lastEvent - 1 : 0;
    await book.transaction().execute(async (trx) => {
      for (const event of wanted) {
        const row = {
          webhookId: hook.id,
          eventId: event.id,
          kind: event.kind,
          body: letter(event),
          state: "waiting",
          attempts: 0,
          nextMs: now(),
          error: null,
          createdMs: now(),
        };
        await trx
          .insertInto("delivery")
          .values(row as never)
          .execute();
      }
      await trx
        .updateTable("webhook")
        .set((e) => ({ lastEvent: last.id, missed: e("missed", "+", missed) }))
        .where("id", "=", hook.id)
        .execute();
    });
    return events.length === room;
  }

  const letter = (event: Selectable<Tables["event"]>): string =>
    JSON.stringify({
      type: `bramble.${event.kind}`,
      timestamp: new Date(event.atMs).toISOString(),
      data: {
        id: event.id,
        kind: event.kind,
        ...(event.nodeId && { node: options.nameOf(event.nodeId), nodeId: event.nodeId }),
        words: event.words,
      },
    });

  async function deliver(hook: Webhook, due: Selectable<Tables["delivery"]>): Promise<void> {
    // The same id at every attempt: whoever has it already can say so.
    const told = await post({ ...hook, id: `msg_${hook.id}_${due.eventId}`, body: due.body }, now());
    if (told.ok) {
      await book.deleteFrom("delivery").where("id", "=", due.id).execute();
      options.sent?.("delivered");
      return;
    }
    const attempts = due.attempts + 1;
    const pause = backOffMs[due.attempts];
    const dead = pause === undefined;
    await book
      .updateTable("delivery")
      .set({
        attempts,
        error: told.answer,
        state: dead ? "dead" : "waiting",
        nextMs: now() + (pause ?? 0),
      })
      .where("id", "=", due.id)
      .execute();
    options.sent?.(dead ? "dead" : "failed");
    if (dead) await dropOldDead(hook.id);
  }

  async function dropOldDead(webhookId: string): Promise<void> {
    const tooOld = await book
      .selectFrom("delivery")
      .select("id")
      .where("webhookId", "=", webhookId)
      .where("state", "=", "dead")
      .orderBy("id", "desc")
      .offset(MOST_DEAD)
      .limit(1)
      .executeTakeFirst();
    if (tooOld)
      await book
        .deleteFrom("delivery")
        .where("webhookId", "=", webhookId)
        .where("state", "=", "dead")
        .where("id", "<=", tooOld.id)
        .execute();
  }

  /** Everything that is due now; one webhook that hangs does not hold up the others. */
  async function round(): Promise<void> {
    const hooks = await book.selectFrom("webhook").selectAll().execute();
    await Promise.all(
      hooks.map(async (hook) => {
        if (await write(hook)) again = true;
        const due = await book
          .selectFrom("delivery")
          .selectAll()
          .where("webhookId", "=", hook.id)
          .where("state", "=", "waiting")
          .where("nextMs", "<=", now())
          .orderBy("id")
          .limit(BATCH)
          .execute();
        if (due.length === BATCH) again = true;
        const line = [...due];
        const worker = async () => {
          for (let one = line.shift(); one && !closed; one = line.shift()) await deliver(hook, one);
        };
        await Promise.all(Array.from({ length: AT_ONCE }, worker));
      }),
    );
  }

  async function work(): Promise<void> {
    clearTimeout(timer);
    timer = undefined;
    do {
      again = false;
      await round();
    } while (again && !closed);
    if (closed) return;
    const next = await book
      .selectFrom("delivery")
      .select((e) => e.fn.min("nextMs").as("at"))
      .where("state", "=", "waiting")
      .executeTakeFirst();
    if (next?.at === null || next?.at === undefined) return;
    timer = setTimeout(wake, Math.max(50, Number(next.at) - now()));
    timer.unref();
  }

  /** There may be something to do. Never two rounds at once. */
  function wake(): void {
    if (closed) return;
    if (working) {
      again = true;
      return;
    }
    working = work()
      .catch(failed)
      .finally(() => {
        working = undefined;
        if (again) wake();
      });
  }

  const deaf = news.listen((told) => {
    if (told.about === "event") wake();
  });
  wake();

  return {
    wake,
    /** Nothing is under way and nothing is due any more; for tests and for a planned end. */
    async settled(): Promise<void> {
      while (working) await working;
    },
    async close(): Promise<void> {
      closed = true;
      deaf();
      clearTimeout(timer);
      await working;
    },
  };
}

/** By name; throws WEBHOOK_UNKNOWN. */
export async function findWebhook(book: Book, name: string): Promise<Webhook> {
  const found = await book.selectFrom("webhook").selectAll().where("name", "=", name).executeTakeFirst();
  if (found) return found;
  throw new BrambleError("WEBHOOK_UNKNOWN", `there is no webhook ${name}`, {
    hint: "`bramble webhook list` shows them",
  });
}

/** Makes a webhook that hears of events from now on; the secret is told this once. */
export async function addWebhook(
  book: Book,
  wish: { name: string; url: string; kinds?: readonly string[]; secret?: string },
  nowMs: number,
): Promise<{ name: string; secret: string }> {
  const { name, url, kinds = [], secret = newWebhookSecret() } = wish;
  webhookKey(secret);
  checkUrl(url);
  const there = await book.selectFrom("webhook").select("name").execute();
  if (there.some((one) => one.name === name))
    throw new BrambleError("WEBHOOK_TAKEN", `there is a webhook ${name} already`);
  if (there.length >= MOST_WEBHOOKS)
    throw new BrambleError("BAD_INPUT", `there are ${MOST_WEBHOOKS} webhooks already`);
  const newest = await book
    .selectFrom("event")
    .select((e) => e.fn.max("id").as("id"))
    .executeTakeFirst();
  const row = { id: randomUUID(), name, url, secret, kinds: JSON.stringify(kinds), missed: 0 };
  await book
    .insertInto("webhook")
    .values({ ...row, lastEvent: Number(newest?.id ?? 0), createdMs: nowMs })
    .execute();
  return { name, secret };
}

function checkUrl(text: string): void {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (!url || !["http:", "https:"].includes(url.protocol))
    throw new BrambleError("BAD_INPUT", "a webhook's address begins with http:// or https://");
  if (url.username !== "" || url.password !== "")
    throw new BrambleError("BAD_INPUT", "a password does not belong into a webhook's address", {
      hint: "every letter is signed: the receiver knows by that who sent it",
    });
}

export const testLetter = (hook: Webhook, nowMs: number): Promise<Posted> => {
  const data = { kind: "test", words: "Bramble can reach this webhook." };
  const body = JSON.stringify({ type: "bramble.test", timestamp: new Date(nowMs).toISOString(), data });
  return postSigned({ ...hook, id: `msg_${hook.id}_test_${nowMs}`, body }, nowMs);
};

export async function count(book: Book, webhookId: string, state: "waiting" | "dead"): Promise<number> {
  const row = await book
    .selectFrom("delivery")
    .select((e) => e.fn.countAll<number>().as("n"))
    .where("webhookId", "=", webhookId)
    .where("state", "=", state)
    .executeTakeFirst();
  return Number(row?.n ?? 0);
}
