// The page in Debian's Chromium: every page at 3 and 3,000 nodes, light and dark, on a phone; every verb's form; a fleet at work below it.
import assert from "node:assert/strict";
import { appendFile } from "node:fs/promises";
import { join } from "node:path";
import type { Browser, Page } from "playwright-core";
import { makeDemoImage } from "../../src/storage/demo-image.ts";
import {
  axe,
  type Look,
  noOverflow,
  openBrowser,
  openPage,
  PAGES,
  picture,
  settled,
  signIn,
  visit,
  type World,
} from "../../test/ui-browser.ts";
import { blocks, storm, watchBlocks } from "../../test/ui-load.ts";
import { PASSWORD, uiWorld } from "../../test/ui-world.ts";
import { makeNetwork } from "../bed/network.ts";
import { adminVerbs } from "../bed/page-admin-verbs.ts";
import { everydayVerbs } from "../bed/page-verbs.ts";
import type { Scenario, Stage } from "../scenario.ts";

const MANY = 3_000;
const PHONE = ["color-contrast", "target-size", "scrollable-region-focusable"];
const NO_RULES: readonly string[] = [];
/** Rows of the grid that may be in the page at once, however many nodes there are. */
const MOST_ROWS = 80;
/** Tasks of 50 ms and more that 1,000 events and changes may cost the page's thread, on a slow machine. */
const MOST_LONG_TASKS = 25;

export const scenario: Scenario = {
  name: "ui",
  tier: "ci",
  budgetSeconds: 400,
  needs: [{ tool: "chromium", package: "chromium" }],
  assets: [],
  async run(t) {
    await makeNetwork(); // Chromium takes a machine that has only loopback for one without a network
    process.env["BRAMBLE_SCREENSHOTS"] ??= `${t.shared}/screenshots`;
    const browser = await openBrowser();
    t.atEnd(() => browser.close());
    await empty(t, browser);
    const few = await uiWorld({ nodes: 3 });
    t.atEnd(() => few.close());
    await everyPage(t, browser, few, "pi-2", "few", { theme: "light" });
    await everyPage(t, browser, few, "pi-2", "few", { theme: "dark" }, ["color-contrast"]);
    await everyPage(t, browser, few, "pi-2", "phone", { theme: "light", width: 360 }, PHONE);
    await everyVerb(t, browser, few);
    await everyday(t, browser, few);
    const many = await uiWorld({ nodes: MANY });
    t.atEnd(() => many.close());
    await everyPage(t, browser, many, "pi-0002", "many", { theme: "light" }, NO_RULES);
    await atWork(t, browser, many);
    await racksByNight(t, browser, many);
    await apiPage(t, browser, few);
    t.say(`pictures: ${process.env["BRAMBLE_SCREENSHOTS"]}`);
  },
};

/** Without a node and an image each page teaches the next step. */
async function empty(t: Stage, browser: Browser): Promise<void> {
  const world = await uiWorld({ nodes: 0, users: false });
  try {
    const { page, complaints } = await openPage(browser);
    await firstAdmin(page, world);
    for (const [path, heading] of PAGES) {
      if (/NODE|sw-1/.test(path)) continue;
      await visit(page, path, heading);
      await picture(page, `empty${name(path)}`);
      if ((await page.locator(".empty").count()) > 0)
        assert.deepEqual(await axe(page, { within: ".empty" }), [], `${path}, empty`);
    }
    for (const path of ["/", "/nodes", "/images", "/racks", "/disks", "/groups", "/switches"]) {
      await visit(page, path, PAGES.find(([one]) => one === path)?.[1] ?? /./);
      assert.ok((await page.locator(".empty").count()) > 0, `${path} teaches nothing`);
      assert.ok((await page.locator(".empty .command, .empty a").count()) > 0, `${path} has no next step`);
    }
    assert.deepEqual(complaints, []);
    await page.context().close();
    t.say("empty: each page names the next step; axe finds nothing");
  } finally {
    await world.close();
  }
}

/** The link of the first start makes the first admin, by keyboard; its secret does not stay in the address. */
async function firstAdmin(page: Page, world: World): Promise<void> {
  const secret = await world.server.core.access.links.firstStart();
  await page.goto(`${world.url}#setup=${secret}`);
  await page.getByRole("heading", { name: "Welcome" }).waitFor();
  assert.doesNotMatch(page.url(), /setup/);
  await picture(page, "empty-first-admin");
  assert.deepEqual(await axe(page), [], "first admin");
  await page.getByLabel("User").fill("ada");
  await page.getByLabel("Password", { exact: false }).first().fill(PASSWORD);
  await page.getByLabel("The same again").fill("something else");
  await page.keyboard.press("Enter");
  await page.getByText("the two passwords differ").waitFor();
  await page.getByLabel("The same again").fill(PASSWORD);
  await page.keyboard.press("Enter");
  await page.getByRole("heading", { name: "Overview", level: 1 }).waitFor();
}

const name = (path: string): string => path.replace(/\W+/g, "-").replace(/-$/, "") || "-overview";

/** `rules`: of axe; by default all. Without colours and thousands of nodes a page has the same structure. */
async function everyPage(
  t: Stage,
  browser: Browser,
  world: World,
  node: string,
  kind: string,
  look: Look,
  rules: readonly string[] = [],
) {
  const { page, complaints } = await openPage(browser, look);
  await signIn(page, world);
  for (const [path, heading] of PAGES) {
    const to = path.replace("NODE", node);
    await visit(page, to, heading);
    await noOverflow(page, `${to} (${kind})`);
    await picture(page, `${kind}-${look.theme}${name(to)}`);
    if (rules !== NO_RULES) {
      assert.deepEqual(await axe(page, { rules: [...rules] }), [], `${to} (${kind}, ${look.theme})`);
    }
  }
  assert.deepEqual(complaints, []);
  await page.context().close();
  const judged =
    rules === NO_RULES ? "" : `, axe finds nothing${rules.length > 0 ? ` (${rules.join(", ")})` : ""}`;
  t.say(`${PAGES.length} pages, ${kind}, ${look.theme}: no complaint${judged}`);
}

/** Opens the form of every verb that is not greyed, on every page, by its button or menu. */
async function everyVerb(t: Stage, browser: Browser, world: World): Promise<void> {
  const { page, complaints } = await openPage(browser);
  await signIn(page, world);
  const seen = new Set<string>();
  let greyed = 0;
  for (const [path, heading] of PAGES) {
    const to = path.replace("NODE", "pi-1");
    await visit(page, to, heading);
    const menus = page.locator("main .menu > button");
    for (let i = 0; i < (await menus.count()); i++) {
      await menus.nth(i).click();
      const entries = page.getByRole("menuitem");
      const texts = await entries.allTextContents();
      for (const [at, text] of texts.entries()) {
        if (seen.has(`${to} ${text}`)) continue;
        seen.add(`${to} ${text}`);
        if ((await page.getByRole("menu").count()) === 0) await menus.nth(i).click();
        const entry = entries.nth(at);
        if ((await entry.getAttribute("aria-disabled")) === "true") {
          assert.ok(((await entry.locator(".why").textContent()) ?? "").length > 5, `${text}: why not?`);
          greyed += 1;
          continue;
        }
        await entry.click();
        await form(page, `${to}: ${text}`);
      }
      await page.keyboard.press("Escape");
    }
  }
  assert.deepEqual(complaints, []);
  await page.context().close();
  t.say(`${seen.size} verbs in menus: each has its form, or says why not (${greyed})`);
}

async function everyday(t: Stage, browser: Browser, world: World): Promise<void> {
  const { page, complaints } = await openPage(browser);
  await signIn(page, world);
  const image = join(t.folder, "second-1.img");
  await makeDemoImage(image);
  await appendFile(image, Buffer.alloc(1 << 20)); // not the same as the one that is in
  const done = [...(await everydayVerbs(page, world, image)), ...(await adminVerbs(page, world))];
  await picture(page, "few-light-after-a-week");
  assert.deepEqual(complaints, []);
  await page.context().close();
  t.say(`done in the browser, found on the server: ${done.join(", ")}`);
}

async function form(page: Page, what: string): Promise<void> {
  const dialog = page.getByRole("dialog");
  await dialog.waitFor();
  assert.deepEqual(await axe(page, { within: "dialog" }), [], what);
  await page.keyboard.press("Escape");
  await dialog.waitFor({ state: "hidden" });
  await settled(page);
}

/** The racks of 3,000 nodes in dark: each board has its place and its colour. */
async function racksByNight(t: Stage, browser: Browser, world: World): Promise<void> {
  const { page, complaints } = await openPage(browser, { theme: "dark" });
  await signIn(page, world);
  await visit(page, "/racks", /^Racks$/);
  await noOverflow(page, "/racks (many, dark)");
  await picture(page, "many-dark-racks");
  assert.deepEqual(await axe(page, { rules: ["color-contrast"] }), [], "/racks (many, dark)");
  assert.deepEqual(complaints, []);
  await page.context().close();
  t.say("racks of 3,000 nodes in dark: no complaint, axe finds nothing (color-contrast)");
}

/** The API's own page: every route is on it, and nothing but the page is asked for. */
async function apiPage(t: Stage, browser: Browser, world: World): Promise<void> {
  const { page, complaints } = await openPage(browser);
  const asked: string[] = [];
  page.on("request", (request) => asked.push(new URL(request.url()).pathname));
  await page.goto(`${world.url}api/docs`);
  for (const words of ["/nodes/{node}", "/nodes/actions", "/stream"])
    await page.getByText(words).first().waitFor();
  assert.deepEqual(
    asked.filter((path) => path !== "/favicon.ico"),
    ["/api/docs"],
  );
  await picture(page, "few-light-api-docs");
  assert.deepEqual(await axe(page), [], "/api/docs");
  assert.deepEqual(complaints, []);
  await page.context().close();
  t.say("/api/docs: one request, axe finds nothing");
}

/** 3,000 nodes, of which 200 a second change: counts only, for machines differ in speed. */
async function atWork(t: Stage, browser: Browser, world: World): Promise<void> {
  const { page, complaints } = await openPage(browser);
  await signIn(page, world);
  await visit(page, "/nodes", /^Nodes$/);
  await page.getByText(`${MANY.toLocaleString("en")} nodes`).waitFor();
  const rows = () => page.locator(".grid-row").count();
  assert.ok((await rows()) <= MOST_ROWS, `${await rows()} rows`);
  await page.locator("#node-rows").focus();
  await page.keyboard.press("End");
  await page.getByRole("link", { name: "pi-3000", exact: true }).waitFor();
  assert.ok((await rows()) <= MOST_ROWS, `${await rows()} rows at the end`);
  await watchBlocks(page);
  const told = await storm(world, 200, 5);
  const long = await blocks(page);
  t.say(
    `${told} events and changes: ${long.length} tasks of 50 ms and more, the longest ${Math.round(Math.max(0, ...long))} ms`,
  );
  assert.ok(long.length <= MOST_LONG_TASKS, `${long.length} long tasks`);
  await page.keyboard.press("/");
  await page.keyboard.type("rack=3,model in (4B,5),role=web");
  await page.getByText(/^\d+ of 3,000 nodes$/).waitFor();
  const wanted = await world.server.commands.nodes({ select: "rack=3,model in (4B,5),role=web" });
  await page.getByText(`${wanted.length} of 3,000 nodes`).waitFor();
  await page.locator("#node-rows").focus();
  await page.keyboard.press("Control+a");
  await page.getByText(`${wanted.length} nodes chosen`).waitFor();
  await picture(page, "many-light-chosen");
  assert.deepEqual(await axe(page), [], "chosen");
  await page.getByRole("button", { name: "Do with them" }).click();
  await page.getByRole("menuitem", { name: "Label" }).click();
  await page.getByLabel("Labels").fill("wave=first");
  await page.getByRole("dialog").getByRole("button", { name: "Label", exact: true }).click();
  await page.getByText(`${wanted.length} nodes labelled`).waitFor();
  assert.equal((await world.server.commands.nodes({ select: "wave=first" })).length, wanted.length);
  assert.deepEqual(complaints, []);
  t.say(`a selector chose ${wanted.length} of ${MANY}, and one verb labelled them all`);
}
