// A power desk over a real book, and virtual switches that it drives by SNMP.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";
import type { Node } from "../../fleet/node.ts";
import { type PoeSwitchOptions, virtualPoeSwitch } from "../../sim/poe-switch.ts";
import { openBook } from "../../storage/book.ts";
import { openJournal } from "../journal.ts";
import { type News, newsDesk } from "../news.ts";
import { Registry } from "../registry.ts";
import { openPowerDesk, type PowerDeskOptions } from "./desk.ts";
import { openDriver } from "./open-driver.ts";
import { scanDevice } from "./scan.ts";

export const BY = { by: { kind: "admin", name: "tester" }, why: "a test" } as const;
export const QUICK = {
  looksMs: [2, 4, 8],
  everyMs: 10,
  reachMs: 2_000,
  offMs: 5,
  backOffMs: [5, 10],
  shutdownMs: 200,
  linkMs: 1_000,
};

/** The book outlives a desk: `again()` is what a restart after a kill makes of it. */
export async function powerBed(t: TestContext, options: Partial<PowerDeskOptions> = {}) {
  const root = mkdtempSync(join(tmpdir(), "power-"));
  const book = await openBook(join(root, "book.db"));
  const registry = await Registry.open(book);
  const news = newsDesk();
  const heard: News[] = [];
  news.listen((one) => void heard.push(one));
  const journal = openJournal(book, (error) => {
    throw error;
  });
  const shutDown: string[] = [];
  const open = () =>
    openPowerDesk({
      core: { book, registry, journal, news },
      open: (wish) => openDriver(wish, Date.now),
      now: Date.now,
      timings: QUICK,
      async shutdown(node) {
        shutDown.push(node.name);
      },
      ...options,
    });
  let desk = await open();
  t.after(async () => {
    await desk.close();
    await registry.settled();
    await journal.close();
    await book.destroy();
    rmSync(root, { recursive: true });
  });
  let boards = 0;
  return {
    book,
    registry,
    journal,
    news,
    heard,
    shutDown,
    desk: () => desk,
    /** Ends the desk in the middle of whatever it does, and opens one on the same book. */
    async again() {
      await desk.close();
      desk = await open();
      return desk;
    },
    async node(model = "4B"): Promise<Node> {
      boards += 1;
      const serial = `1000000${boards}`;
      const mac = `dc:a6:32:00:00:0${boards}`;
      const seen = registry.see({ serial, mac, model: model as "4B" }, Date.now());
      if (!seen) throw new Error("no room for a node");
      await registry.settled();
      return seen.node;
    },
    /** A virtual switch that the desk knows as `name`; ends with the test. */
    async poeSwitch(name: string, more: Partial<PoeSwitchOptions> = {}, set: object = {}) {
      const sw = await virtualPoeSwitch({
        ports: 8,
        communityRw: "rw",
        searchMs: 5,
        reactMs: 1,
        ...more,
      });
      t.after(() => sw.close());
      const device = await desk.devices.add({
        name,
        driver: "snmp",
        address: `${sw.host}:${sw.port}`,
        options: { timeoutMs: 2_000, ...set },
        secrets: { community: "rw" },
      });
      await scanDevice(desk, device, AbortSignal.timeout(5_000));
      return { sw, device };
    },
    async events(nodeId?: string): Promise<string[]> {
      await journal.flush();
      const rows = await book.selectFrom("event").selectAll().orderBy("id").execute();
      return rows.filter((row) => nodeId === undefined || row.nodeId === nodeId).map(({ words }) => words);
    },
  };
}

/** Asks again and again, a few ms apart, until it holds. */
export async function eventually(holds: () => boolean | Promise<boolean>, seconds = 10): Promise<void> {
  const end = Date.now() + seconds * 1000;
  while (!(await holds())) {
    if (Date.now() > end) throw new Error(`it did not come to ${holds}`);
    await new Promise((resolve) => setTimeout(resolve, 3));
  }
}
