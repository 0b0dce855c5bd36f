import assert from "node:assert/strict";
import type { ConsoleLine, ConsoleView } from "../../src/api/observe-contract.ts";
import { ask } from "../bed/ask.ts";
import { api } from "../bed/cli.ts";
import { bootNode, type Fleet, miniUp, nodeName, pi4, standUp } from "../bed/fleet.ts";
import { makeHost } from "../bed/host.ts";
import { netboot } from "../bed/pi.ts";
import { leases } from "../bed/small.ts";
import { QEMU, type Scenario, type Stage } from "../scenario.ts";

const [PI, SILENT] = [pi4(1), pi4(2)];

/** What a real kernel prints comes by its own netconsole, and what programs log by busybox's syslogd and util-linux's logger: to the right node, and boot. */
export const scenario: Scenario = {
  name: "netconsole",
  tier: "full",
  budgetSeconds: 150,
  needs: [QEMU, { tool: "logger", package: "bsdutils" }],
  assets: ["mini-image", "agent-packages"],
  async run(t) {
    const fleet = await standUp(t, "mini-image");
    await fleet.bramble.cli("profile", "set", "--root", "iscsi", "--cmdline", "bramble.console=netconsole");
    await netboot(t, fleet.network, SILENT);
    const { fetched, guest } = await bootNode(t, fleet, PI);
    assert.match(Buffer.from(fetched.cmdline).toString(), / quiet /, "as most images have it");
    await miniUp(guest);
    await kernel(t, fleet);
    const words = "echo '<3>sd card: is none' > /dev/kmsg; modprobe loop; grep -c ^loop /proc/modules";
    assert.match(await ask(guest, words), /\b1$/, "what the kernel says is on its own console, too");
    const later = await until(fleet, /loop: module loaded/);
    assert.ok(
      later.lines.some(({ text }) => text.includes("sd card: is none")),
      "also of the running system",
    );
    const { address } = fleet.network;
    const log = `/bin/busybox syslogd -R ${address}:514; sleep 1; /bin/busybox logger -t weather -p user.err rain in rack 7`;
    await ask(guest, log);
    const { source, app, severity } = found(await until(fleet, /rain in rack 7/), /rain in rack 7/);
    assert.deepEqual({ source, app, severity }, { source: "syslog", app: "weather", severity: 3 });
    await guest.stop();
    await logger(t, fleet);
    assert.deepEqual((await api(fleet.bramble.data).nodeConsole({ node: nodeName(SILENT) })).lines, []);
  },
};

const found = ({ lines }: ConsoleView, pattern: RegExp): ConsoleLine =>
  lines.find(({ text }) => pattern.test(text)) ?? assert.fail(`no ${pattern}`);

/** The node's console, once it has such a line. */
async function until(fleet: Fleet, pattern: RegExp): Promise<ConsoleView> {
  const deadline = Date.now() + 20_000;
  for (;;) {
    const view = await api(fleet.bramble.data).nodeConsole({ node: nodeName(PI), limit: 1000 });
    if (view.lines.some(({ text }) => pattern.test(text))) return view;
    if (Date.now() > deadline)
      assert.fail(
        `no ${pattern} in\n${view.lines
          .map(({ text }) => text)
          .slice(-30)
          .join("\n")}`,
      );
    await new Promise((resolve) => setTimeout(resolve, 500));
  }
}

/** Its own words from the first one on, in order, then the agent's among them. */
async function kernel(t: Stage, fleet: Fleet): Promise<void> {
  const view = await until(fleet, /agent: .*switch-root/);
  const { boot } = await fleet.bramble.explain(nodeName(PI));
  assert.equal(view.boot, boot?.id, "with the boot that it is in");
  const texts = view.lines.filter(({ source }) => source === "netconsole").map(({ text }) => text);
  const at = (pattern: RegExp) => texts.findIndex((text) => pattern.test(text));
  const order = [
    /Booting Linux on physical CPU/,
    /Linux version 6\.\d+/,
    /Kernel command line: /,
    /netconsole: network logging started/,
  ];
  const places = [...order, /agent: root-attached/].map(at);
  assert.ok(!places.includes(-1), `not there: ${places}`);
  assert.deepEqual(
    places,
    [...places].sort((a, b) => a - b),
  );
  t.say(`${texts.length} lines by netconsole, ${texts[at(/Linux version/)]?.slice(0, 60)} among them`);
}

/** util-linux's logger from the node's address, and from a stranger's: one is kept. */
async function logger(t: Stage, fleet: Fleet): Promise<void> {
  const { network, bramble } = fleet;
  const address = (await leases(bramble.data)).get(PI.mac);
  const host = await makeHost(t);
  await host.plug(network, "eth0", { mac: PI.mac, address: `${address}/24` });
  const send = (...words: string[]) =>
    host.run("logger", "--server", network.address, "--udp", "--port", "514", ...words);
  await send("--rfc5424", "-t", "sshd", "-p", "auth.warning", "no such user ünïcode");
  const { source, app, severity } = found(await until(fleet, /ünïcode/), /ünïcode/);
  assert.deepEqual({ source, app, severity }, { source: "syslog", app: "sshd", severity: 4 });
  await host.run("ip", "addr", "del", `${address}/24`, "dev", "eth0");
  await host.run("ip", "addr", "add", `${network.host(77)}/24`, "dev", "eth0");
  await send("--rfc3164", "-t", "stranger", "not ours");
  const deadline = Date.now() + 10_000;
  for (;;) {
    const events = await api(bramble.data).events({});
    if (events.some(({ words }) => words.startsWith(`${network.host(77)} sends logs`))) break;
    if (Date.now() > deadline) assert.fail("a stranger's line is told");
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
  const { lines } = await api(bramble.data).nodeConsole({ node: nodeName(PI), limit: 1000 });
  assert.ok(!lines.some(({ text }) => text.includes("not ours")));
  t.say(
    "busybox's syslogd and util-linux's logger: kept with severity and program; a stranger's line is not",
  );
}
