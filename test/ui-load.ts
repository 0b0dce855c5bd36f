// A fleet at work below an open page: events and changes at a rate, and how long the page's thread was held up by them.
import type { Page } from "playwright-core";
import type { World } from "./ui-browser.ts";

const TURN_MS = 50;

/** Events of nodes and changes of as many, `perSecond` each, for so long. Answers with how many there were. */
export async function storm(world: World, perSecond: number, seconds: number): Promise<number> {
  const { journal, news, registry } = world.server.core;
  const ids = registry.all().map(({ id }) => id);
  let told = 0;
  const began = performance.now();
  while (told < perSecond * seconds) {
    const due = Math.min(perSecond * seconds, ((performance.now() - began) / 1_000) * perSecond);
    for (; told < due; told++) {
      const id = ids[(told * 7919) % ids.length] ?? "";
      journal.event(
        "dhcp",
        id,
        `asked for the ${told}th time: answered, it is enrolled and its image is here`,
      );
      news.tell({ about: "node", id });
    }
    await new Promise((resolve) => setTimeout(resolve, TURN_MS));
  }
  await journal.flush();
  return told;
}

/** Begins to note every task of the page's thread that takes 50 ms and more. */
export const watchBlocks = (page: Page) =>
  page.evaluate(
    "globalThis.blocks = []; new PerformanceObserver((list) => globalThis.blocks.push(...list.getEntries().map(({ duration }) => duration))).observe({ type: 'longtask' })",
  );

/** The tasks that were noted since, in ms. */
export const blocks = async (page: Page): Promise<number[]> =>
  (await page.evaluate("globalThis.blocks")) as number[];

/** Loads the page anew on its nodes: ms from the navigation to the first picture, and to the first rows of nodes. */
export async function paintTimes(page: Page, world: World): Promise<{ paintMs: number; rowsMs: number }> {
  await page.goto("about:blank");
  await page.goto(`${world.url}#/nodes`);
  await page.locator(".grid-row").first().waitFor();
  const rowsMs = (await page.evaluate("performance.now()")) as number;
  const paintMs = (await page.evaluate(
    "performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? 0",
  )) as number;
  return { paintMs, rowsMs };
}
