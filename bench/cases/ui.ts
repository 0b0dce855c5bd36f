// The page in Debian's Chromium, with a large fleet at work: how soon it is there, and how long its thread is held up.
import { openBrowser, openPage, signIn, type World } from "../../test/ui-browser.ts";
import { blocks, paintTimes, storm, watchBlocks } from "../../test/ui-load.ts";
import { uiWorld } from "../../test/ui-world.ts";
import type { BenchCase } from "../harness/case.ts";

const NODES = 3_000;
const EVENTS_PER_SECOND = 200;
const SECONDS = 10;

export const bench: BenchCase = {
  name: "ui",
  describe: `the page with ${NODES} nodes and ${EVENTS_PER_SECOND} events/s: first paint (aim 1 s), longest block of its thread (aim 100 ms)`,
  async run(ctx) {
    if (!ctx.tool("chromium", "chromium")) return;
    const world: World = await uiWorld({ nodes: NODES });
    const browser = await openBrowser();
    try {
      const { page } = await openPage(browser);
      await signIn(page, world);
      const times = async (which: "paintMs" | "rowsMs") => ({
        value: (await paintTimes(page, world))[which],
      });
      const cell = { unit: "ms", better: "less" } as const;
      await ctx.compare({ ...cell, name: "first-paint", contenders: { ours: () => times("paintMs") } });
      await ctx.compare({ ...cell, name: "first-rows", contenders: { ours: () => times("rowsMs") } });
      for (const path of ["/nodes", "/", "/racks"]) {
        await ctx.compare({
          ...cell,
          name: `longest-block-${path.slice(1) || "overview"}`,
          contenders: {
            async ours() {
              await page.goto(`${world.url}#${path}`);
              await page.getByRole("heading", { level: 1 }).waitFor();
              await watchBlocks(page);
              await storm(world, EVENTS_PER_SECOND, SECONDS);
              return { value: Math.max(0, ...(await blocks(page))) };
            },
          },
        });
      }
    } finally {
      await browser.close();
      await world.close();
    }
  },
};
