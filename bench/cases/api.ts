// Reads of the API at a fixed rate, alone and while a hundred virtual Pis boot from the same server: at the pace of boards, and as fast as
// they can. Boards and askers have this machine's CPUs beside the server: what each took is told.
import { readFileSync } from "node:fs";
import { loadavg } from "node:os";
import { join } from "node:path";
import type { Bench, BenchCase, Sample } from "../harness/case.ts";
import { readAtRate } from "../harness/reads.ts";
import type { Server } from "../harness/server.ts";

const PER_SECOND = 1_000;
const PIS = 100;
const NODES = 1_000;
const SOCKETS = 64;

type Pace = "real" | "flat-out";
interface Ready {
  port: number;
  token: string;
  dhcp: number;
  tftp: number;
}
/** Since their start: boots that came to their end, and what they took together. */
interface Boots {
  boots: number;
  failed: number;
  requests: number;
  bytes: number;
  ms: number;
}

export const bench: BenchCase = {
  name: "api",
  describe: `${PER_SECOND} reads/s of the API, also beside ${PIS} booting virtual Pis: p99`,
  async run(ctx) {
    for (const [name, pace] of [
      ["reads-alone-p99", undefined],
      [`reads-beside-${PIS}-boots-p99`, "real"],
      [`reads-beside-${PIS}-boots-flat-out-p99`, "flat-out"],
    ] as const) {
      await ctx.compare({ name, unit: "ms", better: "less", contenders: { ours: () => measure(ctx, pace) } });
    }
  },
};

async function measure(ctx: Bench, pace: Pace | undefined): Promise<Sample> {
  const server = await ctx.ours("api", [join(ctx.folder, "api"), String(NODES)]);
  try {
    const { port, token, dhcp, tftp } = server.ready as Ready;
    const fleet = pace && (await ctx.ours("pis", [String(dhcp), String(tftp), String(PIS), pace]));
    try {
      const wish = { port, token, perSecond: PER_SECOND, sockets: SOCKETS, pathOf };
      await readAtRate({ ...wish, seconds: 1 }); // what is compiled at the first use
      const before = { cpus: cpusOf(server, fleet), boots: await bootsOf(fleet), ms: performance.now() };
      const { took, failed } = await readAtRate({ ...wish, seconds: Math.max(5, ctx.seconds) });
      const seconds = (performance.now() - before.ms) / 1_000;
      const at = (part: number) => took[Math.min(took.length - 1, Math.floor(took.length * part))] ?? 0;
      const words = [0.5, 0.95, 0.99, 1].map((part) => `p${part * 100} ${at(part).toFixed(1)}`).join(", ");
      const cpus = Object.entries(cpusOf(server, fleet)).map(
        ([who, cpu]) => `${who} ${((cpu - (before.cpus[who] ?? 0)) / seconds).toFixed(2)}`,
      );
      const boots = fleet ? bootWords(before.boots, await bootsOf(fleet), seconds) : "alone";
      console.error(
        `    ${took.length} reads, ${boots}: ${words} ms; CPUs: ${cpus.join(", ")}; load ${loadavg()[0]?.toFixed(1)}`,
      );
      if (failed > 0) throw new Error(`${failed} of ${took.length + failed} reads failed`);
      const cpuMicrosPerRequest = ((server.cpuSeconds() - (before.cpus["server"] ?? 0)) * 1e6) / took.length;
      return { value: at(0.99), rssMb: server.rssMb(), cpuMicrosPerRequest };
    } finally {
      await fleet?.stop();
    }
  } finally {
    await server.stop();
  }
}

/** CPU seconds until now. The control thread is the server's main one, and counted in the server's. */
function cpusOf(server: Server, fleet: Server | undefined): Record<string, number> {
  const fields =
    readFileSync(`/proc/${server.pid}/task/${server.pid}/stat`, "latin1").split(") ").at(-1)?.split(" ") ??
    [];
  const { user, system } = process.cpuUsage();
  return {
    server: server.cpuSeconds(),
    "(its control thread)": (Number(fields[11]) + Number(fields[12])) / 100,
    ...(fleet && { boards: fleet.cpuSeconds() }),
    askers: (user + system) / 1e6,
  };
}

async function bootsOf(fleet: Server | undefined): Promise<Boots> {
  if (!fleet) return { boots: 0, failed: 0, requests: 0, bytes: 0, ms: 0 };
  const { port } = fleet.ready as { port: number };
  return (await (await fetch(`http://127.0.0.1:${port}/`)).json()) as Boots;
}

function bootWords(before: Boots, after: Boots, seconds: number): string {
  const boots = after.boots - before.boots;
  const failed = after.failed - before.failed;
  const each = (key: "requests" | "bytes" | "ms") => (after[key] - before[key]) / Math.max(1, boots + failed);
  const facts = `${(each("ms") / 1_000).toFixed(1)} s, ${Math.round(each("requests"))} requests and ${(each("bytes") / 1e6).toFixed(1)} MB each`;
  return `${(boots / seconds).toFixed(1)} boots/s of ${PIS} Pis (${facts}; ${failed} failed)`;
}

/** What pages and monitors ask for, in the proportion of a busy fleet's page. */
const pathOf = (n: number): string => {
  const path = () => {
    if (n % 10 === 7) return "/nodes?limit=50";
    if (n % 10 === 8) return "/events?limit=20";
    if (n % 10 === 9) return n % 20 === 9 ? "/status" : "/boots?limit=20";
    return `/nodes/${(0x30000000 + (n % NODES)).toString(16)}`;
  };
  return `/api/v1${path()}`;
};
