// What a state means to a board: the whole server on loopback, from the build, and a virtual board with its agent's words.
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { utf8 } from "../src/base/text.ts";
import { runFleet } from "../src/sim/run-fleet.ts";
import { type Loopback, loopback } from "./planes-server.ts";

const PATIENCE = { timeout: 180_000 };
const INVENTORY = { serial: "51b00001", model: "Pi 4B", cpus: 4, memoryKiB: 4_000_000, disks: [] };
const ADDRESS = "127.0.1.1";

function post(url: string, body: string, headers = {}): Promise<{ status: number; text: string }> {
  return new Promise((resolve, reject) => {
    const asked = request(url, { method: "POST", localAddress: ADDRESS, headers }, async (response) => {
      let text = "";
      for await (const chunk of response) text += chunk;
      resolve({ status: response.statusCode ?? 0, text });
    });
    asked.on("error", reject);
    asked.end(body);
  });
}

/** One board, switched on: as far as its kernel, and then what its agent may say. */
function board(b: () => Loopback) {
  return {
    async boot() {
      const { ports } = b().server;
      const { boots } = await runFleet({
        ...{ count: 1, models: ["4B"], server: "127.0.0.1", keepBytes: true },
        ...{ dhcpPort: ports.dhcp[0]?.dhcp ?? 0, tftpPort: ports.tftp[0] ?? 0 },
        signal: AbortSignal.timeout(30_000),
      });
      const boot = boots[0]?.boot;
      const text = utf8(boot?.cmdline?.bytes ?? new Uint8Array());
      const value = (name: string) => new RegExp(`bramble\\.${name}=(\\S+)`).exec(text)?.[1] ?? "";
      return { outcome: boot?.outcome, id: value("boot"), root: value("root"), token: value("token") };
    },
    async hello({ id, token }: { id: string; token: string }) {
      const url = () => `http://127.0.0.1:${b().server.ports.agent}/agent`;
      const { status, text } = await post(`${url()}/hello`, `boot=${id}\ntoken=${token}\n`);
      const orders = new Map(text.split("\n").map((line) => line.split("=", 2) as [string, string]));
      const session = { "x-bramble-session": orders.get("session") ?? "" };
      return {
        ...{ status, orders },
        report: async (step: string) => (await post(`${url()}/report`, `step=${step}\n`, session)).status,
        inventory: async (told: object) =>
          (await post(`${url()}/inventory`, JSON.stringify(told), session)).status,
      };
    },
  };
}

async function server(t: TestContext) {
  const data = mkdtempSync(join(tmpdir(), "lifecycle-"));
  let now = await loopback({ data });
  t.after(async () => {
    await now.server.close();
    rmSync(data, { recursive: true, force: true });
  });
  const pi = board(() => now);
  return {
    pi,
    commands: () => now.commands,
    core: () => now.server.core,
    life: () => now.commands.life({ node: INVENTORY.serial }),
    async again() {
      await now.server.close();
      now = await loopback({ data });
    },
  };
}

test(
  "a one-time boot into memory opens no disk, is kept over a restart, and is used up by the boot that came so far",
  PATIENCE,
  async (t) => {
    const b = await server(t);
    const first = await b.pi.boot();
    assert.deepEqual([first.outcome, first.root], ["kernel", "iscsi"]);
    const own = await b.pi.hello(first);
    assert.deepEqual([own.orders.get("root"), own.orders.has("iscsi_target")], ["iscsi", true]);
    assert.equal(await own.report("booted"), 204);
    assert.equal((await b.life()).state, "deployed", "at home a board is deployed with no ceremony");

    await b.commands().setNextBoot({ node: INVENTORY.serial, boot: "ram" });
    const second = await b.pi.boot();
    assert.equal(second.root, "ram");
    // the boot plane tells of the kernel's last block a moment later
    while ((await b.life()).override) await new Promise(setImmediate);
    await b.again();
    const greeted = await b.pi.hello(second);
    assert.deepEqual(
      [greeted.orders.get("root"), greeted.orders.has("iscsi_target")],
      ["ram", false],
      "as it began, so it goes on",
    );
    assert.equal((await b.pi.boot()).root, "iscsi");
  },
);

test(
  "rescue takes what the last boot may open, boots into memory, and leaves the clone as it is",
  PATIENCE,
  async (t) => {
    const b = await server(t);
    const own = await b.pi.hello(await b.pi.boot());
    assert.equal(own.status, 200);
    const { createdMs } = await b.commands().clone({ node: INVENTORY.serial });
    await b.commands().actNode({ node: INVENTORY.serial, action: "rescue", reason: "it does not boot" });
    await b.core().life.settled();
    assert.equal(await own.report("booted"), 403, "its session is gone");
    assert.deepEqual(
      await b.core().book.selectFrom("openDisk").selectAll().where("nodeId", "=", INVENTORY.serial).execute(),
      [],
    );
    const saved = await b.pi.hello(await b.pi.boot());
    assert.equal(saved.orders.get("root"), "ram");
    assert.equal(await saved.report("booted"), 204);
    assert.equal((await b.life()).state, "rescue");
    await b.commands().actNode({ node: INVENTORY.serial, action: "unrescue" });
    await b.core().life.settled();
    const back = await b.pi.hello(await b.pi.boot());
    assert.equal(back.orders.get("root"), "iscsi");
    await back.report("booted");
    assert.equal((await b.life()).state, "deployed");
    assert.equal(
      (await b.commands().clone({ node: INVENTORY.serial })).createdMs,
      createdMs,
      "the same disk",
    );
  },
);

test(
  "reinstall makes a fresh clone and waits for its first boot; a token of before is worth nothing",
  PATIENCE,
  async (t) => {
    const b = await server(t);
    const before = await b.pi.boot();
    const { createdMs } = await b.commands().clone({ node: INVENTORY.serial });
    await b.commands().actNode({ node: INVENTORY.serial, action: "reinstall" });
    await b.core().life.settled();
    assert.equal((await b.life()).state, "first_boot");
    assert.equal((await b.pi.hello(before)).status, 403);
    assert.equal((await b.commands().clone({ node: INVENTORY.serial })).createdMs > createdMs, true);
    const fresh = await b.pi.hello(await b.pi.boot());
    await fresh.report("booted");
    assert.equal((await b.life()).state, "deployed");
  },
);

test(
  "in hosting a board is inspected by its agent, cleaned, and gets nothing until it is deployed for somebody",
  PATIENCE,
  async (t) => {
    const b = await server(t);
    await b.commands().setPolicy({ name: "hosting", firmware: "unchecked" });
    b.core().registry.see({ serial: INVENTORY.serial, mac: "dc:a6:32:b0:00:01" }, Date.now());
    await b.commands().enrolNode({ node: INVENTORY.serial });
    assert.equal((await b.life()).boots.tree, "none");
    await b.commands().actNode({ node: INVENTORY.serial, action: "inspect" });
    await b.core().life.settled();
    const booted = await b.pi.boot();
    assert.equal(booted.root, "inventory");
    const agent = await b.pi.hello(booted);
    assert.equal(agent.orders.get("root"), "inventory");
    assert.equal(await agent.inventory(INVENTORY), 204);
    await b.core().life.settled();
    assert.equal((await b.life()).state, "ready");
    assert.equal((await b.commands().nodeInventory({ node: INVENTORY.serial })).node.length > 0, true);
    assert.equal(
      (await b.commands().clones({})).some(({ node }) => node.includes(INVENTORY.serial)),
      false,
      "no clone was made to look at it",
    );
    await assert.rejects(b.commands().actNode({ node: INVENTORY.serial, action: "wipe-local" }), {
      code: "NOT_AVAILABLE",
    });
  },
);
