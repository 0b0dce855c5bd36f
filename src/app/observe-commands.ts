import type { Selectable } from "kysely";
import type { Calls } from "../api/contract.ts";
import type { FindingView, ObserveCommands, WebhookView } from "../api/observe-contract.ts";
import { BrambleError } from "../base/errors.ts";
import type { Tables } from "../storage/book.ts";
import type { Running } from "./commands.ts";
import type { Core } from "./core.ts";
import { consoleBook } from "./observe/console.ts";
import { fleetFindings } from "./observe/findings.ts";
import { inventoryOf } from "./observe/inventory.ts";
import { prune, readRetention, writeRetention } from "./observe/retention.ts";
import { supportBundle } from "./observe/support.ts";
import { addWebhook, count, findWebhook, testLetter } from "./observe/webhooks.ts";

/** Consoles, webhooks, retention, findings, the inventory and the support bundle. `calls`: every command, for the bundle. */
export function observeCommands(
  core: Core,
  running: Running | undefined,
  calls: () => Calls,
): ObserveCommands {
  const { book, registry, journal, news } = core;
  const console =
    running?.observing?.console ??
    consoleBook(book, (cause) => {
      throw new BrambleError("INTERNAL", "the console could not be read", { cause });
    });

  async function webhookView(row: Selectable<Tables["webhook"]>): Promise<WebhookView> {
    const last = await book
      .selectFrom("delivery")
      .select("error")
      .where("webhookId", "=", row.id)
      .where("error", "is not", null)
      .orderBy("id", "desc")
      .limit(1)
      .executeTakeFirst();
    return {
      name: row.name,
      url: row.url,
      kinds: JSON.parse(row.kinds) as string[],
      waiting: await count(book, row.id, "waiting"),
      dead: await count(book, row.id, "dead"),
      missed: row.missed,
      createdMs: row.createdMs,
      ...(last?.error && { error: last.error }),
    };
  }

  return {
    async nodeConsole({ node, boot, after, limit }) {
      return console.read(registry.need(node), {
        ...(boot !== undefined && { boot }),
        ...(after !== undefined && { after: Number(after) }),
        ...(limit !== undefined && { limit: Number(limit) }),
      });
    },
    async doctor({ node }): Promise<FindingView[]> {
      await journal.flush();
      return fleetFindings(core, node === undefined ? undefined : registry.need(node));
    },
    inventory: () => inventoryOf(core),
    async webhooks() {
      const rows = await book.selectFrom("webhook").selectAll().orderBy("name").execute();
      return Promise.all(rows.map(webhookView));
    },
    async addWebhook(wish) {
      const made = await addWebhook(book, wish, Date.now());
      news.tell({ about: "setting", id: "webhooks" });
      return made;
    },
    async removeWebhook({ webhook }) {
      const { id, name } = await findWebhook(book, webhook);
      await book.transaction().execute(async (trx) => {
        await trx.deleteFrom("delivery").where("webhookId", "=", id).execute();
        await trx.deleteFrom("webhook").where("id", "=", id).execute();
      });
      news.tell({ about: "setting", id: "webhooks" });
      return { name };
    },
    async testWebhook({ webhook }) {
      const { ok, answer, tookMs } = await testLetter(await findWebhook(book, webhook), Date.now());
      return { delivered: ok, answer, tookMs };
    },
    async deadLetters({ webhook, limit = 100 }) {
      const { id } = await findWebhook(book, webhook);
      const rows = await book
        .selectFrom("delivery")
        .selectAll()
        .where("webhookId", "=", id)
        .where("state", "=", "dead")
        .orderBy("id", "desc")
        .limit(Number(limit))
        .execute();
      return rows.map((row) => ({
        id: row.id,
        event: row.eventId,
        kind: row.kind,
        attempts: row.attempts,
        error: row.error ?? "",
        createdMs: row.createdMs,
      }));
    },
    async replayWebhook({ webhook, letter }) {
      const { id } = await findWebhook(book, webhook);
      let query = book
        .updateTable("delivery")
        .set({ state: "waiting", attempts: 0, nextMs: Date.now() })
        .where("webhookId", "=", id)
        .where("state", "=", "dead");
      if (letter !== undefined) query = query.where("id", "=", letter);
      const { numUpdatedRows } = await query.executeTakeFirstOrThrow();
      running?.observing?.wake();
      return { replayed: Number(numUpdatedRows) };
    },
    retention: () => readRetention(book),
    async setRetention(wish) {
      const now = await writeRetention(book, wish);
      news.tell({ about: "setting", id: "retention" });
      return now;
    },
    prune: () => prune(book, Date.now()),
    async support() {
      const monitors = running?.observing?.monitors;
      const metrics = monitors && (async () => (await monitors["/metrics"]()).body);
      return supportBundle({ core, commands: calls(), ...(metrics && { metrics }) }, Date.now());
    },
  };
}
