// What an admin does seldom, done by a browser: webhooks, retention, a CSV of places, a switch that is added, scanned and proved, power of many.
import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import type { Page } from "playwright-core";
import { virtualPoeSwitch } from "../../src/sim/poe-switch.ts";
import { picture, settled, visit, type World } from "../../test/ui-browser.ts";
import { act } from "./page-verbs.ts";

/** All of it, on a fleet of three; what was done, each found on the server. */
export async function adminVerbs(page: Page, world: World): Promise<string[]> {
  return [
    ...(await webhooks(page, world)),
    ...(await retention(page, world)),
    ...(await places(page, world)),
    ...(await aSwitch(page, world)),
    ...(await manyAtOnce(page, world)),
  ];
}

async function webhooks(page: Page, { server: { commands } }: World): Promise<string[]> {
  const told: string[] = [];
  const hook = createServer((request, answer) => {
    told.push(String(request.headers["content-type"]));
    request.resume().on("end", () => answer.end("thank you"));
  });
  hook.listen(0, "127.0.0.1");
  await once(hook, "listening");
  const url = `http://127.0.0.1:${(hook.address() as AddressInfo).port}/bramble`;
  try {
    await visit(page, "/settings", /^Settings$/);
    await page.getByRole("button", { name: "Add a webhook", exact: true }).click();
    const dialog = page.getByRole("dialog");
    await dialog.getByLabel("Name").fill("chat");
    await dialog.getByLabel("URL").fill(url);
    await dialog.getByLabel("Kinds of events").fill("failed");
    await dialog.locator("button[type=submit]").click();
    await page.getByText("It is shown this once").waitFor();
    await page.getByRole("button", { name: "I have it" }).click();
    const row = page.getByRole("row").filter({ hasText: "chat" });
    await row.getByRole("button", { name: "More", exact: true }).click();
    await page.getByRole("menuitem", { name: "Send a test", exact: true }).click();
    await dialog.locator("button[type=submit]").click();
    await page
      .locator(".notes")
      .getByText(/Delivered: /)
      .waitFor();
    assert.equal(told.length, 1);
    await picture(page, "few-light-webhook");
    await row.getByRole("button", { name: "More", exact: true }).click();
    await page.getByRole("menuitem", { name: "Remove", exact: true }).click();
    await dialog.locator("button[type=submit]").click();
    await page.locator(".notes").getByText("chat is told no more").waitFor();
    assert.deepEqual(await commands.webhooks({}), []);
  } finally {
    hook.close();
  }
  return ["addWebhook", "testWebhook", "removeWebhook"];
}

async function retention(page: Page, { server: { commands } }: World): Promise<string[]> {
  await visit(page, "/settings", /^Settings$/);
  await act(page, {
    open: "Change how long",
    fields: { "Events, days": "12", "Boots, days": "34" },
    says: /^Changed$/,
  });
  const { eventDays, bootDays } = await commands.retention({});
  assert.deepEqual([eventDays, bootDays], [12, 34]);
  const card = page.locator("main section, main .card").filter({ hasText: "Change how long" }).last();
  await card.getByRole("button", { name: "More", exact: true }).click();
  await page.getByRole("menuitem", { name: "Delete what is older now", exact: true }).click();
  await page.getByRole("dialog").locator("button[type=submit]").click();
  await page
    .locator(".notes")
    .getByText(/deleted, .* free again/)
    .waitFor();
  return ["setRetention", "prune"];
}

async function places(page: Page, { server: { commands } }: World): Promise<string[]> {
  await visit(page, "/racks", /^Racks$/);
  await act(page, {
    open: "Import places",
    fields: { CSV: "node,rack,unit,slot\npi-1,7,3,1\npi-2,7,3,2\npi-3,7,3,2\n" },
    says: /2 nodes are changed, 0 as before; 1 row refused: line 4/,
  });
  assert.deepEqual((await commands.node({ node: "pi-2" })).place, {
    ...{ site: "hall-1", rack: "7", unit: "3", slot: "2" },
  });
  await page
    .getByText(/Rack 7/i)
    .first()
    .waitFor();
  await picture(page, "few-light-places");
  return ["importPlaces"];
}

async function aSwitch(page: Page, { server }: World): Promise<string[]> {
  const { commands, core } = server;
  const [two, three] = [core.registry.need("pi-2"), core.registry.need("pi-3")];
  const poe = await virtualPoeSwitch({ ports: 8, communityRw: "geheim", searchMs: 5, reactMs: 1 });
  poe.plug(3, two.mac ?? "");
  poe.plug(4, three.mac ?? "");
  // the board that hangs on port 4 asks for an address whenever it gets power
  poe.on((port, state) => {
    if (port === 4 && state === "deliveringPower") core.registry.see({ mac: three.mac ?? "" }, Date.now());
  });
  try {
    await visit(page, "/switches", /^Switches$/);
    await act(page, {
      open: "Add a switch",
      fields: {
        Name: "poe-1",
        Kind: { choose: "snmp" },
        Address: `${poe.host}:${poe.port}`,
        Community: "geheim",
      },
      says: /poe-1: 8 ports/,
    });
    await page.getByRole("heading", { level: 1, name: "poe-1" }).waitFor();
    await act(page, { open: "Scan", fields: { "Bind the nodes": true }, says: /2 nodes: / });
    assert.equal((await commands.power({ node: "pi-2" })).switch, "poe-1");
    await commands.unbindPower({ node: "pi-3" });
    await visit(page, "/switches/poe-1", /^poe-1$/);
    await page.getByRole("button", { name: /^Port \S*4,/ }).click();
    await picture(page, "few-light-port");
    await page.getByRole("dialog").getByRole("button", { name: "Prove it", exact: true }).click();
    await page.getByRole("dialog").locator("button[type=submit]").click();
    await page
      .locator(".notes")
      .getByText(/pi-3 hangs on poe-1/)
      .waitFor({ timeout: 60_000 });
    assert.equal((await commands.power({ node: "pi-3" })).proof, "power-toggle");
    await settled(page);
  } finally {
    for (const node of ["pi-2", "pi-3"]) await commands.unbindPower({ node }).catch(() => undefined);
    await commands.removeSwitch({ switch: "poe-1" }).catch(() => undefined);
    await poe.close();
  }
  return ["addSwitch", "scanSwitch", "provePort"];
}

async function manyAtOnce(page: Page, { server: { commands } }: World): Promise<string[]> {
  await visit(page, "/nodes", /^Nodes$/);
  await page.locator("#node-rows").focus();
  await page.keyboard.press("Control+a");
  await page.getByText("3 nodes chosen").waitFor();
  await page.getByRole("button", { name: "Do with them" }).click();
  await page.getByRole("menuitem", { name: "Power cycle", exact: true }).click();
  const dialog = page.getByRole("dialog");
  await dialog.getByLabel("Ask their systems").setChecked(false);
  await dialog.locator("button[type=submit]").click();
  const note = page.locator(".notes").getByText(/Power cycle: 1 done, 2 refused; pi-\d: /);
  await note.waitFor();
  assert.equal((await commands.power({ node: "pi-1" })).actual, "on");
  await picture(page, "few-light-many-at-once");
  return ["nodesAction setPower"];
}
