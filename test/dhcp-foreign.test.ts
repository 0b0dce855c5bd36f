// Somebody else's clients, relay and router, in network namespaces of this test's own. Needs root on Linux.
import assert from "node:assert/strict";
import { type ChildProcess, execFile, spawn } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { after, before, type TestContext, test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import type { DhcpEvent } from "../src/serve/dhcp.ts";
import { needs, run, which } from "./tools.ts";

const exec = promisify(execFile);
const UNBUILT = import.meta.url.endsWith(".ts");
const PROGRAM = [
  ...(UNBUILT ? ["--import", "tsx"] : []),
  fileURLToPath(new URL(UNBUILT ? "dhcp-foreign-server.ts" : "dhcp-foreign-server.js", import.meta.url)),
];
const ROOT = process.platform === "linux" && process.getuid?.() === 0 && which("ip") !== undefined;
const folder = mkdtempSync(join(tmpdir(), "dhcp-foreign-"));
const children: ChildProcess[] = [];

/** s: our server · c: client · w: the home router · r: relay, with d behind it. */
const NAMES = { s: "", c: "", w: "", r: "", d: "" };
for (const name of Object.keys(NAMES) as (keyof typeof NAMES)[])
  NAMES[name] = `bramble-${process.pid}-${name}`;
const { s, c, w, r, d } = NAMES;
const ip = (...args: string[]) => run("ip", args);

function net(): void {
  for (const name of Object.values(NAMES)) {
    ip("netns", "add", name);
    run("ip", [
      "netns",
      "exec",
      name,
      "sysctl",
      "-qw",
      "net.ipv6.conf.all.disable_ipv6=1",
      "net.ipv6.conf.default.disable_ipv6=1",
    ]);
  }
  ip("-n", s, "link", "add", "br0", "type", "bridge");
  for (const [name, port] of [
    [c, "c0"],
    [w, "w0"],
    [r, "r0"],
  ] as const) {
    ip("-n", s, "link", "add", port, "type", "veth", "peer", "name", "eth0", "netns", name);
    ip("-n", s, "link", "set", port, "master", "br0", "up");
    ip("-n", name, "link", "set", "eth0", "up");
  }
  ip("-n", s, "link", "set", "br0", "up");
  ip("-n", s, "addr", "add", "10.77.0.1/24", "dev", "br0");
  ip("-n", s, "route", "add", "10.78.0.0/24", "via", "10.77.0.2");
  ip("-n", w, "addr", "add", "10.77.0.3/24", "dev", "eth0");
  ip("-n", r, "addr", "add", "10.77.0.2/24", "dev", "eth0");
  ip("-n", r, "link", "add", "eth1", "type", "veth", "peer", "name", "eth0", "netns", d);
  ip("-n", r, "addr", "add", "10.78.0.1/24", "dev", "eth1");
  ip("-n", r, "link", "set", "eth1", "up");
  ip("-n", d, "link", "set", "eth0", "up");
}

before(() => {
  if (ROOT) net();
});
after(() => {
  for (const child of children) child.kill("SIGKILL");
  if (ROOT) for (const name of Object.values(NAMES)) ip("netns", "del", name);
  rmSync(folder, { recursive: true, force: true });
});

function allowed(t: TestContext): boolean {
  if (!ROOT) t.skip("needs root on Linux and ip (iproute2): namespaces with foreign DHCP clients");
  return ROOT;
}

/** A program in a namespace that stays until the test ends; `until`: a line that says that it is ready. */
async function keep(
  name: string,
  argv: string[],
  until: RegExp,
  t: TestContext,
): Promise<{ lines: string[]; child: ChildProcess; more(): Promise<void> }> {
  const child = spawn(which("ip") ?? "ip", ["netns", "exec", name, ...argv], {
    stdio: ["pipe", "pipe", "pipe"],
  });
  children.push(child);
  const lines: string[] = [];
  const waiting: (() => void)[] = [];
  t.after(() => {
    child.stdin?.end();
    if (argv[0] !== process.execPath) child.kill();
  });
  await new Promise<void>((ready, failed) => {
    for (const stream of [child.stdout, child.stderr])
      createInterface({ input: stream }).on("line", (line) => {
        lines.push(line);
        for (const wake of waiting.splice(0)) wake();
        if (until.test(line)) ready();
      });
    child.once("exit", () => failed(new Error(`${argv[0]} ended: ${lines.join("\n")}`)));
  });
  return { lines, child, more: () => new Promise((wake) => void waiting.push(wake)) };
}

async function serve(t: TestContext, mode: "full" | "proxy", nodes: string[] = []) {
  const options = {
    name: "br0",
    address: "10.77.0.1",
    subnet: "10.77.0.0/24",
    mode,
    pool: { from: "10.77.0.50", to: "10.77.0.60" },
    router: "10.77.0.254",
    dns: ["10.77.0.53"],
    leaseSeconds: 3600,
    relayed: [
      { subnet: "10.78.0.0/24", pool: { from: "10.78.0.50", to: "10.78.0.60" }, router: "10.78.0.1" },
    ],
    journal: join(folder, `${mode}-${children.length}.journal`),
    nodes,
  };
  const { lines, more } = await keep(
    s,
    [process.execPath, ...PROGRAM, "serve", JSON.stringify(options)],
    /"ready"/,
    t,
  );
  const ready = JSON.parse(lines.find((line) => line.includes('"ready"')) ?? "{}");
  assert.deepEqual(ready.lost[0].lost, [], "as root nothing is lost");
  return {
    journal: () => readFileSync(options.journal, "utf8"),
    /** The event that fits, as soon as it is here. */
    event: async (fits: (event: DhcpEvent) => boolean): Promise<DhcpEvent> => {
      for (;;) {
        const events = lines
          .filter((line) => line.includes('"xid"'))
          .map((line) => JSON.parse(line) as DhcpEvent);
        const found = events.find(fits);
        if (found) return found;
        await more();
      }
    },
  };
}

async function dhclient(name: string): Promise<string> {
  const pid = join(folder, `${name}.pid`);
  const args = [
    "-4",
    "-1",
    "-v",
    "-cf",
    "/dev/null",
    "-lf",
    join(folder, `${name}.leases`),
    "-pf",
    pid,
    "-sf",
    "/bin/true",
    "eth0",
  ];
  const { stderr } = await exec(
    which("ip") ?? "ip",
    ["netns", "exec", name, which("dhclient") ?? "", ...args],
    { timeout: 15_000 },
  );
  if (existsSync(pid)) process.kill(Number(readFileSync(pid, "utf8")));
  return stderr;
}

async function udhcpc(name: string, ...more: string[]): Promise<string> {
  const args = ["udhcpc", "-i", "eth0", "-f", "-n", "-q", "-t", "3", "-T", "2", "-s", "/bin/true", ...more];
  const { stderr } = await exec(
    which("ip") ?? "ip",
    ["netns", "exec", name, which("busybox") ?? "", ...args],
    { timeout: 15_000 },
  );
  return stderr;
}

test("full mode: dhclient and udhcpc get a lease that is in the journal, and udhcpc its own again", async (t) => {
  if (!allowed(t) || !needs(t, "dhclient", "isc-dhcp-client") || !needs(t, "busybox", "busybox")) return;
  const server = await serve(t, "full");
  const address = /bound to (10\.77\.0\.\d+)/.exec(await dhclient(c))?.[1];
  assert.ok(address);
  assert.match(server.journal(), new RegExp(` ${address} `));
  const ack = await server.event(({ message }) => message === "REQUEST → ACK");
  assert.equal(ack?.stage, "linux");
  // The same MAC: the same address, whatever the client.
  assert.match(
    await udhcpc(c),
    new RegExp(`lease of ${address} obtained from 10\\.77\\.0\\.1, lease time 3600`),
  );
  assert.match(await udhcpc(c, "-r", address), new RegExp(`lease of ${address} obtained`));
});

test("full mode: an address that somebody uses without a lease is found by ARP and not given out", async (t) => {
  if (!allowed(t) || !needs(t, "busybox", "busybox")) return;
  const server = await serve(t, "full");
  ip("-n", w, "addr", "add", "10.77.0.55/24", "dev", "eth0");
  t.after(() => ip("-n", w, "addr", "del", "10.77.0.55/24", "dev", "eth0"));
  const said = await udhcpc(c, "-r", "10.77.0.55");
  assert.match(said, /lease of 10\.77\.0\.(?!55 )\d+ obtained/);
  assert.ok(await server.event(({ kind, address }) => kind === "conflict" && address === "10.77.0.55"));
});

test("a relay between: the client behind it gets an address of its own network", async (t) => {
  if (!allowed(t) || !needs(t, "dhcrelay", "isc-dhcp-relay") || !needs(t, "dhclient", "isc-dhcp-client"))
    return;
  const server = await serve(t, "full");
  await keep(
    r,
    [which("dhcrelay") ?? "", "-4", "-d", "-a", "-iu", "eth0", "-id", "eth1", "10.77.0.1"],
    /Sending on .*Socket\/fallback|fallback/,
    t,
  );
  assert.match(await dhclient(d), /bound to 10\.78\.0\.5\d|bound to 10\.78\.0\.60/);
  assert.ok(
    await server.event(
      ({ message, address }) => message === "REQUEST → ACK" && address?.startsWith("10.78.0.") === true,
    ),
  );
});

test("a router beside us: it gives the addresses, we say where a Pi boots from, and are silent to the rest", async (t) => {
  if (!allowed(t) || !needs(t, "dnsmasq", "dnsmasq") || !needs(t, "busybox", "busybox")) return;
  const router = [
    "-d",
    "-C",
    "/dev/null",
    "-p",
    "0",
    "-i",
    "eth0",
    "--dhcp-range=10.77.0.100,10.77.0.150,2m",
    "--no-ping",
  ];
  await keep(
    w,
    [which("dnsmasq") ?? "", ...router, `--dhcp-leasefile=${join(folder, "router.leases")}`],
    /started/,
    t,
  );
  const mac = JSON.parse(run("ip", ["-n", c, "-j", "link", "show", "eth0"]))[0].address as string;
  const server = await serve(t, "proxy", [mac]);
  assert.match(await udhcpc(c), /lease of 10\.77\.0\.1\d\d obtained from 10\.77\.0\.3/);
  const silence = await server.event(({ message }) => message === "DISCOVER → silence");
  assert.match(silence?.reason ?? "", /ordinary client/);
  const learned = await server.event((event) => event.learned !== undefined);
  assert.match(learned?.learned ?? "", /^10\.77\.0\.1\d\d$/);

  const scan = { interface: { name: "eth0", address: "10.77.0.3" }, ms: 1500 };
  ip("-n", c, "addr", "add", "10.77.0.9/24", "dev", "eth0");
  t.after(() => ip("-n", c, "addr", "del", "10.77.0.9/24", "dev", "eth0"));
  const asked = JSON.stringify({ ...scan, interface: { name: "eth0", address: "10.77.0.9" } });
  const { stdout } = await exec(which("ip") ?? "ip", [
    "netns",
    "exec",
    c,
    process.execPath,
    ...PROGRAM,
    "scan",
    asked,
  ]);
  const found = JSON.parse(stdout) as { server: string; offered?: string; pxe: string }[];
  assert.deepEqual(
    found.map(({ server: who }) => who),
    ["10.77.0.3"],
  );
  assert.match(found[0]?.offered ?? "", /^10\.77\.0\.1/);
  assert.ok(await server.event(({ reason, stage }) => stage === "eeprom2711" && reason === "no node"));
});
