// Run inside a namespace by dhcp-foreign.test.ts: `serve OPTIONS` or `scan OPTIONS`, JSON in, a JSON line out for each event.

import { type DhcpInterface, serveDhcp } from "../src/serve/dhcp.ts";
import { listenForServers } from "../src/serve/dhcp-scan.ts";
import { openLeases } from "../src/storage/leases.ts";

const say = (what: object) => process.stdout.write(`${JSON.stringify(what)}\n`);
const [, , what, json = "{}"] = process.argv;

async function serve(on: DhcpInterface & { journal: string; nodes: string[] }): Promise<void> {
  const leases = await openLeases(on.journal);
  const server = await serveDhcp({
    interfaces: [on],
    ask: ({ mac }) =>
      on.nodes.includes(mac)
        ? { answer: true, nodeId: mac, reason: "a node" }
        : { answer: false, reason: "no node" },
    leases,
    on: say,
  });
  say({ ready: true, lost: server.lost });
  // The parent's end of the pipe closes when it is done, or dead.
  process.stdin.resume().on("end", async () => {
    await server.close();
    await leases.close();
  });
}

if (what === "serve") await serve(JSON.parse(json));
else say(await listenForServers(JSON.parse(json)));
