import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { fromHex } from "../../base/text.ts";
import { decodeBpdu } from "./bpdu.ts";

const STP =
  "424203 0000 00 00 01 8000 aabbcc000001 00000004 8001 ddeeff000002 8003 0100 1400 0200 0f00".replaceAll(
    " ",
    "",
  );
const RSTP =
  "424203 0000 02 02 3c 8000 aabbcc000001 00000000 8000 aabbcc000001 8010 0000 1400 0200 0f00 00".replaceAll(
    " ",
    "",
  );

test("decodeBpdu() reads a configuration BPDU of 802.1D", () => {
  assert.deepEqual(decodeBpdu(fromHex(STP)), {
    protocol: "stp",
    root: "32768.aa:bb:cc:00:00:01",
    bridge: "32769.dd:ee:ff:00:00:02",
    port: 3,
    topologyChange: true,
    helloSeconds: 2,
    forwardDelaySeconds: 15,
  });
});

test("decodeBpdu() reads a rapid one: role and whether its port forwards", () => {
  const bpdu = decodeBpdu(fromHex(RSTP));
  assert.equal(bpdu?.protocol, "rstp");
  assert.equal(bpdu?.role, "designated");
  assert.equal(bpdu?.learning, true);
  assert.equal(bpdu?.forwarding, true);
  assert.equal(bpdu?.port, 16);
});

test("decodeBpdu() takes other LLC frames and topology changes for none, and names the field where one is cut", () => {
  assert.equal(decodeBpdu(fromHex("aaaa03000000")), undefined);
  assert.equal(decodeBpdu(fromHex("42420300000080")), undefined);
  assert.throws(() => decodeBpdu(fromHex(STP.slice(0, 40))), { code: "WIRE_SHORT" });
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 60 }), (bytes) => {
      try {
        decodeBpdu(Uint8Array.from([0x42, 0x42, 0x03, ...bytes]));
      } catch (error) {
        assert.equal((error as { code: string }).code, "WIRE_SHORT");
      }
    }),
  );
});
