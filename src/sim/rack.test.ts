import assert from "node:assert/strict";
import { test } from "node:test";
import { dead } from "./behaviour.ts";
import { virtualPoeSwitch } from "./poe-switch.ts";
import { type RackNews, rack } from "./rack.ts";
import { fleetOf } from "./run-fleet.ts";

test("boards of a rack live and die by their ports", async (t) => {
  const sw = await virtualPoeSwitch({ ports: 4, searchMs: 1, reactMs: 1 });
  t.after(() => sw.close());
  const news: RackNews[] = [];
  let wake = () => {};
  const until = async (enough: () => boolean) => {
    while (!enough()) await new Promise<void>((resolve) => (wake = resolve));
  };
  const place = { address: "127.0.0.1", dhcpPort: 9, tftpPort: 9 };
  const pis = fleetOf({ count: 2, models: ["4B"], server: place.address, ...place }).map((pi, i) => ({
    port: i + 2,
    pi,
    behaviour: dead,
  }));
  const failed = (error: unknown) => assert.fail(String(error));
  const told = (one: RackNews) => {
    news.push(one);
    wake();
  };
  const boards = rack({ switch: sw, server: place, pis, told, failed });
  await until(() => boards.on().length === 2);
  assert.deepEqual(boards.on(), [2, 3]);
  sw.reboot({ downMs: 1 });
  assert.deepEqual(boards.on(), []);
  await until(() => boards.powerOns(2) === 2 && boards.powerOns(3) === 2);
  await boards.close();
  assert.deepEqual(
    news.filter(({ port }) => port === 2).map(({ step, powerOn }) => `${step} ${powerOn}`),
    ["on 1", "off 1", "on 2", "off 2"],
  );
});
