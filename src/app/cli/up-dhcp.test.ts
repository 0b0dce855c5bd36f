import assert from "node:assert/strict";
import { test } from "node:test";
import { parseRelayed, quirksOff } from "./up-dhcp.ts";

test("a network behind a relay is network, addresses and gateway", () => {
  assert.deepEqual(parseRelayed("10.1.0.0/24=10.1.0.5-10.1.0.9,10.1.0.1"), {
    subnet: "10.1.0.0/24",
    pool: { from: "10.1.0.5", to: "10.1.0.9" },
    router: "10.1.0.1",
  });
  assert.equal(parseRelayed("10.1.0.0/24=10.1.0.5-10.1.0.9").router, undefined);
});

test("what is no network behind a relay is refused with the form it should have", () => {
  for (const text of ["10.1.0.0/24", "10.1.0.0/24=10.1.0.5", "10.1.0.0/24=10.2.0.5-10.1.0.9", "x=1-2", ""])
    assert.throws(() => parseRelayed(text), { code: "BAD_INPUT" }, text);
});

test("a counter-measure is switched off by its name, and a wrong name is told the right ones", () => {
  assert.deepEqual(quirksOff(["delayed-offer"]), { "delayed-offer": [] });
  assert.deepEqual(quirksOff([]), {});
  assert.throws(() => quirksOff(["delayed"]), { code: "BAD_INPUT", hint: /delayed-offer/ });
});
