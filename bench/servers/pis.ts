// Virtual Pis that boot again and again: node pis.js DHCP TFTP COUNT. Ready when the first of them has its kernel.
import { runFleet } from "../../src/sim/run-fleet.ts";

const [dhcp = "", tftp = "", count = "100"] = process.argv.slice(2);
const stop = new AbortController();
process.once("SIGTERM", () => {
  stop.abort();
  process.exit(0);
});
let isReady = false;
while (!stop.signal.aborted) {
  await runFleet({
    count: Number(count),
    models: ["4B", "5", "3B+"],
    server: "127.0.0.1",
    dhcpPort: Number(dhcp),
    tftpPort: Number(tftp),
    signal: stop.signal,
    onProgress({ step }) {
      if (step !== "end" || isReady) return;
      isReady = true;
      console.log("ready");
    },
  });
}
