// The page of a node with an NFS root: what it has changed, and the way back, without a mouse.
import assert from "node:assert/strict";
import { after, test } from "node:test";
import { needs } from "./tools.ts";
import { axe, noOverflow, openBrowser, openPage, settled, signIn, visit } from "./ui-browser.ts";
import { changedTree } from "./ui-tree.ts";
import { uiWorld } from "./ui-world.ts";

const NODE = "pi-1";
let made: Promise<Awaited<ReturnType<typeof make>>> | undefined;
async function make() {
  const world = await uiWorld({ nodes: 2 });
  await changedTree(world, NODE);
  return { world, browser: await openBrowser() };
}
const stage = () => {
  made ??= make();
  return made;
};
after(async () => {
  const { world, browser } = (await made) ?? {};
  await browser?.close();
  await world?.close();
});

test("a node with an NFS root shows what it has changed of its image; axe finds nothing, and nothing is cut off on a phone", async (t) => {
  if (!needs(t, "chromium", "chromium")) return;
  const { world, browser } = await stage();
  for (const look of [{ theme: "light" }, { theme: "dark", width: 390 }] as const) {
    const { page, complaints } = await openPage(browser, look);
    await signIn(page, world);
    await visit(page, `/nodes/${NODE}/disk`, /^pi-1$/);
    const row = (path: string) => page.getByRole("row").filter({ hasText: path });
    await row("/etc/motd").getByText("new").waitFor();
    await row("/etc/hosts").getByText("changed").waitFor();
    await row("/var/lib/app").getByText("new: directory").waitFor();
    await row("/etc/passwd").getByText("owner, mode or target").waitFor();
    await row("/etc/group").getByText("removed").waitFor();
    await noOverflow(page, `the disk of ${NODE}`);
    assert.deepEqual(await axe(page), [], `${look.theme}`);
    assert.deepEqual(complaints, []);
    await page.context().close();
  }
});

test("verbs that are for disks say so on a node with an NFS root; the others are to be had", async (t) => {
  if (!needs(t, "chromium", "chromium")) return;
  const { world, browser } = await stage();
  const { page } = await openPage(browser);
  await signIn(page, world);
  await visit(page, `/nodes/${NODE}/disk`, /^pi-1$/);
  const card = page
    .locator("main .card")
    .filter({ has: page.getByRole("button", { name: "Take a snapshot" }) });
  await card.getByRole("button", { name: "More", exact: true }).click();
  const greyed = new Map<string, string>();
  for (const item of await page.getByRole("menuitem").all()) {
    const [text = "", why = ""] = await item.locator("span").allTextContents();
    if ((await item.getAttribute("aria-disabled")) === "true") greyed.set(text, why);
  }
  assert.deepEqual(
    [...greyed.keys()],
    [
      "Drop a snapshot",
      "Put over another image",
      "Make it bigger",
      "Merge dropped snapshots",
      "Open for tools",
    ],
  );
  for (const [text, why] of greyed)
    assert.match(
      why,
      text === "Drop a snapshot" ? /it has no snapshot/ : /files over NFS, no disk: \w/,
      text,
    );
  await page.context().close();
});

test("by keyboard alone: a snapshot of an NFS root, a reset, and back to the snapshot", async (t) => {
  if (!needs(t, "chromium", "chromium")) return;
  const { world, browser } = await stage();
  const { page, complaints } = await openPage(browser);
  await signIn(page, world);
  await visit(page, `/nodes/${NODE}/disk`, /^pi-1$/);
  await page.getByText("/etc/motd").waitFor();
  const focused = () => page.evaluate("document.activeElement?.textContent ?? ''");
  const tabTo = async (text: string) => {
    for (let i = 0; i < 60; i++) {
      if ((await focused()) === text) return;
      await page.keyboard.press("Tab");
    }
    assert.fail(`${text} is not reached by the Tab key`);
  };
  const answer = async (...keys: string[]) => {
    await page.getByRole("dialog").waitFor();
    for (const key of keys) await page.keyboard.press(key);
  };
  await tabTo("Take a snapshot");
  await page.keyboard.press("Enter");
  await page.getByRole("dialog").getByLabel("Name").waitFor();
  await page.keyboard.type("good");
  await answer("Enter");
  await page.getByRole("row").filter({ hasText: "good" }).waitFor();
  assert.equal((await world.server.commands.snapshots({ node: NODE }))[0]?.name, "good");

  await tabTo("Reset the root");
  await page.keyboard.press("Enter");
  await page.getByRole("dialog").waitFor();
  await tabTo("Reset the root");
  await page.keyboard.press("Enter");
  await page.getByRole("dialog").waitFor({ state: "hidden" });
  await page.getByText("/etc/motd").waitFor({ state: "detached" });

  await tabTo("Roll back");
  await page.keyboard.press("Enter");
  await page.getByRole("dialog").waitFor();
  await tabTo("Roll back");
  await page.keyboard.press("Enter");
  await page.getByText("/etc/motd").waitFor();
  await settled(page);
  assert.deepEqual(complaints, []);
  await page.context().close();
});
