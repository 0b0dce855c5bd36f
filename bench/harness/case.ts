import type { Server, StartOptions } from "./server.ts";

/**
 * A benchmark: bench/cases/NAME.ts exports one of these as `bench`, and run.ts finds it. `run` measures cell after cell:
 *
 *     export const bench: BenchCase = {
 *       name: "tftp",
 *       describe: "files to many clients at once, against dnsmasq and tftpd-hpa",
 *       async run(ctx) {
 *         const storm = ctx.compile("tftpstorm.c");             // bench/tools/*.c
 *         const dnsmasq = ctx.tool("dnsmasq", "dnsmasq-base");  // undefined, and said loudly, if it is not installed
 *         await ctx.compare({
 *           name: "fetch-64-clients", unit: "MB/s",
 *           contenders: {
 *             ours: () => measure(() => ctx.ours("tftp", [folder])),   // bench/servers/tftp.ts in a process of its own
 *             ...(dnsmasq && { dnsmasq: () => measure(() => ctx.start({ command: dnsmasq, args: [...], port })) }),
 *           },
 *         });
 *       },
 *     };
 *
 * A contender is called once a round: it starts its server anew, measures for about ctx.seconds and stops it. Rounds are
 * interleaved, so that whatever else the machine does hits all alike; the best round of each counts.
 */
export interface BenchCase {
  name: string;
  /** One line for --list. */
  describe: string;
  run(ctx: Bench): Promise<void>;
}

/** What one contender did in one round. */
export interface Sample {
  value: number;
  /** CPU of the server's process for each GB (10^9 bytes) moved. */
  cpuSecondsPerGb?: number;
  /** CPU of the server's process for each request, microseconds. */
  cpuMicrosPerRequest?: number;
  /** Of the server's process, at the end. */
  rssMb?: number;
}

export interface Cell {
  name: string;
  unit: string;
  /** What is good: "more" if it is not said. */
  better?: "more" | "less";
  /** `ours` and the peers, in the order of the table. */
  contenders: { ours: () => Promise<Sample> } & Record<string, () => Promise<Sample>>;
  /** Instead of the run's own. */
  rounds?: number;
}

/** A line of the table and of --json. */
export interface Row {
  name: string;
  unit: string;
  better: "more" | "less";
  ours: number;
  peers: Record<string, number>;
  cpuSecondsPerGb: Record<string, number>;
  cpuMicrosPerRequest: Record<string, number>;
  rssMb: Record<string, number>;
  /** The values of all rounds. */
  rounds: Record<string, number[]>;
}

export interface Bench {
  /** A folder of this run, removed when it ends. */
  readonly folder: string;
  /** How long one measurement may take. */
  readonly seconds: number;
  /** Measures a cell, unless --only leaves it out. */
  compare(cell: Cell): Promise<void>;
  /** The path of a program; undefined, and a loud line, if it is missing: leave that peer out. */
  tool(program: string, aptPackage: string): string | undefined;
  /** Says, once and loudly, what is left out and why. */
  lacks(what: string): void;
  /** Builds a C program of bench/tools, linked with these libraries, and gives its path; needs cc. */
  compile(source: string, libraries?: readonly string[]): string;
  /** Starts somebody's server; it is stopped at the run's end at the latest. */
  start(options: StartOptions): Promise<Server>;
  /** Starts bench/servers/NAME.ts in its own process, as the same kind of build as this one runs from. */
  ours(name: string, args: readonly string[]): Promise<Server>;
}
