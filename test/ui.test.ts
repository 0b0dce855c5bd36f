// The page in a real browser: enough of it for each run of the tests; all of it is the e2e scenario "ui".
import assert from "node:assert/strict";
import { after, test } from "node:test";
import type { Browser } from "playwright-core";
import { needs } from "./tools.ts";
import {
  axe,
  type Look,
  noOverflow,
  openBrowser,
  openPage,
  PAGES,
  settled,
  signIn,
  visit,
  type World,
} from "./ui-browser.ts";
import { PASSWORD, uiWorld } from "./ui-world.ts";

/** One fleet and one browser for all tests of this file; each opens pages of its own. */
let made: Promise<{ world: World; browser: Browser }> | undefined;
const make = async () => ({ world: await uiWorld({ nodes: 3 }), browser: await openBrowser() });
const stage = async () => {
  made ??= make();
  const { world, browser } = await made;
  return { world, open: (look?: Look) => openPage(browser, look) };
};
after(async () => {
  const { world, browser } = (await made) ?? {};
  await browser?.close();
  await world?.close();
});

test("the page shows every corner of a small fleet without a complaint, and axe finds nothing", async (t) => {
  if (!needs(t, "chromium", "chromium")) return;
  const { world, open } = await stage();
  const { page, complaints } = await open({ theme: "dark" });
  await signIn(page, world);
  for (const [path, heading] of PAGES) {
    await visit(page, path.replace("NODE", "pi-2"), heading);
    assert.deepEqual(await axe(page), [], path);
  }
  assert.deepEqual(complaints, []);

  const { page: phone, complaints: phoneComplaints } = await open({ width: 360 });
  await signIn(phone, world);
  for (const [path, heading] of PAGES) {
    await visit(phone, path.replace("NODE", "pi-2"), heading);
    await noOverflow(phone, path);
  }
  assert.deepEqual(phoneComplaints, []);
});

test("who signs in by keyboard enrols a node by keyboard, and another's open page shows it without a reload", async (t) => {
  if (!needs(t, "chromium", "chromium")) return;
  const { world, open } = await stage();
  const other = await open();
  await signIn(other.page, world);
  await visit(other.page, "/nodes/pi-3", /^pi-3$/);
  await other.page.getByText("may not boot yet").waitFor();

  const { page, complaints } = await open();
  await page.goto(world.url);
  await page.getByRole("heading", { name: "Sign in" }).waitFor();
  await page.keyboard.press("Tab");
  await page.keyboard.type("ada");
  await page.keyboard.press("Tab");
  await page.keyboard.type(PASSWORD);
  await page.keyboard.press("Enter");
  await page.getByRole("heading", { name: "Overview" }).waitFor();
  await page.keyboard.press("g");
  await page.keyboard.press("n");
  await page.getByRole("heading", { name: "Nodes" }).waitFor();
  await settled(page);
  await page.keyboard.press("/");
  await page.keyboard.type("pi-3");
  await page.getByText(/^1 of \d nodes$/).waitFor();
  await page.keyboard.press("Enter"); // into the rows
  await page.keyboard.press("Enter"); // open it
  await page.getByRole("heading", { name: "pi-3" }).waitFor();
  await page.keyboard.press("Tab"); // back to the nodes
  await page.keyboard.press("Tab"); // Enrol
  await page.keyboard.press("Enter");
  await page.getByRole("dialog").waitFor();
  await page.keyboard.press("Tab"); // behind Cancel, which has the focus
  await page.keyboard.press("Enter");
  await page.getByText("pi-3 is deployed").waitFor();
  assert.equal((await world.server.commands.node({ node: "pi-3" })).state, "deployed");
  await other.page.getByText("It has not asked to boot yet").waitFor();
  assert.deepEqual([...complaints, ...other.complaints], []);
});

test("a form's example stays in sight as one types, and a screen reader says it with the field", async (t) => {
  if (!needs(t, "chromium", "chromium")) return;
  const { world, open } = await stage();
  const { page, complaints } = await open({ width: 360 });
  await signIn(page, world);
  await visit(page, "/disks", /^Disks$/);
  await page.getByRole("button", { name: "Make a volume" }).click();
  const dialog = page.getByRole("dialog");
  const size = dialog.getByRole("textbox", { name: "Size" });
  await size.fill("twenty");
  const help = dialog.getByText("for example 20G");
  assert.ok(await help.isVisible());
  assert.equal(await size.getAttribute("aria-describedby"), await help.getAttribute("id"));
  await dialog.getByRole("textbox", { name: "Name" }).fill("data");
  await page.keyboard.press("Enter");
  await dialog.getByText('"twenty" is no size; write 512M or 10G').waitFor();
  assert.deepEqual(await axe(page, { within: "dialog" }), []);
  assert.deepEqual(complaints, []);
});

test("a board that was just heard has one button to let it in, and one menu for the rest", async (t) => {
  if (!needs(t, "chromium", "chromium")) return;
  const { world, open } = await stage();
  const { page, complaints } = await open({ width: 360 });
  await world.server.core.registry.see({ mac: "2c:cf:67:00:77:01", serial: "77000001", model: "5" }, 1_000);
  await signIn(page, world);
  await visit(page, "/nodes/77000001/settings", /^pi-77000001$/);
  await page.getByRole("button", { name: "Enrol" }).waitFor();
  const head = page.locator(".page-head");
  assert.equal(await head.getByRole("button", { name: "More", exact: true }).count(), 1);
  // on a phone the tabs are wider than the window: the one that is open is in it
  const tab = await page.getByRole("link", { name: "Settings", exact: true }).last().boundingBox();
  assert.ok(tab && tab.x >= 0 && tab.x + tab.width <= 360, JSON.stringify(tab));
  assert.equal(await page.evaluate("scrollY"), 0, "the page itself stays where it was");
  assert.deepEqual(complaints, []);
});

test("a viewer sees why each verb is not theirs, and the server agrees", async (t) => {
  if (!needs(t, "chromium", "chromium")) return;
  const { world, open } = await stage();
  const { page, complaints } = await open();
  await signIn(page, world, "vera");
  await visit(page, "/nodes/pi-2", /^pi-2$/);
  const cycle = page.getByRole("button", { name: /^Power cycle/ });
  assert.equal(await cycle.getAttribute("aria-disabled"), "true");
  assert.match((await cycle.getAttribute("title")) ?? "", /it takes the role tenant; yours is viewer/);
  await cycle.focus();
  await page.keyboard.press("Enter");
  assert.equal(await page.getByRole("dialog").count(), 0);
  const refused = await page.evaluate(
    'fetch("./api/v1/nodes/pi-3/enrol", { method: "POST", body: "{}", headers: { "content-type": "application/json" } }).then(({ status }) => status)',
  );
  assert.equal(refused, 403);
  assert.deepEqual(complaints, []);
});

test("a page that lost the server says so, and goes on behind the last event when it is back", async (t) => {
  if (!needs(t, "chromium", "chromium")) return;
  const { world, open } = await stage();
  const { page } = await open();
  await signIn(page, world);
  await visit(page, "/events", /^Events$/);
  await page.context().setOffline(true);
  world.server.core.journal.event("test", undefined, "said while nobody heard");
  await world.server.core.journal.flush();
  assert.equal(await page.getByText("said while nobody heard").count(), 0);
  await page.context().setOffline(false);
  await page.getByText("said while nobody heard").waitFor();
});
