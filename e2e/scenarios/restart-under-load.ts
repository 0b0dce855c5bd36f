import { busyboxCut, busyboxWriting } from "../bed/busybox.ts";
import { wrote } from "../bed/writer.ts";
import { QEMU, type Scenario } from "../scenario.ts";

const OUTAGE_SECONDS = 5;

/** The server is killed while a node writes, and comes back: no write fails, none that was acknowledged is lost. */
export const scenario: Scenario = {
  name: "restart-under-load",
  tier: "ci",
  budgetSeconds: 150,
  needs: [QEMU, { tool: "qemu-img", package: "qemu-utils" }, { tool: "debugfs", package: "e2fsprogs" }],
  assets: ["mini-image", "agent-packages"],
  async run(t) {
    const busybox = await busyboxWriting(t, 20);
    const { fleet, guest } = busybox;
    await fleet.bramble.server.stop("SIGKILL");
    await new Promise((resolve) => setTimeout(resolve, OUTAGE_SECONDS * 1000));
    await fleet.bramble.again();
    await wrote(guest, 40, 90);
    t.say(`busybox: killed for ${OUTAGE_SECONDS} s: ${await busyboxCut(t, busybox)}`);
  },
};
