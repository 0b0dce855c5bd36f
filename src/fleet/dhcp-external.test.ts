import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { needs, run } from "../../test/tools.ts";
import { externalDhcpConfig } from "./dhcp-external.ts";

function file(t: TestContext, text: string): string {
  const folder = mkdtempSync(join(tmpdir(), "external-"));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  writeFileSync(join(folder, "conf"), text);
  return join(folder, "conf");
}

test("each kind names the server and the menu with its three spaces; a host name is refused", () => {
  for (const kind of ["dnsmasq", "kea", "isc"] as const) {
    const text = externalDhcpConfig(kind, "10.0.0.5");
    assert.match(text, /10\.0\.0\.5/);
    assert.match(text.replaceAll(":", ""), /426f6f74202020ff/);
  }
  assert.throws(() => externalDhcpConfig("kea", "boot.lan"), { code: "BAD_INPUT" });
});

test("dnsmasq takes its lines", (t) => {
  if (!needs(t, "dnsmasq", "dnsmasq")) return;
  run("dnsmasq", ["--test", "-C", file(t, externalDhcpConfig("dnsmasq", "10.0.0.5"))]);
  assert.throws(() =>
    run("dnsmasq", ["--test", "-C", file(t, "dhcp-option-force=tag:x,43,zz:1:q:\nnonsense")]),
  );
});

test("Kea takes its lines", (t) => {
  if (!needs(t, "kea-dhcp4", "kea-dhcp4-server")) return;
  const whole = (text: string) =>
    file(t, `{"Dhcp4": {"lease-database": {"type": "memfile", "persist": false},\n${text}}}`);
  run("kea-dhcp4", ["-t", whole(externalDhcpConfig("kea", "10.0.0.5"))]);
  assert.throws(() => run("kea-dhcp4", ["-t", whole('"client-classes": 5')]));
});
