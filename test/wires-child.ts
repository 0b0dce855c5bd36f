// Run inside a namespace by wires.test.ts: `wires-child INTERFACE ADDRESS MS`; what doctor says of that wire, as one line of JSON.
import { addressFinding, treeFindings } from "../src/app/observe/link-findings.ts";
import { otherServers } from "../src/app/other-servers.ts";

const [, , name = "", address = "", ms = "0"] = process.argv;
const wired = { name, address, subnet: `${address}/24` };
const [tree, servers, own] = await Promise.all([
  treeFindings(wired, Number(ms)),
  otherServers([wired], Number(ms)),
  addressFinding(wired, 1_000),
]);
process.stdout.write(`${JSON.stringify({ tree, servers, own })}\n`);
