import assert from "node:assert/strict";
import { test } from "node:test";
import { virtualApcPdu } from "../../sim/apc-pdu.ts";
import { BY, powerBed } from "./testing.ts";

test("a PDU cycles its outlet by itself: off is seen, then on", async (t) => {
  const bed = await powerBed(t);
  const switched: boolean[] = [];
  const pdu = await virtualApcPdu({
    outlets: 4,
    communityRw: "rw",
    secondMs: 200,
    onOutlet: (_, on) => switched.push(on),
  });
  t.after(() => pdu.close());
  const device = await bed.desk().devices.add({
    name: "pdu",
    driver: "snmp-pdu",
    address: `${pdu.host}:${pdu.port}`,
    options: { timeoutMs: 2_000 },
    secrets: { community: "rw" },
  });
  const node = await bed.node();
  await bed.desk().bindings.bind(node, device, "2", "hand");
  const view = await bed.desk().set(node.id, "cycle", BY);
  assert.deepEqual([view.actual, switched], ["on", [false, true]]);
  assert.equal((await bed.desk().set(node.id, "off", BY)).actual, "off");
  assert.equal(pdu.isOn(2), false);
});
