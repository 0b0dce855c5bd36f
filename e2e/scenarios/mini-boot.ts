import assert from "node:assert/strict";
import { startBramble } from "../bed/bramble.ts";
import { bootGuest } from "../bed/guest.ts";
import { makeNetwork } from "../bed/network.ts";
import { netboot } from "../bed/pi.ts";
import { QEMU, type Scenario } from "../scenario.ts";

/** The whole way in the least time: `bramble up`, a virtual Pi 4, Debian's kernel, a root of one program. */
export const scenario: Scenario = {
  name: "mini-boot",
  tier: "ci",
  budgetSeconds: 240,
  needs: [QEMU],
  assets: ["mini-image", "agent-packages"],
  async run(t) {
    const network = await makeNetwork();
    const pool = `${network.host(100)}-${network.host(199)}`;
    const up = ["--mode", "full", "--pool", pool, "--enrol", "auto", "--image", t.asset("mini-image")];
    const bramble = await startBramble(t, { network, up });
    await bramble.server.saw(/becomes every node's image/, 60);
    const mac = "dc:a6:32:00:00:01";
    const pi = await netboot(t, network, { model: "4B", serial: "10000001", mac, hardwareWaits: 0 });
    t.say(`fetched ${pi.boot.requests.length} requests in ${(pi.boot.ms / 1000).toFixed(1)} s`);
    const guest = await bootGuest({ name: "pi", folder: t.folder, network, mac, ...pi });
    t.atEnd(() => guest.stop());
    const [line] = await guest.saw(/ROOT-UP .*/, 90);
    t.say(line);
    const [node] = await bramble.cli<{ name: string }[]>("node", "list");
    const told = await bramble.explain(node?.name ?? "");
    assert.equal(told.boot?.stage, "switched-root");
    assert.equal(
      told.boot?.outcome,
      "switched-root",
      "nothing in this root can report: the timeline says so and ends",
    );
  },
};
