import assert from "node:assert/strict";
import { rmSync } from "node:fs";
import { request } from "node:http";
import { type TestContext, test } from "node:test";
import { extract } from "tar-stream";
import { utf8 } from "../src/base/text.ts";
import { runFleet } from "../src/sim/run-fleet.ts";
import { loopback } from "./planes-server.ts";

/** Bramble on loopback, where a virtual Pi boots and its agent speaks for itself. */
async function bramble(t: TestContext) {
  const b = await loopback();
  t.after(async () => {
    await b.server.close();
    rmSync(b.data, { recursive: true, force: true });
  });
  const boot = () =>
    runFleet({
      count: 1,
      models: ["4B"],
      server: "127.0.0.1",
      dhcpPort: b.server.ports.dhcp[0]?.dhcp ?? 0,
      tftpPort: b.server.ports.tftp[0] ?? 0,
      keepBytes: true,
    });
  const agent = (path: string, session: string | undefined, from: string, body?: string) =>
    new Promise<{ status: number; body: Buffer }>((resolve, reject) => {
      const headers = session === undefined ? {} : { "x-bramble-session": session };
      const method = body === undefined ? "GET" : "POST";
      const to = { host: "127.0.0.1", port: b.server.ports.agent, localAddress: from };
      const ask = request({ ...to, path, method, headers }, async (response) => {
        const chunks: Buffer[] = [];
        for await (const chunk of response) chunks.push(chunk as Buffer);
        resolve({ status: response.statusCode ?? 0, body: Buffer.concat(chunks) });
      });
      ask.on("error", reject);
      ask.end(body);
    });
  return { ...b, boot, agent };
}

async function untar(tar: Buffer): Promise<Map<string, { mode: number; text: string }>> {
  const files = new Map<string, { mode: number; text: string }>();
  const entries = extract();
  entries.end(tar);
  for await (const entry of entries) {
    const chunks: Buffer[] = [];
    for await (const chunk of entry) chunks.push(chunk as Buffer);
    files.set(entry.header.name, { mode: entry.header.mode ?? 0, text: Buffer.concat(chunks).toString() });
  }
  return files;
}

test("a node's seed is made of its profile for the session of its boot, at its address, and for nobody else", async (t) => {
  const { commands, boot, agent, events } = await bramble(t);
  const key = "hunter2's";
  await commands.setSecret({ profile: "default", name: "key", value: key });
  await commands.setTemplates({
    profile: "default",
    patch: {
      files: [
        {
          path: "/etc/app.yaml",
          mode: 0o600,
          text: "at: {{ node.address }}\nkey: {{ secret.key | json }}\n",
        },
      ],
      commands: ["echo {{ index }}"],
      cmdline: ["node={{ node.name }}"],
    },
  });
  const { boots } = await boot();
  const cmdline = utf8(boots[0]?.boot.cmdline?.bytes ?? new Uint8Array());
  const address = boots[0]?.boot.address ?? "";
  const said = (name: string) => new RegExp(`bramble\\.${name}=(\\S+)`).exec(cmdline)?.[1] ?? "";
  assert.match(cmdline, / node=pi-\w+ bramble\./);
  const hello = await agent(
    "/agent/hello",
    undefined,
    address,
    `boot=${said("boot")}\ntoken=${said("token")}\n`,
  );
  assert.equal(hello.status, 200, utf8(hello.body));
  const session = /^session=(.*)$/m.exec(utf8(hello.body))?.[1] ?? "";

  const plain = await untar((await agent("/agent/seed?cloudinit=0", session, address)).body);
  assert.deepEqual([...plain.keys()], ["bramble-seed", "etc/app.yaml", "bramble-once"]);
  assert.deepEqual(plain.get("etc/app.yaml"), { mode: 0o600, text: `at: ${address}\nkey: "${key}"\n` });
  assert.match(plain.get("bramble-once")?.text ?? "", /^step 'command 1' [0-9a-f]{64} sh -c 'echo 0'$/m);
  const cloud = await untar((await agent("/agent/seed?cloudinit=1", session, address)).body);
  const noCloud = [...cloud.keys()].filter((path) => path.startsWith("var/lib/cloud/seed/nocloud/"));
  assert.equal(noCloud.length, 4);
  assert.ok(cloud.has("etc/app.yaml"));

  for (const [by, from] of [
    [undefined, address],
    ["0".repeat(64), address],
    [session, "127.80.200.200"],
  ] as const) {
    for (const path of ["/agent/seed?cloudinit=0", "/agent/cluster"]) {
      const refused = await agent(path, by, from);
      assert.equal(refused.status, 403);
      assert.doesNotMatch(utf8(refused.body), /hunter2|app\.yaml/);
    }
  }

  await commands.removeSecret({ profile: "default", name: "key" });
  const failed = await agent("/agent/seed?cloudinit=0", session, address);
  assert.equal(failed.status, 503);
  assert.match(
    await events(/its seed cannot be made/),
    /file \/etc\/app\.yaml:2:9: there is no value secret\.key/,
  );
});

test("a board whose profile cannot be rendered is not booted, and its page says where the template is wrong", async (t) => {
  const { commands, boot, events } = await bramble(t);
  await commands.setSecret({ profile: "default", name: "key", value: "x" });
  await commands.setTemplates({
    profile: "default",
    patch: { commands: ["true", "login {{ secret.key }}"] },
  });
  await commands.removeSecret({ profile: "default", name: "key" });
  const booting = boot();
  const words = await events(/it is not booted: profile default/);
  assert.match(
    words,
    /it is not booted: profile default: command 2:1:10: there is no value secret\.key \(bramble profile secret set/,
  );
  assert.deepEqual(await commands.boots({}), [], "no boot was opened for it");
  await commands.setSecret({ profile: "default", name: "key", value: "y" });
  const { booted } = await booting;
  assert.equal(booted, 1, "repaired: the firmware asks again by itself");
});
