// Reads of the API at a fixed rate, alone and while a hundred virtual Pis boot from the same server. Open loop: a late answer delays no
// other request, and counts from when it was due.
import { Agent, request } from "node:http";
import { join } from "node:path";
import type { Bench, BenchCase, Sample } from "../harness/case.ts";

const PER_SECOND = 1_000;
const PIS = 100;
const NODES = 1_000;
const SOCKETS = 64;

interface Ready {
  port: number;
  token: string;
  dhcp: number;
  tftp: number;
}

export const bench: BenchCase = {
  name: "api",
  describe: `${PER_SECOND} reads/s of the API, also beside ${PIS} booting virtual Pis: p99`,
  async run(ctx) {
    for (const [name, pis] of [
      ["reads-alone-p99", 0],
      [`reads-beside-${PIS}-boots-p99`, PIS],
    ] as const) {
      await ctx.compare({ name, unit: "ms", better: "less", contenders: { ours: () => measure(ctx, pis) } });
    }
  },
};

async function measure(ctx: Bench, pis: number): Promise<Sample> {
  const server = await ctx.ours("api", [join(ctx.folder, "api"), String(NODES)]);
  try {
    const { port, token, dhcp, tftp } = server.ready as Ready;
    const fleet = pis > 0 ? await ctx.ours("pis", [String(dhcp), String(tftp), String(pis)]) : undefined;
    try {
      await load(port, token, 1); // what is compiled at the first use
      const cpu = server.cpuSeconds();
      const seconds = Math.max(5, ctx.seconds);
      const { took, failed } = await load(port, token, seconds);
      const at = (part: number) => took[Math.min(took.length - 1, Math.floor(took.length * part))] ?? 0;
      const words = [0.5, 0.95, 0.99, 1].map((part) => `p${part * 100} ${at(part).toFixed(1)}`).join(", ");
      const busy = (server.cpuSeconds() - cpu) / seconds;
      console.error(
        `    ${took.length} reads in ${seconds} s beside ${pis} Pis: ${words} ms; server at ${busy.toFixed(2)} CPUs`,
      );
      if (failed > 0) throw new Error(`${failed} of ${took.length + failed} reads failed`);
      return { value: at(0.99), rssMb: server.rssMb() };
    } finally {
      await fleet?.stop();
    }
  } finally {
    await server.stop();
  }
}

/** What pages and monitors ask for, in the proportion of a busy fleet's page. */
const pathOf = (n: number): string => {
  if (n % 10 === 7) return "/nodes?limit=50";
  if (n % 10 === 8) return "/events?limit=20";
  if (n % 10 === 9) return n % 20 === 9 ? "/status" : "/boots?limit=20";
  return `/nodes/${(0x30000000 + (n % NODES)).toString(16)}`;
};

async function load(
  port: number,
  token: string,
  seconds: number,
): Promise<{ took: number[]; failed: number }> {
  const agent = new Agent({ keepAlive: true, maxSockets: SOCKETS });
  const took: number[] = [];
  let failed = 0;
  const started = performance.now();
  const asked: Promise<void>[] = [];
  const ask = (n: number) =>
    new Promise<void>((resolve) => {
      const due = started + (n * 1_000) / PER_SECOND;
      const end = (good: boolean) => {
        if (good) took.push(performance.now() - due);
        else failed += 1;
        resolve();
      };
      request(
        {
          agent,
          port,
          host: "127.0.0.1",
          path: `/api/v1${pathOf(n)}`,
          headers: { authorization: `Bearer ${token}` },
        },
        (answer) => answer.resume().on("end", () => end(answer.statusCode === 200)),
      )
        .on("error", () => end(false))
        .end();
    });
  for (let n = 0; n < PER_SECOND * seconds; ) {
    const now = performance.now() - started;
    for (; n < PER_SECOND * seconds && (n * 1_000) / PER_SECOND <= now; n++) asked.push(ask(n));
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
  await Promise.all(asked);
  agent.destroy();
  return { took: took.sort((a, b) => a - b), failed };
}
