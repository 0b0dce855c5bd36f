import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { connectCommands } from "../src/api/client.ts";
import { startCommanded } from "../src/app/cli/up.ts";
import { dataFolder } from "../src/app/data.ts";
import { utf8 } from "../src/base/text.ts";
import type { Model } from "../src/formats/boards.ts";
import { fleetOf, runFleet } from "../src/sim/run-fleet.ts";
import { makeDemoImage } from "../src/storage/demo-image.ts";
import { onLoopback } from "./loopback.ts";
import { needs, run } from "./tools.ts";

/** A whole Bramble on loopback, with the demo image. Threads run from the build only. */
async function bramble(
  t: TestContext,
  { enrol = "auto", data = mkdtempSync(join(tmpdir(), "whole-")) } = {},
) {
  const server = await startCommanded(onLoopback(data, { enrol }));
  let open = true;
  const close = async () => {
    if (open) await server.close();
    open = false;
  };
  t.after(async () => {
    await close();
    rmSync(data, { recursive: true, force: true });
  });
  if ((await server.commands.images({})).length === 0) {
    await makeDemoImage(join(data, "demo-1.img"));
    await server.commands.addImage({ source: join(data, "demo-1.img") });
  }
  const fleet = (model: Model, signal?: AbortSignal) => ({
    count: 1,
    models: [model],
    server: "127.0.0.1",
    dhcpPort: server.ports.dhcp[0]?.dhcp ?? 0,
    tftpPort: server.ports.tftp[0] ?? 0,
    keepBytes: true,
    ...(signal && { signal }),
  });
  const boot = async (model: Model) => {
    const { boots } = await runFleet(fleet(model));
    if (!boots[0]) throw new Error("no board in the fleet");
    return { pi: boots[0].pi, result: boots[0].boot };
  };
  /** A request to the node-facing listener, from an address of our choice. */
  const agent = (path: string, options: { from: string; body?: string; session?: string }) =>
    new Promise<{ status: number; body: Buffer }>((resolve, reject) => {
      const ask = request(
        {
          host: "127.0.0.1",
          port: server.ports.agent,
          localAddress: options.from,
          path,
          method: options.body === undefined ? "GET" : "POST",
          headers: options.session === undefined ? {} : { "x-bramble-session": options.session },
        },
        async (response) => {
          const chunks: Buffer[] = [];
          for await (const chunk of response) chunks.push(chunk as Buffer);
          resolve({ status: response.statusCode ?? 0, body: Buffer.concat(chunks) });
        },
      );
      ask.on("error", reject);
      ask.end(options.body);
    });
  /** The board has its last block before our own thread has told of it. */
  const kernelRead = async (node: string) => {
    for (;;) {
      const told = await server.commands.explain({ node });
      if (told.boot && told.boot.stage !== "firmware" && told.boot.stage !== "dhcp") return told;
      await new Promise(setImmediate); // the book answers without ever letting go of the thread
    }
  };
  return { data, server, fleet, commands: server.commands, boot, agent, kernelRead, close };
}

const lines = (body: Buffer) =>
  new Map(
    utf8(body)
      .split("\n")
      .map((line) => line.split(/=(.*)/s).slice(0, 2) as [string, string]),
  );
const parameter = (cmdline: Uint8Array | undefined, name: string) =>
  new RegExp(`bramble\\.${name}=(\\S+)`).exec(utf8(cmdline ?? new Uint8Array()))?.[1] ?? "";

test("a board boots out of its own clone, and its timeline says each file", async (t) => {
  const b = await bramble(t);
  const { pi, result } = await b.boot("4B");
  assert.equal(result.outcome, "kernel", result.reason);
  const told = await b.kernelRead(pi.serial);
  assert.equal(told.boot?.stage, "kernel");
  const read = told.boot?.steps.filter((step) => step.result === "sent").map((step) => step.path);
  assert.ok(
    read?.includes(`${pi.serial}/kernel8.img`) && read.includes(`${pi.serial}/agent.img`),
    String(read),
  );
  assert.ok(told.boot?.steps.some((step) => step.result === "missing"));
  const [clone] = await b.commands.clones({});
  assert.equal(clone?.node, told.node.name);
});

test("the token opens one session, from one address; the second use is refused and on the page", async (t) => {
  const b = await bramble(t);
  const { pi, result } = await b.boot("4B");
  const { bytes } = result.cmdline ?? {};
  const body = `boot=${parameter(bytes, "boot")}\ntoken=${parameter(bytes, "token")}\n`;
  const from = result.address ?? "";

  const wrong = await b.agent("/agent/hello", { from, body: `boot=${parameter(bytes, "boot")}\ntoken=00\n` });
  assert.equal(wrong.status, 403);
  const first = await b.agent("/agent/hello", { from, body });
  assert.equal(first.status, 200, utf8(first.body));
  const again = await b.agent("/agent/hello", { from, body });
  assert.deepEqual(again, first, "a lost answer may be asked for again");
  const thief = await b.agent("/agent/hello", { from: "127.79.200.200", body });
  assert.equal(thief.status, 403);

  const session = lines(first.body).get("session") ?? "";
  const report = (step: string, by = from) =>
    b.agent("/agent/report", { from: by, session, body: `step=${step}\ndetail=a%20b\nuptime=4.2\n` });
  assert.equal((await report("network")).status, 204);
  assert.equal((await report("network", "127.79.200.200")).status, 403, "a session belongs to its address");
  assert.equal((await report("root-attached")).status, 204);
  assert.equal((await report("booted")).status, 204);
  const told = await b.commands.explain({ node: pi.serial });
  assert.equal(told.boot?.outcome, "booted");
  assert.match(told.boot?.verdict ?? "", /came up/);
  const words = told.events.map((event) => event.words).join("\n");
  assert.match(words, /127\.79\.200\.200 used this boot's token a second time/);
  assert.doesNotMatch(
    JSON.stringify(told),
    new RegExp(`${session}|${parameter(bytes, "token")}`),
    "no secret is told",
  );
});

test("a node's disk is open to its address and its secret only, and keeps what was written over a restart", async (t) => {
  if (!needs(t, "qemu-io", "qemu-utils")) return;
  const b = await bramble(t);
  await b.commands.setProfile({ profile: "default", patch: { root: "nbd" } });
  const { pi, result } = await b.boot("4B");
  const { bytes } = result.cmdline ?? {};
  const body = `boot=${parameter(bytes, "boot")}\ntoken=${parameter(bytes, "token")}\n`;
  // From 127.0.0.1, since qemu-io cannot choose where it comes from.
  const hello = lines((await b.agent("/agent/hello", { from: "127.0.0.1", body })).body);
  assert.equal(hello.get("root"), "nbd");
  const uri = `nbd://127.0.0.1:${hello.get("nbd_port")}/${hello.get("nbd_export")}`;
  run("qemu-io", ["-f", "raw", "-c", "write -P 0x5a 40M 64k", "-c", "flush", uri]);
  assert.throws(
    () => run("qemu-io", ["-f", "raw", "-c", "read 0 512", `${uri.slice(0, -4)}0000`]),
    "a wrong name",
  );
  const image = await b.commands.image({ image: "demo-1" });

  await b.close();
  const c = await bramble(t, { data: b.data });
  const same = `nbd://127.0.0.1:${c.server.ports.nbd}/${hello.get("nbd_export")}`;
  run("qemu-io", ["-f", "raw", "-c", "read -P 0x5a 40M 64k", same]); // what it had open is open to it again
  await assert.rejects(
    c.commands.serveClone({ node: pi.serial }),
    { code: "CLONE_BUSY" },
    "its node may come back",
  );
  assert.equal((await c.commands.image({ image: "demo-1" })).sha256, image.sha256);
  await c.close();
});

test("a boot that was under way when Bramble stopped goes on: its files, its token, its session", async (t) => {
  const b = await bramble(t);
  const { pi, result } = await b.boot("4B");
  await b.kernelRead(pi.serial);
  const { bytes } = result.cmdline ?? {};
  const body = `boot=${parameter(bytes, "boot")}\ntoken=${parameter(bytes, "token")}\n`;
  const from = result.address ?? "";
  await b.close();

  const c = await bramble(t, { data: b.data });
  const file = { path: `${pi.serial}/kernel8.img`, client: { address: from } };
  assert.ok(await c.server.desk.find(file), "it may read its files again");
  assert.equal((await c.commands.boots({ node: pi.serial })).length, 1, "and that is no new boot");
  await assert.rejects(c.server.desk.find({ ...file, client: { address: "127.79.200.200" } }));
  const first = await c.agent("/agent/hello", { from, body });
  assert.equal(first.status, 200, utf8(first.body));
  await c.close();

  const d = await bramble(t, { data: b.data });
  const thief = await d.agent("/agent/hello", { from: "127.79.200.200", body });
  assert.equal(thief.status, 403, "the token was used elsewhere");
  const again = await d.agent("/agent/hello", { from, body });
  assert.equal(
    again.status,
    200,
    "whether the answer came over is not known: the same address may ask again",
  );
  const session = lines(again.body).get("session") ?? "";
  const report = (e: typeof d, step: string) =>
    e.agent("/agent/report", { from, session, body: `step=${step}\ndetail=\nuptime=1\n` });
  assert.equal((await report(d, "root-attached")).status, 204);
  await d.close();

  const e = await bramble(t, { data: b.data });
  const late = await e.agent("/agent/hello", { from, body });
  assert.equal(late.status, 403, "who has reported has had its answer: the token is spent");
  assert.equal((await report(e, "booted")).status, 204);
  const told = await e.commands.explain({ node: pi.serial });
  assert.equal(told.boot?.outcome, "booted");
  assert.ok(
    told.boot?.steps.some((step) => step.result === "sent"),
    "with its timeline from the beginning",
  );
});

test("a second boot's login ends the first one's disk", async (t) => {
  if (!needs(t, "nbdinfo", "libnbd-bin")) return;
  const b = await bramble(t);
  await b.commands.setProfile({ profile: "default", patch: { root: "nbd" } });
  const login = async () => {
    const { result } = await b.boot("4B");
    const { bytes } = result.cmdline ?? {};
    const body = `boot=${parameter(bytes, "boot")}\ntoken=${parameter(bytes, "token")}\n`;
    return lines((await b.agent("/agent/hello", { from: "127.0.0.1", body })).body);
  };
  const uri = (hello: Map<string, string>) =>
    `nbd://127.0.0.1:${hello.get("nbd_port")}/${hello.get("nbd_export")}`;
  const first = uri(await login());
  run("nbdinfo", ["--size", first]);
  const second = uri(await login());
  run("nbdinfo", ["--size", second]);
  assert.throws(() => run("nbdinfo", ["--size", first]));
  const events = await b.commands.events({});
  assert.ok(events.some((event) => /the one before lost its disk/.test(event.words)));
});

test("a board that nobody enrolled gets no answer, one that was enrolled boots, a forgotten one begins anew", async (t) => {
  const b = await bramble(t, { enrol: "ask" });
  const wish = b.fleet("5");
  const [pi] = fleetOf(wish);
  if (!pi) throw new Error("no board in the fleet");
  const booting = runFleet(wish);
  const seen = async () => (await b.commands.nodes({})).find((node) => node.serial === pi.serial);
  while (!(await seen())) await new Promise(setImmediate);
  assert.equal((await seen())?.state, "discovered");
  await b.commands.enrolNode({ node: pi.serial });
  assert.equal((await booting).booted, 1, "firmware asks again by itself");
  await b.commands.forgetNode({ node: pi.serial });
  assert.equal(await seen(), undefined);
  assert.deepEqual(await b.commands.clones({}), []);
});

test("a neighbour who knows a node's serial gets none of its files while the node boots", async (t) => {
  const b = await bramble(t);
  const { pi, result } = await b.boot("4B");
  const path = `${pi.serial}/cmdline.txt`;
  await assert.rejects(b.server.desk.find({ path, client: { address: "127.79.200.200" } }), {
    code: "TOKEN_REFUSED",
  });
  assert.ok(
    await b.server.desk.find({ path, client: { address: result.address ?? "" } }),
    "the node itself still does",
  );
  const { events } = await b.commands.explain({ node: pi.serial });
  assert.ok(
    events.some((event) => event.words.includes("127.79.200.200") && event.words.includes("refused")),
  );
});

test("the socket gives the same answers and the same errors as the process itself", async (t) => {
  const b = await bramble(t);
  const { pi } = await b.boot("4B");
  await b.kernelRead(pi.serial);
  const beside = connectCommands(dataFolder(b.data).socket);
  for (const name of ["nodes", "images", "clones", "profiles", "boots"] as const) {
    assert.deepEqual(await beside[name]({}), JSON.parse(JSON.stringify(await b.commands[name]({}))), name);
  }
  await assert.rejects(beside.node({ node: "nobody" }), { code: "NODE_UNKNOWN" });
  await assert.rejects(beside.removeImage({ image: "demo-1" }), { code: "IMAGE_IN_USE" });
  await assert.rejects(beside.addImage({ source: "/does/not/exist.img" }), { code: "FILE_UNKNOWN" });
  await assert.rejects(beside.setNode({ node: "pi", patch: { user: "Not A User" } }), { code: "BAD_INPUT" });
});

test("the page is for whoever reaches its listener, what it shows for whoever has logged in there", async (t) => {
  const b = await bramble(t);
  const base = `http://127.0.0.1:${b.server.ports.operator}`;
  assert.match(await (await fetch(base)).text(), /<title>Bramble/);
  assert.equal((await fetch(`${base}/api/v1/nodes`)).status, 401);
  await b.server.core.access.users.add("ada", "viewer");
  const { secret } = b.server.core.access.links.login("ada");
  const json = { "content-type": "application/json" };
  const login = { method: "POST", headers: json, body: JSON.stringify({ secret }) };
  const opened = await fetch(`${base}/api/v1/login/link`, login);
  const cookie = opened.headers.get("set-cookie")?.split(";")[0] ?? "";
  assert.equal((await fetch(`${base}/api/v1/nodes`, { headers: { cookie } })).status, 200);
  const { csrf } = (await opened.json()) as { csrf: string };
  const headers = { ...json, cookie, "x-bramble-csrf": csrf };
  const denied = await fetch(`${base}/api/v1/enrol`, { method: "PUT", headers, body: '{"rule":"auto"}' });
  assert.equal(denied.status, 403);
  const rebound = await new Promise<number | undefined>((resolve) =>
    request(`${base}/api/v1/nodes`, { headers: { host: "evil.example" } }, (answer) =>
      resolve(answer.resume().statusCode),
    ).end(),
  );
  assert.equal(rebound, 421, "a stranger's name for our address");
});
