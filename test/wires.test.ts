// What doctor hears on a wire: a bridge with spanning tree, a rogue DHCP server, somebody with our address. In namespaces of its own.
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { type TestContext, test } from "node:test";
import { fileURLToPath } from "node:url";
import type { Finding } from "../src/app/doctor.ts";
import { needs, run, which } from "./tools.ts";

const UNBUILT = import.meta.url.endsWith(".ts");
const PROGRAM = [
  ...(UNBUILT ? ["--import", "tsx"] : []),
  fileURLToPath(new URL(UNBUILT ? "wires-child.ts" : "wires-child.js", import.meta.url)),
];
const ROOT = process.platform === "linux" && process.getuid?.() === 0;
const skip = !ROOT && "needs root on Linux";
const ip = (...args: string[]) => run("ip", args);

/** Two namespaces with a wire between them: ours with `eth0`, the other one's `far`. */
function wire(t: TestContext) {
  const name = (what: string) => `bramble-${process.pid}-${what}`;
  const [ours, other] = [name("o"), name("x")];
  t.after(() => {
    for (const one of [ours, other]) ip("netns", "del", one);
  });
  for (const one of [ours, other]) ip("netns", "add", one);
  ip("-n", ours, "link", "add", "eth0", "type", "veth", "peer", "name", "far", "netns", other);
  ip("-n", ours, "addr", "add", "10.79.0.1/24", "dev", "eth0");
  ip("-n", ours, "link", "set", "eth0", "up");
  ip("-n", other, "link", "set", "far", "up");
  return { ours, other };
}

/** What doctor says on `eth0` of a namespace. */
async function doctor(
  namespace: string,
  ms: number,
): Promise<{ tree: Finding[]; servers: Finding[]; own: Finding }> {
  const argv = ["netns", "exec", namespace, process.execPath, ...PROGRAM, "eth0", "10.79.0.1", String(ms)];
  const child = spawn(which("ip") ?? "ip", argv, { stdio: ["ignore", "pipe", "inherit"] });
  for await (const line of createInterface({ input: child.stdout })) return JSON.parse(line);
  throw new Error("the child said nothing");
}

test("doctor hears that a switch speaks spanning tree, and says what its ports are to be set to", {
  skip,
}, async (t) => {
  if (!needs(t, "ip", "iproute2")) return;
  const { ours, other } = wire(t);
  ip("-n", other, "link", "add", "br0", "type", "bridge", "stp_state", "1", "forward_delay", "1500");
  ip("-n", other, "link", "set", "far", "master", "br0");
  ip("-n", other, "link", "set", "br0", "up");
  const { tree, own } = await doctor(ours, 5_000);
  assert.equal(tree[0]?.state, "warning", JSON.stringify(tree));
  assert.match(tree[0]?.words ?? "", /speaks STP here, port 1; .* stays closed for 30 s/);
  assert.match(tree[0]?.hint ?? "", /portfast/);
  assert.equal(own.state, "ok");
});

test("doctor hears who else has our address, and a boot server that should not be there", {
  skip,
}, async (t) => {
  if (!needs(t, "dnsmasq", "dnsmasq-base") || !needs(t, "ip", "iproute2")) return;
  const { ours, other } = wire(t);
  ip("-n", other, "addr", "add", "10.79.0.2/24", "dev", "far");
  const folder = mkdtempSync(join(tmpdir(), "wires-"));
  const rogue: ChildProcess = spawn(
    which("ip") ?? "ip",
    [
      ...["netns", "exec", other, which("dnsmasq") ?? "dnsmasq", "-k", "-C", "/dev/null", "-p", "0"],
      ...["--interface=far", "--bind-interfaces", "--dhcp-range=10.79.0.50,10.79.0.60", "--log-facility=-"],
      ...["--pxe-service=0,Raspberry Pi Boot", `--dhcp-leasefile=${join(folder, "leases")}`, "--user=root"],
      "--no-ping",
    ],
    { stdio: ["ignore", "ignore", "pipe"] },
  );
  t.after(() => {
    rogue.kill();
    rmSync(folder, { recursive: true, force: true });
  });
  // It says so when it listens. The pipe stays open: it would die of writing into a closed one.
  const said = createInterface({ input: rogue.stderr as NodeJS.ReadableStream });
  await new Promise<void>((go) => said.on("line", (line) => /DHCP, IP range/.test(line) && go()));
  const { servers, tree, own } = await doctor(ours, 2_000);
  assert.equal(own.state, "ok");
  assert.equal(tree[0]?.state, "ok");
  const netboots = servers.find(({ words }) => words.startsWith("10.79.0.2 answers boards"));
  assert.equal(netboots?.state, "warning", JSON.stringify(servers));
  ip("-n", other, "addr", "add", "10.79.0.1/32", "dev", "far"); // the thief
  const second = await doctor(ours, 100);
  assert.equal(second.own.state, "problem", JSON.stringify(second.own));
  assert.match(second.own.words, /^[0-9a-f:]{17} has the same address as we$/);
});
