import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { bootNode, type Fleet, nodeName, pi4, reached, standUp } from "../bed/fleet.ts";
import { collectReports, type Reports } from "../bed/reports.ts";
import { QEMU, type Scenario } from "../scenario.ts";

/** Said from inside a systemd system without cloud-init, by the one HTTP client that is there for certain. */
const say = (reports: Reports, what: string) =>
  `/run/bramble/busybox wget -q -O /dev/null --post-data "${what}" ${reports.url}/said`;

/** A stock systemd image without cloud-init: a profile's files lie there before the system starts, its commands run once, one that fails is gone on with at the next boot. */
export const scenario: Scenario = {
  name: "profile-once",
  tier: "full",
  budgetSeconds: 600,
  needs: [QEMU],
  assets: ["pi-image", "agent-packages"],
  async run(t) {
    const fleet = await standUp(t, "pi-image");
    const reports = await collectReports(t, fleet.network.address);
    const file = join(t.folder, "app.conf");
    await writeFile(file, "node={{ node.name }} at={{ node.address }}\n", { mode: 0o640 });
    const commands = [
      say(
        reports,
        "first=$(cat /etc/app.conf) mode=$(stat -c %a.%u /etc/app.conf) unit=$(systemctl is-active network-online.target)",
      ),
      "test -e /var/ready || { touch /var/ready; sync; exit 3; }",
      say(reports, "third=$(ls /var/lib/bramble/once | wc -l)"),
    ];
    const lines = commands.flatMap((line) => ["--command", line]);
    await fleet.bramble.cli(
      "profile",
      "set",
      "--file",
      `/etc/app.conf=${file}`,
      "--package",
      "systemd",
      ...lines,
    );

    const pi = pi4(1);
    const machine = { memoryMb: 1024, cores: 2 };
    const first = await bootNode(t, fleet, pi, machine);
    await event(fleet, nodeName(pi), /^command 2 of the profile ended with 3: the rest waits/, 300);
    const [report] = reports.all;
    const { address } = first.fetched.boot;
    assert.equal(report?.said.get("first"), `node=${nodeName(pi)} at=${address} mode=640.0 unit=active`);
    await reached(fleet, pi, "booted", 100);
    await first.guest.stop();

    await bootNode(t, fleet, pi, machine);
    await reports.until((all) => all.find(({ said }) => said.has("third")), 300);
    assert.deepEqual(
      reports.all.map(({ said }) => [...said.keys()][0]),
      ["first", "third"],
      "what was done is not done again",
    );
    await event(fleet, nodeName(pi), /^what its profile does once is done: 2 steps$/, 30);
  },
};

async function event({ bramble }: Fleet, node: string, words: RegExp, seconds: number): Promise<void> {
  const deadline = Date.now() + seconds * 1000;
  for (;;) {
    const { events } = await bramble.explain(node);
    if (events.some((one) => words.test(one.words))) return;
    assert.ok(Date.now() < deadline, `never ${words}:\n${events.map((one) => one.words).join("\n")}`);
    await new Promise((resolve) => setTimeout(resolve, 1000));
  }
}
