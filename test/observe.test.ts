import assert from "node:assert/strict";
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { readFileSync, rmSync } from "node:fs";
import { type TestContext, test } from "node:test";
import { type Loopback, loopback } from "./planes-server.ts";
import { needs, run } from "./tools.ts";

async function bramble(t: TestContext): Promise<Loopback> {
  const made = await loopback();
  t.after(async () => {
    await made.server.close();
    rmSync(made.data, { recursive: true, force: true });
  });
  return made;
}

/** One datagram from an address of our choice. */
async function datagram(from: string, port: number, text: string): Promise<void> {
  const socket = createSocket("udp4");
  socket.bind(0, from);
  await once(socket, "listening");
  await new Promise((done) => socket.send(text, port, "127.0.0.1", done));
  socket.close();
}

const value = (metrics: string, start: string): number =>
  Number(
    metrics
      .split("\n")
      .find((line) => line.startsWith(start))
      ?.split(" ")
      .at(-1) ?? Number.NaN,
  );

/** Planes tell what they have counted once a second: asks until `done` says that it is there. */
async function scrape({ server }: Loopback, done: (metrics: string) => boolean): Promise<string> {
  const until = Date.now() + 30_000;
  for (;;) {
    const { body } = await server.observing.monitors["/metrics"]();
    if (done(body)) return body;
    if (Date.now() > until) throw new Error(`not in the metrics:\n${body}`);
    await new Promise((go) => setTimeout(go, 100));
  }
}

test("a boot is measured: DHCP, files, disk, stages and outcome are in the metrics, and monitors are answered", async (t) => {
  const made = await bramble(t);
  const booted = await made.boot();
  assert.equal(booted?.outcome, "kernel");
  const { server, node } = made;
  const metrics = await scrape(made, (text) => value(text, 'bramble_tftp_requests_total{result="sent"}') > 3);
  assert.ok(value(metrics, 'bramble_dhcp_packets_total{type="discover",result="offer"') >= 1);
  assert.ok(value(metrics, "bramble_tftp_bytes_total") > 1_000);
  assert.ok(value(metrics, "bramble_tftp_transfer_seconds_count") > 3);
  assert.ok(value(metrics, "bramble_tokens_issued_total") >= 1);
  assert.ok(value(metrics, "bramble_db_tx_seconds_count") > 1);
  assert.ok(value(metrics, "bramble_volume_free_bytes") > 0);
  assert.equal(value(metrics, "bramble_boots_in_flight"), 1);
  assert.equal(value(metrics, 'bramble_nodes{state="deployed",pool="default"}') >= 1, true);
  assert.equal(metrics.includes(node.name), false, "no metric is one node's");
  if (needs(t, "promtool", "prometheus")) run("promtool", ["check", "metrics"], { input: metrics });

  const { port } = { port: server.ports.operator };
  const get = (path: string) => fetch(`http://127.0.0.1:${port}${path}`);
  assert.equal((await get("/health")).status, 200);
  const ready = await get("/ready");
  const told = (await ready.json()) as { ready: boolean; parts: { name: string; ready: boolean }[] };
  assert.equal(ready.status, 200, JSON.stringify(told));
  assert.deepEqual(
    told.parts.map(({ name }) => name),
    ["book", "space", "disk plane", "boot plane"],
  );
  assert.equal((await get("/metrics")).status, 401, "metrics are for those who may look");
});

test("every metric that the alert rules and the dashboard name is there", async (t) => {
  const made = await bramble(t);
  const metrics = await scrape(made, () => true);
  const there = new Set([...metrics.matchAll(/^# TYPE (\S+)/gm)].map((match) => match[1]));
  for (const file of ["deploy/prometheus/bramble-rules.yml", "deploy/grafana/bramble.json"]) {
    const named = new Set(readFileSync(file, "utf8").match(/\bbramble_[a-z0-9_]+/g));
    assert.ok(named.size > 8, `${file} names ${named.size} metrics`);
    const missing = [...named].filter(
      (name) => !there.has(name) && !there.has(name.replace(/_(bucket|sum|count)$/, "")),
    );
    assert.deepEqual(missing, [], file);
  }
});

test("what a node prints is kept under its boot, and a stranger's lines are not", async (t) => {
  const made = await bramble(t);
  const { server, commands } = made;
  const booted = await made.boot();
  assert.equal(booted?.outcome, "kernel", booted?.reason);
  const address = booted?.address ?? "";
  const [boot] = await commands.boots({});
  const pi = boot?.node ?? "";
  await datagram("127.66.6.6", server.ports.netconsole[0] ?? 0, "[ 0.0] I am nobody\n");
  await datagram(address, server.ports.netconsole[0] ?? 0, "[ 1.0] Kernel panic - not syncing\n");
  await datagram(address, server.ports.syslog[0] ?? 0, "<11>Nov 22 06:30:01 pi sshd[1]: no way in");
  const until = Date.now() + 20_000;
  let view = await commands.nodeConsole({ node: pi });
  while (view.lines.length < 2 && Date.now() < until) {
    await new Promise(setImmediate); // the book answers at once: without it no packet would be heard
    view = await commands.nodeConsole({ node: pi });
  }
  assert.equal(view.boot, boot?.id);
  assert.deepEqual(
    view.lines.map(({ source, text }) => `${source} ${text}`),
    ["netconsole [ 1.0] Kernel panic - not syncing", "syslog no way in"],
  );
  assert.match(await made.events(/sends logs/), /127\.66\.6\.6 sends logs/);
  const support = await commands.support({});
  assert.ok(support.files.includes("metrics.txt"), support.files.join());
});
