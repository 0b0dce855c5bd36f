// A Bramble in a process of its own, for tests that end it: planes-child DATA [fault | NBD-PORT ISCSI-PORT]. Says what the node has open, then obeys signals.
import { untilStopped } from "../src/app/cli/up.ts";
import { loopback } from "./planes-server.ts";

const [data = "", nbd = "0", iscsi = "0"] = process.argv.slice(2);
const faulty = nbd === "fault";
const one = await loopback({ data, nbd: faulty ? 0 : Number(nbd), iscsi: Number(iscsi), say: console.log });
if (faulty) await one.disks.call("fault", { how: "throw" });
const { ports } = one.server;
const known = await one.server.core.book.selectFrom("openDisk").select("nodeId").executeTakeFirst();
// A node that has its disk open already gets no second one: it comes back by itself.
const disk = known || faulty ? undefined : await one.giveIscsi();
console.log(`READY ${JSON.stringify({ nbd: ports.nbd, iscsi: ports.iscsi, disk })}`);
await untilStopped(one.server);
