// Tells events and sends them to a webhook until it is killed: a line with an event's id for each that stands in the book.
import { openBook } from "../../storage/book.ts";
import { openJournal } from "../journal.ts";
import { newsDesk } from "../news.ts";
import { webhooks } from "../observe/webhooks.ts";

const [, , path = "", from = "0"] = process.argv;
const raise = (error: unknown) => {
  throw error;
};
const book = await openBook(path);
const news = newsDesk();
webhooks({ book, news, now: Date.now, nameOf: (id) => id, failed: raise, backOffMs: Array(50).fill(1) });
const journal = openJournal(book, raise, {
  event({ id, atMs, kind, words }) {
    process.stdout.write(`${id}\n`);
    news.tell({ about: "event", event: { id, atMs, kind, words } });
  },
  boot() {},
});
for (let n = 0; ; n++) {
  journal.event("test", undefined, `event ${from}-${n}`);
  if (n % 7 === 0) await journal.flush();
}
