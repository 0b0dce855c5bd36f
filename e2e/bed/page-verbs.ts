// Verbs of the page, done by a browser and judged by what the server then says.
import assert from "node:assert/strict";
import type { Page } from "playwright-core";
import { settled, visit, type World } from "../../test/ui-browser.ts";

interface Act {
  /** The button, or the menu's button and its entry. */
  open: string | readonly [menu: string, entry: string];
  /** By label: text to write, option to choose, true to tick. */
  fields?: Record<string, string | boolean | { choose: string }>;
  /** What the page says afterwards. */
  says: RegExp;
}

/** Opens a verb's form, fills it in and sends it. */
export async function act(page: Page, { open, fields = {}, says }: Act): Promise<void> {
  const main = page.locator("main");
  if (typeof open === "string") await main.getByRole("button", { name: open, exact: true }).first().click();
  else {
    await main.getByRole("button", { name: open[0], exact: true }).first().click();
    await page.getByRole("menuitem", { name: open[1], exact: true }).click();
  }
  const dialog = page.getByRole("dialog");
  for (const [label, value] of Object.entries(fields)) {
    const field = dialog.getByLabel(label).first();
    if (typeof value === "boolean") await field.setChecked(value);
    else if (typeof value === "string") await field.fill(value);
    else await field.selectOption(value.choose);
  }
  await dialog.locator("button[type=submit]").click();
  await page.locator(".notes").getByText(says).first().waitFor();
  assert.equal(await dialog.count(), 0, "the form is closed");
  await settled(page);
}

/** A walk through what an operator does in a week, on a fleet of three with one virtual switch. */
export async function everydayVerbs(page: Page, world: World, image: string): Promise<string[]> {
  const { commands } = world.server;
  const done: string[] = [];
  const did = async (what: string, wish: Act) => {
    await act(page, wish);
    done.push(what);
  };

  await visit(page, "/images", /^Images$/);
  await did("addImage", {
    open: "Add an image",
    fields: { "File or URL": image, Name: "second:1" },
    says: /second:1 is in/,
  });
  assert.ok((await commands.images({})).some(({ name }) => name === "second"));

  await visit(page, "/disks", /^Disks$/);
  const volume = { Name: "scratch", Size: "64M", "Mount point": "/srv/scratch" };
  await did("createVolume", { open: "Make a volume", fields: volume, says: /scratch is there/ });
  await did("attachVolume", {
    open: ["More", "Attach"],
    fields: { Node: { choose: "pi-1" } },
    says: /belongs to pi-1/,
  });
  assert.equal((await commands.volume({ volume: "scratch" })).node, "pi-1");
  await did("detachVolume", { open: ["More", "Detach"], says: /attached to none/ });
  await did("removeVolume", { open: ["More", "Remove"], says: /scratch is removed/ });

  await visit(page, "/groups", /^Groups$/);
  await did("addGroup", { open: "Make a group", fields: { Name: "web" }, says: /web is there/ });
  await did("joinGroup", { open: "Add nodes", fields: { Nodes: "pi-[1-2]" }, says: /2 nodes put into web/ });
  assert.equal((await commands.node({ node: "pi-2" })).group, "web");

  await visit(page, "/nodes/pi-1", /^pi-1$/);
  await did("setNode", {
    open: ["More", "Change labels"],
    fields: { Labels: "role=db\nhall=north" },
    says: /labels are changed/,
  });
  assert.deepEqual((await commands.node({ node: "pi-1" })).labels, { role: "db", hall: "north" });
  await did("setPower", { open: "Power cycle", fields: { "Ask its system": false }, says: /pi-1: on/ });
  await did("setNextBoot", { open: ["Life", "Boot something else next"], says: /boots rescue next/ });
  assert.equal((await commands.node({ node: "pi-1" })).override?.boot, "rescue");
  await did("setMaintenance", {
    open: ["Life", "Put into maintenance"],
    fields: { Why: "new fan" },
    says: /in maintenance/,
  });
  assert.equal((await commands.node({ node: "pi-1" })).maintenance, "new fan");

  await visit(page, "/profiles", /^Profiles$/);
  await did("addProfile", { open: "Make a profile", fields: { Name: "edge" }, says: /edge is there/ });
  await page.getByRole("heading", { level: 1, name: "edge" }).waitFor();
  await page.getByLabel("cmdline.txt").fill("quiet host={{ nobody.name }}");
  await page
    .getByText(/line 1, column \d+/)
    .first()
    .waitFor();
  await page.getByText("it would not boot").waitFor();
  await page.getByLabel("cmdline.txt").fill("quiet host={{ node.name }}");
  await page.getByText("it would boot").waitFor();
  await page.getByText("host=example").waitFor();
  await page.getByRole("button", { name: "Save the templates" }).click();
  await page
    .locator(".notes")
    .getByText(/edge: templates saved/)
    .waitFor();
  assert.deepEqual((await commands.profile({ profile: "edge" })).templates.cmdline, [
    "quiet host={{ node.name }}",
  ]);
  done.push("setTemplates");

  await visit(page, "/people", /^Users and tokens$/);
  await did("addUser", {
    open: "Make a user",
    fields: { Name: "olga", Password: "another long one" },
    says: /olga is there/,
  });
  await page.getByRole("button", { name: "Make a token", exact: true }).click();
  await page.getByRole("dialog").getByLabel("Name").fill("ci");
  await page.getByRole("dialog").locator("button[type=submit]").click();
  await page.getByText("It is shown this once").waitFor();
  const token = await page.getByRole("dialog").locator("code").innerText();
  await page.getByRole("button", { name: "I have it" }).click();
  const answer = await fetch(`${world.url}api/v1/me`, {
    headers: { authorization: `Bearer ${token.trim()}` },
  });
  assert.equal(answer.status, 200, "the token works");
  done.push("addToken");

  await visit(page, "/settings", /^Settings$/);
  await did("setEnrol", { open: "Change who may boot", fields: { Rule: "auto" }, says: /Enrolment: auto/ });
  assert.equal((await commands.status({})).enrol, "auto");
  return done;
}
