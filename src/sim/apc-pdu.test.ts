import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { test } from "node:test";
import { promisify } from "node:util";
import { needs, which } from "../../test/tools.ts";
import { virtualApcPdu } from "./apc-pdu.ts";

test("fence_apc_snmp, which knows real PDUs, finds the outlets, switches them and sees them switch", async (t) => {
  if (!needs(t, "fence_apc_snmp", "fence-agents") || !needs(t, "snmpset", "snmp")) return;
  const switched: string[] = [];
  const pdu = await virtualApcPdu({
    outlets: 8,
    communityRw: "private",
    onOutlet: (outlet, on) => switched.push(`${outlet} ${on ? "on" : "off"}`),
  });
  t.after(() => pdu.close());
  const fence = async (action: string, plug = "3") => {
    const where = [`--ip=${pdu.host}`, `--ipport=${pdu.port}`, "--snmp-version=2c", "--community=private"];
    const tool = which("fence_apc_snmp") ?? "fence_apc_snmp";
    const { stdout, stderr } = await promisify(execFile)(tool, [
      ...where,
      `--plug=${plug}`,
      `--action=${action}`,
    ]);
    return stdout + stderr;
  };
  assert.equal((await fence("list")).match(/Outlet \d/g)?.length, 8);
  assert.match(await fence("status"), /ON/);
  assert.match(await fence("off"), /OFF/);
  assert.equal(pdu.isOn(3), false);
  assert.match(await fence("on"), /ON/);
  assert.deepEqual(switched, ["3 off", "3 on"]);
});
