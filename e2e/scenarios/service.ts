import assert from "node:assert/strict";
import { underSystemd } from "../bed/systemd.ts";
import type { Scenario } from "../scenario.ts";

const PROBE = `
bramble() { ${process.execPath} /opt/bramble/dist/src/app/main.js --data /var/lib/bramble "$@"; }
up() { until bramble status | grep -q TFTP; do sleep 0.3; done; }
show() { systemctl show bramble.service "$@"; }
up
first=$(show -p MainPID --value)
bramble status
grep -E '^(Uid|CapEff|NoNewPrivs)' /proc/$first/status
stat -c 'DATA %a %U' /var/lib/private/bramble
kill -9 $first
until [ "$(show -p MainPID --value)" != "$first" ] && [ "$(show -p MainPID --value)" != 0 ]; do sleep 0.1; done
up
echo "AGAIN $(show -p NRestarts --value)"
systemctl stop bramble.service
show -p Result -p ExecMainStatus
systemctl start bramble.service
up
systemctl is-active bramble.service
journalctl -q --no-pager -u bramble.service | grep -c 'stopping' | sed 's/^/STOPPED /'
echo PROBED`;

/** The unit that \`bramble service\` prints, under a systemd of its own: an account without rights of its own, started again after a kill, a clean stop. */
export const scenario: Scenario = {
  name: "service",
  tier: "full",
  budgetSeconds: 120,
  needs: [{ tool: "systemctl", package: "systemd" }],
  assets: [],
  async run(t) {
    const told = await underSystemd(
      t,
      ["--interface", "eth0", "--mode", "full", "--pool", "10.9.0.50-10.9.0.60"],
      PROBE,
    );
    for (const door of ["TFTP 10.9.0.1:69", "NBD 10.9.0.1:10809", "iSCSI 10.9.0.1:3260", "DHCP 10.9.0.1:67"])
      assert.ok(told.includes(door), `${door} in ${told}`);
    const [, uid = "0"] = /^Uid:\s+(\d+)/m.exec(told) ?? [];
    assert.ok(Number(uid) > 60_000, `not root, nobody's account: ${uid}`);
    assert.match(told, /^CapEff:\s+0*3400$/m, "ports below 1024, raw sockets, the network's settings");
    assert.match(told, /^NoNewPrivs:\s+1$/m);
    assert.match(told, /^DATA 700 bramble$/m);
    assert.match(told, /^AGAIN 1$/m);
    assert.match(told, /^Result=success\nExecMainStatus=0$/m);
    assert.match(told, /^active$/m);
    assert.match(told, /^STOPPED 1$/m);
    t.say(`as account ${uid}: three capabilities, again after kill -9, stopped cleanly, up again`);
  },
};
