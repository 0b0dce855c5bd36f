import assert from "node:assert/strict";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { type TestContext, test } from "node:test";
import { dead, type Fate, failsOften, good, HANG_STAGES, hangsAt } from "./behaviour.ts";
import type { VirtualPi } from "./board.ts";
import { type PowerStep, powerOn } from "./power-on.ts";
import { toyDhcp, toyTftp, treeOf } from "./toy-servers.ts";
import { virtualNet } from "./virtual-net.ts";

const PI: VirtualPi = {
  model: "4B",
  serial: "10000001",
  mac: "dc:a6:32:00:00:01",
  hardwareWaits: 0,
  patienceMs: 5_000,
};

/** A server that takes what agents post, and keeps it. */
async function agentServer(t: TestContext) {
  const said: string[] = [];
  const server = createServer(async (request, response) => {
    let body = "";
    for await (const chunk of request) body += chunk;
    said.push(/^step=(.*)$/m.exec(body)?.[1] ?? request.url ?? "");
    response.end(request.url === "/agent/hello" ? "session=abc\nroot=iscsi\n" : "");
  });
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  t.after(() => server.close());
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, said };
}

/** One power-on, cut when nothing more happens; what the servers saw. */
async function live(t: TestContext, fate: Fate) {
  const { url, said } = await agentServer(t);
  const dhcp = toyDhcp({});
  const big = "x".repeat(20_000);
  const tftp = toyTftp({
    files: treeOf({
      "config.txt": "",
      "start4.elf": big,
      "fixup4.dat": "f",
      "kernel8.img": big,
      "bcm2711-rpi-4-b.dtb": "d",
      "cmdline.txt": `bramble.server=${url} bramble.boot=b1 bramble.token=t1`,
    }),
  });
  const net = virtualNet({ servers: [dhcp, tftp] });
  const cut = new AbortController();
  const steps: PowerStep[] = [];
  const over = new Promise<void>((done) => {
    const last = fate.end === "hang" && ["power", "dhcp", "file", "firmware", "kernel"].includes(fate.at);
    const ended = powerOn({
      pi: PI,
      net: () => net,
      fate,
      signal: cut.signal,
      told(step) {
        steps.push(step);
        if (step.step === (last ? "firmware" : "agent")) done();
      },
    });
    void ended.then(done);
    if (fate.end === "hang" && fate.at === "power") done();
  });
  await over;
  cut.abort();
  return { discovers: dhcp.seen.length, asked: tftp.asked, said, steps };
}

test("a good board goes on to a system that reports, as the real agent does", async (t) => {
  const { said, steps } = await live(t, { end: "up" });
  assert.deepEqual(said, ["/agent/hello", "network", "root-attached", "seeded", "switch-root", "booted"]);
  assert.deepEqual(steps.at(-1), { step: "agent", end: "up" });
});

test("a board stands still exactly where its fate says", async (t) => {
  const seen = async (at: (typeof HANG_STAGES)[number]) => live(t, { end: "hang", at });
  assert.equal((await seen("power")).discovers, 0);
  const dhcp = await seen("dhcp");
  assert.ok(dhcp.discovers > 0);
  assert.deepEqual(dhcp.asked, []);
  const file = await seen("file");
  assert.ok(file.asked.length > 0 && !file.asked.some((path) => path.endsWith("kernel8.img")));
  const firmware = await seen("firmware");
  assert.equal(firmware.asked.length, 4);
  const kernel = await seen("kernel");
  assert.ok(kernel.asked.some((path) => path.endsWith("kernel8.img")));
  assert.deepEqual(kernel.said, []);
  assert.equal((await seen("agent")).said.at(-1), "network");
  assert.equal((await seen("root")).said.at(-1), "seeded");
  assert.equal((await seen("os")).said.at(-1), "switch-root");
});

test("an agent that fails says why, and no more", async (t) => {
  const { said } = await live(t, { end: "agent-fails", words: "no root partition 2" });
  assert.deepEqual(said, ["/agent/hello", "network", "failed"]);
});

test("a board that fails 80 % of its boots does so at every stage, by its seed", () => {
  const fates = Array.from({ length: 2_000 }, (_, n) => failsOften(0.8, 7)(n + 1));
  const failed = fates.filter(({ end }) => end === "hang");
  assert.ok(Math.abs(failed.length / 2_000 - 0.8) < 0.04, `${failed.length}`);
  const stages = new Set(failed.map((fate) => (fate.end === "hang" ? fate.at : "")));
  assert.equal(stages.size, HANG_STAGES.length);
  assert.deepEqual(failsOften(0.8, 7)(3), failsOften(0.8, 7)(3));
  const others = Array.from({ length: 50 }, (_, n) => JSON.stringify(failsOften(0.8, n)(1)));
  assert.ok(new Set(others).size > 4, "other seeds, other dice");
});

test("a board that hangs twice comes up the third time; a dead one never does", () => {
  assert.deepEqual(
    [1, 2, 3].map((n) => hangsAt("os", 2)(n).end),
    ["hang", "hang", "up"],
  );
  assert.equal(dead(99).end, "hang");
  assert.equal(good(1).end, "up");
});
