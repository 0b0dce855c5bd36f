// One import in a process of its own: import.ts DATA SOURCE. Says how long it took and what it cost, then waits to be ended.
import { addImage } from "../../src/storage/images.ts";

const [data = "", source = ""] = process.argv.slice(2);
const start = performance.now();
const { sha256, size } = await addImage({ data, source });
const seconds = (performance.now() - start) / 1000;
const { userCPUTime, systemCPUTime, maxRSS } = process.resourceUsage();
const cpuSeconds = (userCPUTime + systemCPUTime) / 1e6;
console.log(
  `ready ${JSON.stringify({ sha256, size, seconds, cpuSeconds, rssMb: Math.round(maxRSS / 1024) })}`,
);
setInterval(() => {}, 1 << 30);
