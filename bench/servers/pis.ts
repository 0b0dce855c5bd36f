// Virtual Pis that boot again and again, from the first DISCOVER to the agent's last report: node pis.js DHCP TFTP COUNT PACE.
// PACE `real`: as fast as boards boot, evenly spread; `flat-out`: each begins anew at once. Ready with the port that tells what they did.
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { setPriority } from "node:os";
import { setTimeout as sleep } from "node:timers/promises";
import { formatIpv4, parseIpv4 } from "../../src/base/addresses.ts";
import type { SimBoot, VirtualPi } from "../../src/sim/board.ts";
import type { SimNet } from "../../src/sim/machine.ts";
import { bootPi } from "../../src/sim/pi.ts";
import { realNet } from "../../src/sim/real-net.ts";
import { fleetOf } from "../../src/sim/run-fleet.ts";
import { virtualAgent } from "../../src/sim/virtual-agent.ts";

const [dhcp = "", tftp = "", count = "100", pace = "real"] = process.argv.slice(2);
if (pace === "flat-out") setPriority(10); // boards have CPUs of their own: here they get what the server and the askers leave
/**
 * A 3B+ of 2025, from its first DISCOVER until its kernel was sent, and from there to Linux' first DISCOVER (pi-boot.md 2.5; a Pi 4 took
 * 17 s for its files, too). Their images' files are larger than the demo image's: the time between requests is stretched.
 */
const FILES_MS = 17_390;
const KERNEL_MS = 10_500;
const FIRST_ADDRESS = parseIpv4("127.0.1.1");
const TFTP = 69;

const done = { boots: 0, failed: 0, requests: 0, bytes: 0, ms: 0 };
const stop = new AbortController();
const { signal } = stop;
const server = { server: "127.0.0.1", dhcpPort: Number(dhcp), tftpPort: Number(tftp) };
const pis = fleetOf({ ...server, count: Number(count), models: ["4B", "5", "3B+"] });

/** Before each file request the board does something else. */
const paced = (net: SimNet, pauseMs: number): SimNet => ({
  async attach(board) {
    const wire = await net.attach(board);
    return {
      now: () => wire.now(),
      at: (time, wake) => wire.at(time, wake),
      close: () => wire.close(),
      act(order) {
        if (order.do !== "send" || order.to.port !== TFTP) return wire.act(order);
        return sleep(pauseMs).then(() => wire.act(order));
      },
    };
  },
});

async function boot(pi: VirtualPi, i: number, pauseMs: number): Promise<SimBoot> {
  const started = performance.now();
  const net = realNet({ ...server, address: formatIpv4(FIRST_ADDRESS + i) });
  const went = await bootPi(pi, pauseMs > 0 ? paced(net, pauseMs) : net, { keepBytes: true, signal });
  if (pauseMs > 0) await sleep(KERNEL_MS, undefined, { signal });
  const { cmdline, address = "127.0.0.1" } = went;
  const end = await virtualAgent({ cmdline, address, fate: { end: "up" }, signal });
  if (end === "up") done.boots += 1;
  else if (!signal.aborted) {
    done.failed += 1;
    console.error(`${pi.serial}: ${went.outcome}, ${end}: ${went.reason}`);
  }
  done.requests += went.requests.length;
  done.bytes += went.requests.reduce((sum, { result, bytes }) => sum + (result === "read" ? bytes : 0), 0);
  done.ms += performance.now() - started;
  return went;
}

/** The n-th board of the fleet, for as long as this runs. */
async function live(pi: VirtualPi, i: number, pauseMs: number): Promise<void> {
  if (pauseMs > 0) await sleep((i / pis.length) * (FILES_MS + KERNEL_MS), undefined, { signal });
  while (!signal.aborted) await boot(pi, i, pauseMs);
}

const door = createServer((_, answer) => answer.end(JSON.stringify(done))).listen(0, "127.0.0.1");
process.once("SIGTERM", () => {
  stop.abort();
  process.exit(0);
});
// one of each model, to know how many files it asks for
const asks = new Map<string, number>();
for (const [i, pi] of pis.entries())
  if (!asks.has(pi.model)) asks.set(pi.model, (await boot(pi, i, 0)).requests.length);
const pauseOf = ({ model }: VirtualPi) => (pace === "real" ? FILES_MS / (asks.get(model) ?? 1) : 0);
const lives = pis.map((pi, i) => live(pi, i, pauseOf(pi)));
if (pace === "real") await sleep(FILES_MS + KERNEL_MS); // the last has begun
console.log(`ready ${JSON.stringify({ port: (door.address() as AddressInfo).port })}`);
await Promise.all(lives);
