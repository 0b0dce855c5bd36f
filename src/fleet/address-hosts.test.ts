import assert from "node:assert/strict";
import { test } from "node:test";
import { hostLines } from "./address-hosts.ts";

const HOSTS = [
  { name: "pi-1", mac: "dc:a6:32:00:00:01", address: "10.3.0.10" },
  { name: "pi-1-mgmt", mac: "02:00:00:00:00:01", address: "10.9.0.1" },
];

test("hostLines() writes what dnsmasq, ISC and Kea read", () => {
  assert.equal(
    hostLines("dnsmasq", HOSTS),
    "# /etc/dnsmasq.d/bramble-hosts.conf\ndhcp-host=dc:a6:32:00:00:01,10.3.0.10,pi-1\ndhcp-host=02:00:00:00:00:01,10.9.0.1,pi-1-mgmt\n",
  );
  assert.match(
    hostLines("isc", HOSTS),
    /^host pi-1 \{ hardware ethernet dc:a6:32:00:00:01; fixed-address 10\.3\.0\.10; option host-name "pi-1"; \}$/m,
  );
  const kea = JSON.parse(`{${hostLines("kea", HOSTS).replace(/^\/\/.*\n/, "")}}`) as {
    reservations: object[];
  };
  assert.deepEqual(kea.reservations[1], {
    ...{ "hw-address": "02:00:00:00:00:01", "ip-address": "10.9.0.1", hostname: "pi-1-mgmt" },
  });
  assert.deepEqual(JSON.parse(`{${hostLines("kea", []).replace(/^\/\/.*\n/, "")}}`), { reservations: [] });
});
