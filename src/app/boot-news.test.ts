import assert from "node:assert/strict";
import { test } from "node:test";
import { Boots, type Step } from "../fleet/boots.ts";
import { diagnose } from "../fleet/diagnosis.ts";
import type { Node } from "../fleet/node.ts";
import type { TftpEvent } from "../serve/tftp.ts";
import { bootNews } from "./boot-news.ts";

const node = { id: "n", name: "pi-1", model: "4B" } as Node;

function world() {
  const steps: Step[] = [];
  const boots = new Boots({ deadlineMs: () => 60_000, diagnose: (boot) => diagnose({ boot }) });
  const clock = { now: 100_000 };
  const { tftp } = bootNews({
    registry: { byMac: () => node } as never,
    journal: { event() {} } as never,
    boots,
    who: async (path) => ({ node, rest: path }),
    remember() {},
    atHome() {},
    prepared: () => undefined,
    event() {},
    step(_, kind, words, more = {}, reached) {
      for (const order of boots.step("n", { atMs: clock.now, kind, words, ...more }, reached))
        if (order.do === "step") steps.push(order.step);
    },
    now: () => clock.now,
  });
  const event = (kind: TftpEvent["kind"], path: string, more: Partial<TftpEvent> = {}) =>
    tftp({ kind, path, client: { address: "10.0.0.9", port: 9 }, at: clock.now, ...more });
  return { boots, steps, clock, event };
}

test("a file that is on its way is what a silence is about, until it has come", async () => {
  const { boots, event, clock } = world();
  boots.discover("n", "1", clock.now, false);
  await event("read", "start4.elf", { bytes: 9 });
  assert.deepEqual(boots.current("n")?.fetching, { path: "start4.elf", size: 9 });
  await event("sent", "start4.elf", { bytes: 9, ms: 1 });
  assert.equal(boots.current("n")?.fetching, undefined);
  await event("read", "kernel8.img", { bytes: 99 });
  const [close] = boots.tick(clock.now + 60_000);
  assert.equal(close?.boot.cause, "file-timeout");
});

test("the late end of a transfer of the boot before is no evidence against this one", async () => {
  const { boots, event, clock, steps } = world();
  boots.discover("n", "1", clock.now, false);
  await event("read", "start4.elf", { bytes: 9_000 });
  boots.end("n", "stopped", clock.now);
  clock.now += 20_000;
  boots.discover("n", "2", clock.now, false);
  clock.now += 11_000;
  await event("timeout", "start4.elf", { bytes: 2_936, ms: 31_000 });
  assert.equal(steps.length, 0);
  await event("timeout", "start4.elf", { bytes: 2_936, ms: 10_000 });
  assert.equal(steps[0]?.result, "broken");
});

test("a boot that begins with a request, without DHCP of ours, has that request", async () => {
  const { boots, event, clock, steps } = world();
  boots.discover("n", "1", clock.now, false);
  clock.now += 100;
  await event("sent", "config.txt", { bytes: 9, ms: 800 });
  assert.equal(steps[0]?.path, "config.txt");
});
