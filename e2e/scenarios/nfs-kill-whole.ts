import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { bootNode, miniUp, pi4, standUp } from "../bed/fleet.ts";
import { ARM64_GCC, armProgram } from "../bed/nfs-guest.ts";
import { QEMU, type Scenario } from "../scenario.ts";

const KILLS = 20;
/** Away for so long, and at work for so long in between, at least; ms. */
const DOWN = [100, 700, 300];
const UP = [200, 900, 1500, 500];

/** Bramble is killed again and again under a node whose root is its tree: no call of the node fails, and all its files hold what was written. */
export const scenario: Scenario = {
  name: "nfs-kill-whole",
  tier: "full",
  budgetSeconds: 480,
  needs: [QEMU, ARM64_GCC],
  assets: ["mini-image", "agent-packages"],
  async run(t) {
    const fleet = await standUp(t, "mini-image");
    const { bramble, network } = fleet;
    await bramble.cli("profile", "set", "default", "--root", "nfs");
    const program = await readFile(await armProgram(t.folder, "treeload"));
    const shop = createServer((_, answer) => answer.end(program)).listen(8000, network.address);
    t.atEnd(() => shop.close());
    const { guest } = await bootNode(t, fleet, pi4(1));
    assert.match((await miniUp(guest)).root, / nfs$/);
    guest.type(
      `cd /root; wget -q -O treeload http://${network.address}:8000/; busybox chmod 755 treeload; mkdir work; ./treeload work 100000`,
    );
    await guest.saw(/TURN 3\s/, 120);
    const turns = () => Number([...guest.text().matchAll(/TURN (\d+)\s/g)].at(-1)?.[1]);
    const started = Date.now();
    for (let kill = 0; kill < KILLS; kill++) {
      await bramble.server.stop("SIGKILL");
      await pause(DOWN[kill % DOWN.length] ?? 0);
      await bramble.again();
      await pause(UP[kill % UP.length] ?? 0);
    }
    const seconds = ((Date.now() - started) / 1000).toFixed(0);
    await guest.saw(new RegExp(`TURN ${turns() + 3}\\s`), 120);
    guest.type("");
    const [, count, wrong] = await guest.saw(/LOAD (\d+) turns, (\d+) wrong/, 120);
    assert.doesNotMatch(guest.text(), /^ERR /m);
    assert.equal(wrong, "0");
    assert.doesNotMatch(guest.text(), /I\/O error|Stale file handle/);
    await guest.stop("SIGKILL");
    t.say(`killed ${KILLS} times in ${seconds} s under ${count} turns of work: 0 errors, all contents right`);
  },
};

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
