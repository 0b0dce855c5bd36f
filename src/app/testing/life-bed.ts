// The life cycle over a real book, with disks that are files of one line: no threads, no server.
import { existsSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { BrambleError } from "../../base/errors.ts";
import { LOCAL } from "../../fleet/actor.ts";
import type { Node } from "../../fleet/node.ts";
import { openBook } from "../../storage/book.ts";
import { openJournal } from "../journal.ts";
import { standardDoers } from "../life/doers.ts";
import { lifeHearing } from "../life/hear.ts";
import { openLife } from "../life/life.ts";
import { newsDesk } from "../news.ts";
import { Registry } from "../registry.ts";

/** The time as it is. */
export const REAL_CLOCK = {
  get now() {
    return Date.now();
  },
};

/** `said` hears of each disk that is made or dropped, after it was. Time stands still where nobody moves the clock. */
export async function lifeBed(
  root: string,
  said: (words: string) => void = () => {},
  clock: { now: number } = { now: Date.now() },
) {
  for (const folder of ["clones", "volumes"]) mkdirSync(join(root, folder), { recursive: true });
  const book = await openBook(join(root, "book.db"));
  const registry = await Registry.open(book);
  const warnings: string[] = [];
  const news = newsDesk();
  registry.onSaved = (id) => news.tell({ about: "node", id });
  const journal = openJournal(book, (error) => warnings.push(String(error)));
  const life = await openLife({
    book,
    registry,
    journal,
    news,
    now: () => clock.now,
    warn: (words) => warnings.push(words),
  });
  const clone = (nodeId: string) => join(root, "clones", `${nodeId}.qcow2`);
  const failures = { makeClone: undefined as BrambleError | undefined };
  const core = {
    ...{ book, registry, life },
    data: { clone, volume: (id: string) => join(root, "volumes", id), trees: join(root, "trees") },
    disks: { call: async (_: string, { path }: { path: string }) => rmSync(path, { force: true }) },
    async removeClone({ id }: Node) {
      const { numDeletedRows } = await book
        .deleteFrom("clone")
        .where("nodeId", "=", id)
        .executeTakeFirstOrThrow();
      rmSync(clone(id), { force: true });
      if (numDeletedRows > 0n) said(`dropped ${id}`);
    },
    removeTree: async () => false,
    async ensureClone({ id }: Node) {
      if (failures.makeClone) throw failures.makeClone;
      const image = { name: "demo", version: "1" };
      if (
        existsSync(clone(id)) &&
        (await book.selectFrom("clone").selectAll().where("nodeId", "=", id).executeTakeFirst())
      )
        return { path: clone(id), image, made: false };
      writeFileSync(clone(id), "a clone");
      await book
        .insertInto("clone")
        .values({ nodeId: id, imageSha: "00", createdMs: 1, bootId: null })
        .execute();
      said(`made ${id}`);
      return { path: clone(id), image, made: true };
    },
  };
  standardDoers(core as never);
  const hear = lifeHearing({ book, registry, life, now: () => clock.now });

  /** A board that is deployed, as at home. */
  async function board(n: number): Promise<Node> {
    const serial = (0x10000000 + n).toString(16);
    const node = registry.see(
      { serial, mac: `dc:a6:32:00:00:${n.toString(16).padStart(2, "0")}` },
      clock.now,
    )?.node;
    if (!node) throw new Error("no room for a board");
    if (node.state === "discovered" && life.policy().name === "home")
      await life.apply(node.id, ["enrol", "adopt"], LOCAL);
    return node;
  }
  return {
    ...{ book, registry, life, hear, journal, news, clock, warnings, failures, clone, board },
    /** The words of all that happened, oldest first. */
    async words(node: Node): Promise<string> {
      await journal.flush();
      const rows = await book
        .selectFrom("event")
        .select("words")
        .where("nodeId", "=", node.id)
        .orderBy("id")
        .execute();
      return rows.map(({ words }) => words).join("\n");
    },
    async close() {
      await life.close();
      await registry.settled();
      await journal.close();
      await book.destroy();
    },
  };
}
