import type { Scenario } from "../scenario.ts";
import { startBramble } from "../bed/bramble.ts";
import { makeNetwork } from "../bed/network.ts";
import { makeRack } from "../bed/rack.ts";
import { dnsmasq, makeHost } from "../bed/host.ts";
import { smallImage } from "../image/small.ts";
import { virtualPi } from "../../src/app/virtual-rack.ts";
import { readdir } from "node:fs/promises";

export const scenario: Scenario = {
  name: "router-beside",
  tier: "ci",
  budgetSeconds: 90,
  needs: [],
  assets: ["agent-packages"],
  async run(t) {
    const image = await smallImage(t.folder);
    const network = await makeNetwork();
    const bramble = await startBramble(t, { network, up: ["--mode", "proxy", "--enrol", "auto", "--image", image] });
    await bramble.server.saw(/becomes every node's image/, 60);
    const router = await makeHost(t);
    await router.plug(network, "eth0", { address: `${network.host(254)}/24` });
    const dm = await dnsmasq(router, network);
    const rack = await makeRack(t, network);
    const r = await Promise.all((["3B","3B+","4B","5"] as const).map((m,n)=>rack.boot({...virtualPi(m, n, true), patienceMs: 30000})));
    for (const x of r) console.log(x.outcome, x.reason, x.ms, x.address, x.requests.length, x.log.join("\n"));
    console.log(bramble.server.text()); console.log(dm.text());
    console.log(await readdir(`${bramble.data}/agent/built`));
  },
};
