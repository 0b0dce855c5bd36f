import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { test } from "node:test";
import { blockSizeToward } from "./tftp-mtu.ts";

test("blockSizeToward() fits blocks to the interface that a client lives behind, and takes far ones for Ethernet", () => {
  const toward = blockSizeToward();
  const lo = "/sys/class/net/lo/mtu";
  const mtu = existsSync(lo) ? Number(readFileSync(lo, "latin1")) : 1500;
  assert.equal(toward("127.1.2.3", 0), mtu - 32);
  assert.equal(toward("203.0.113.9", 0), 1468); // nobody has this subnet (RFC 5737)
});
