import assert from "node:assert/strict";
import { test } from "node:test";
import { parseSubnet } from "../base/addresses.ts";
import type { FleetAnswer } from "../fleet/dhcp-context.ts";
import { Pool } from "../fleet/pool.ts";
import { addressNews, plannedAnswers } from "./model-dhcp.ts";
import { modelFolder } from "./testing/model-folder.ts";

const NOTHING = { get: () => undefined, byAddress: () => undefined };

test("DHCP is told a node's planned address at once, also of a node that is new to the plan, and no stranger's", async (t) => {
  const { commands, core, board } = await modelFolder(t);
  await commands.addAddressPool({ pool: "all", from: "10.3.0.10", to: "10.3.0.11" });
  const { address } = plannedAnswers(core);
  const [a, b, c] = [board(1), board(2), board(3)];
  b.state = "discovered";
  assert.equal(core.registry.addresses.ownerOf("10.3.0.10"), undefined);
  assert.deepEqual(address(a), { reservedAddress: "10.3.0.10" });
  assert.deepEqual(address(b), {});
  b.state = "deployed";
  const second = address(b).reservedAddress ?? address(c).reservedAddress;
  assert.equal(second, "10.3.0.11");
  await core.registry.settled();
  const rows = await core.book.selectFrom("node").select("planned").execute();
  assert.equal(rows.filter(({ planned }) => planned !== null).length, 2);

  // full mode: the pool gives it to its owner and to nobody else, also where its own range holds it
  const pool = new Pool({
    ...{ subnet: parseSubnet("10.3.0.0/24"), range: { from: "10.3.0.10", to: "10.3.0.12" } },
    ...{ taken: [], leases: NOTHING },
    isReserved: (one) => core.registry.addresses.ownerOf(one) !== undefined,
  });
  const mac = a.mac ?? "";
  const own = pool.choose({ mac, reserved: address(a).reservedAddress, nowMs: 0 });
  assert.deepEqual([own.address, own.why], ["10.3.0.10", "reserved for this node"]);
  assert.equal(pool.choose({ mac: "02:00:00:00:00:09", nowMs: 0 }).address, "10.3.0.12");
  assert.match(
    pool.choose({ mac, reserved: "10.9.0.1", nowMs: 0 }).why,
    /10\.9\.0\.1 is not in this network/,
  );
});

test("a management interface gets its own address and no boot; any other client is nobody", async (t) => {
  const { commands, core, board } = await modelFolder(t);
  await commands.addAddressPool({ pool: "bmc", from: "10.4.0.1", to: "10.4.0.9", kind: "management" });
  const a = board(1);
  await core.registry.patch(a, { managementMac: "02:00:00:00:00:01" });
  const { other } = plannedAnswers(core);
  assert.deepEqual(other({ mac: "02:00:00:00:00:01" }), {
    ...{ answer: false, hostname: `${a.name}-mgmt`, reservedAddress: "10.4.0.1" },
    reason: `the management interface of ${a.name}`,
  } satisfies FleetAnswer);
  assert.deepEqual(Object.keys(other({ mac: "02:00:00:00:00:02" })), ["answer", "reason"]);
  await core.registry.patch(a, { managementMac: null });
  assert.equal(other({ mac: "02:00:00:00:00:01" }).reservedAddress, undefined);
});

test("iPXE is told its profile's script, UEFI its boot file, and nobody without a script anything", async (t) => {
  const { commands, core, board } = await modelFolder(t);
  const node = board(1);
  const { bootFile } = plannedAnswers(core);
  assert.deepEqual(bootFile(node, "ipxe"), {});
  await commands.setTemplates({ profile: "default", patch: { ipxe: "#!ipxe\nexit\n" } });
  assert.deepEqual(bootFile(node, "ipxe"), { bootFile: "boot.ipxe" });
  assert.deepEqual(bootFile(node, "uefi"), { bootFile: "EFI/BOOT/BOOTAA64.EFI" });
  assert.deepEqual(bootFile(node, "linux"), {});
  await assert.rejects(commands.setTemplates({ profile: "default", patch: { ipxe: "kernel x\n" } }), {
    code: "BAD_INPUT",
  });
  await assert.rejects(
    commands.setTemplates({ profile: "default", patch: { ipxe: "#!ipxe\n{{ secret.key }}\n" } }),
    { code: "TEMPLATE_BAD" },
  );
});

test("beside a router, a node's page says when it has another address than the plan; in full mode the decision says so", async (t) => {
  const { core, board, events } = await modelFolder(t);
  const a = board(1);
  await core.registry.patch(a, { address: "10.0.0.5" });
  const on = (mode: "proxy" | "full") => ({ name: mode, address: "10.0.0.1", subnet: "10.0.0.0/24", mode });
  const heard = addressNews(core, [on("proxy"), on("full")]);
  const mac = a.mac ?? "";
  heard({ mac, learned: "10.0.0.5", interface: "proxy" });
  heard({ mac, learned: "10.0.0.7", interface: "full" });
  heard({ mac: "02:00:00:00:00:09", learned: "10.0.0.7", interface: "proxy" });
  heard({ mac, interface: "proxy" });
  assert.equal(await events(), "");
  heard({ mac, learned: "10.0.0.7", interface: "proxy" });
  assert.match(
    await events(),
    /it has 10\.0\.0\.7 .* not 10\.0\.0\.5 of the plan .*gives no addresses here \(mode proxy\)/,
  );
});
