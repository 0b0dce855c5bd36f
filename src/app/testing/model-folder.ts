// A data folder's book, with what commands about profiles, groups, places and addresses need of it.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { callsOf } from "../../api/calls.ts";
import { openBook } from "../../storage/book.ts";
import { openJournal } from "../journal.ts";
import { modelCommands } from "../model-commands.ts";
import { newsDesk } from "../news.ts";
import { profileCommands } from "../profile-commands.ts";
import { ProfileStore } from "../profile-store.ts";
import { Registry } from "../registry.ts";

/** `board(n)` is the n-th enrolled board, a Pi 4B. */
export async function modelFolder(t: TestContext, path = mkdtempSync(join(tmpdir(), "model-"))) {
  t.after(() => rmSync(path, { recursive: true, force: true }));
  const book = await openBook(join(path, "book.db"));
  const registry = await Registry.open(book);
  const profiles = await ProfileStore.open(book);
  const news = newsDesk();
  const journal = openJournal(book, (error) => {
    throw error;
  });
  let open = true;
  const close = async () => {
    if (!open) return;
    open = false;
    await registry.settled();
    await profiles.settled();
    await journal.close();
    // the life cycle, which is not here, writes states
    await book.updateTable("node").set({ state: "deployed" }).execute();
    await book.destroy();
  };
  t.after(close);
  const core = { book, registry, profiles, journal, news };
  const hex = (n: number) => n.toString(16).padStart(4, "0");
  const board = (n: number) => {
    const mac = `dc:a6:32:00:${hex(n).slice(0, 2)}:${hex(n).slice(2)}`;
    const seen = registry.see({ serial: `1000${hex(n)}`, mac, model: "4B" }, 1);
    if (!seen) throw new Error("no node");
    seen.node.state = "deployed";
    return seen.node;
  };
  const events = async () => {
    await journal.flush();
    return (await book.selectFrom("event").selectAll().execute()).map(({ words }) => words).join("\n");
  };
  const imagesChanged = async () => {};
  const commands = callsOf({
    ...profileCommands(core, imagesChanged),
    ...modelCommands(core, { imagesChanged, dhcpModes: () => ["proxy"] }),
  });
  return { path, core, board, events, close, commands };
}
