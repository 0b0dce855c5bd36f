import assert from "node:assert/strict";
import { appendFile } from "node:fs/promises";
import { join } from "node:path";
import { utf8 } from "../../src/base/text.ts";
import type { SimBoot } from "../../src/sim/board.ts";
import { output, type Running } from "../bed/commands.ts";
import { type Host, makeHost } from "../bed/host.ts";
import { makeNetwork, type Network } from "../bed/network.ts";
import { boardOf, makeRack } from "../bed/rack.ts";
import { startSmall } from "../bed/small.ts";
import type { Scenario, Stage } from "../scenario.ts";

/** One clone, one node: whoever comes with the node's own secrets from elsewhere waits until the node is dead; a newer boot ends an older one. */
export const scenario: Scenario = {
  name: "two-writers",
  tier: "ci",
  budgetSeconds: 60,
  needs: [
    { tool: "qemu-io", package: "qemu-utils" },
    { tool: "iscsi-ls", package: "libiscsi-bin" },
    { tool: "curl", package: "curl" },
  ],
  assets: ["agent-packages"],
  async run(t) {
    const network = await makeNetwork();
    const pool = ["--pool", `${network.host(50)}-${network.host(99)}`];
    const server = await startSmall(t, network, "--mode", "full", ...pool);
    await server.cli("profile", "set", "--root", "iscsi");
    const rack = await makeRack(t, network);
    const pi = boardOf("4B", 1);
    const boot = await rack.boot(pi);
    const address = boot.address ?? assert.fail("the board got no address");
    const node = await makeHost(t);
    await node.plug(network, "eth0", { mac: pi.mac, address: `${address}/24` });
    const elsewhere = network.host(200);
    const thief = await makeHost(t);
    await thief.plug(network, "eth0", { address: `${elsewhere}/24` });
    const events = async () => (await server.explain(pi.mac)).events.map(({ words }) => words).join("\n");

    const disk = await hello(node, network, boot);
    const listed = await node.run("iscsi-ls", "-i", disk.initiator, disk.portal);
    assert.match(listed, new RegExp(`Target:${disk.target} `), "the node sees its own target");
    assert.doesNotMatch(await thief.run("iscsi-ls", "-i", disk.initiator, disk.portal), /Target:/);

    const first = await open(t, node, disk);
    await first.does("write -P 0x11 33M 64k", /wrote 65536/);
    const second = await open(t, thief, disk);
    await second.running.saw(/Failed to log ?in/i, 20);
    await saysSoon(
      events,
      new RegExp(
        `${elsewhere} asked for a disk and was refused: ${address} has it open over iSCSI, and answers`,
      ),
    );
    await assert.rejects(server.api.serveClone({ node: pi.mac }), { code: "CLONE_BUSY" });
    await first.does("write -P 0x12 34M 64k", /wrote 65536/);
    t.say(
      "from another address with the node's own secrets: refused; NBD beside iSCSI: refused; the node goes on",
    );

    await node.run("ip", "link", "set", "eth0", "down"); // no FIN: only silence
    const started = performance.now();
    const taker = await open(t, thief, disk);
    await taker.does("read -P 0x12 34M 64k", /read 65536/);
    await taker.does("write -P 0x13 35M 64k", /wrote 65536/);
    const tookMs = performance.now() - started;
    assert.ok(tookMs > 4_900, `a silent session was believed dead after ${tookMs} ms`);
    await saysSoon(events, new RegExp(`${elsewhere} took its disk over from ${address}: .* does not answer`));
    t.say(
      `its cable pulled: the disk went to the other one after ${(tookMs / 1000).toFixed(1)} s of silence`,
    );

    await node.run("ip", "link", "set", "eth0", "up");
    await first.order("write -P 0x66 34M 64k"); // of a session that is over
    await saysSoon(
      events,
      new RegExp(`${address} asked for a disk and was refused: ${elsewhere} has it open`),
    );
    await taker.does("read -P 0x12 34M 64k", /read 65536/);
    t.say(
      "back again, while the other one lives: refused, and what it still wanted to write was not written",
    );

    await first.running.stop("SIGKILL");
    await node.run("ip", "link", "set", "eth0", "down");
    const again = await rack.boot(pi);
    await node.run("ip", "link", "set", "eth0", "up");
    const own = await hello(node, network, again);
    await saysSoon(events, /a newer boot has logged in: the one before lost its disk/);
    await taker.order("write -P 0x67 34M 64k");
    const third = await open(t, node, own);
    await third.does("read -P 0x12 34M 64k", /read 65536/);
    await third.does("read -P 0x13 35M 64k", /read 65536/);
    await third.does("write -P 0x14 36M 64k", /wrote 65536/);
    await third.does("read -P 0x12 34M 64k", /read 65536/);
    t.say("a new boot of the node: the older one's session ended before its login was answered");
  },
};

interface Disk {
  portal: string;
  target: string;
  initiator: string;
  words: string[];
}

/** What the node's agent does first: its token for its disk. */
async function hello(node: Host, network: Network, boot: SimBoot): Promise<Disk> {
  const cmdline = utf8(boot.cmdline?.bytes ?? new Uint8Array());
  const parameter = (name: string) => new RegExp(`bramble\\.${name}=(\\S+)`).exec(cmdline)?.[1] ?? "";
  const body = `boot=${parameter("boot")}\ntoken=${parameter("token")}\n`;
  const said = await node.run(
    ...(["curl", "-sS", "--data-binary", body, `${parameter("server")}/agent/hello`] as const),
  );
  const line = (name: string) =>
    new RegExp(`^${name}=(.*)$`, "m").exec(said)?.[1] ?? assert.fail(`hello says no ${name}: ${said}`);
  assert.equal(line("root"), "iscsi");
  const [target, initiator, portal] = [line("iscsi_target"), line("iscsi_initiator"), line("iscsi_portal")];
  assert.ok(portal.startsWith(`${network.address}:`), portal);
  const options = `driver=iscsi,transport=tcp,portal=${portal},target=${target},lun=0`;
  const who = `user=${line("iscsi_user")},password-secret=chap,initiator-name=${initiator}`;
  return {
    ...{ portal: `iscsi://${portal}`, target, initiator },
    words: ["--object", `secret,id=chap,data=${line("iscsi_secret")}`, "--image-opts", `${options},${who}`],
  };
}

let opened = 0;

/** qemu-io with the disk open, on that host: it does what is ordered line by line. */
async function open(t: Stage, host: Host, disk: Disk) {
  const orders = join(t.folder, `orders${opened++}`);
  await output("mkfifo", [orders]);
  const quoted = disk.words.map((word) => `'${word}'`).join(" ");
  const running: Running = host.start("sh", "-c", `exec qemu-io ${quoted} <>${orders}`);
  const order = (words: string) => appendFile(orders, `${words}\n`);
  return {
    running,
    order,
    /** Waits for this answer after what was said before. */
    async does(words: string, answer: RegExp): Promise<void> {
      const before = running.text().length;
      await order(words);
      await running.saw(new RegExp(`^[^]{${before},}${answer.source}`), 30);
    },
  };
}

async function saysSoon(text: () => Promise<string>, what: RegExp): Promise<void> {
  const until = performance.now() + 30_000;
  while (!what.test(await text())) {
    if (performance.now() > until) throw new Error(`no event says ${what}: ${await text()}`);
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
}
