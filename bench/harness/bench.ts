import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, delimiter, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Bench, Cell, Row, Sample } from "./case.ts";
import { type Server, type StartOptions, startServer } from "./server.ts";

export interface RunOptions {
  seconds: number;
  rounds: number;
  /** Cells whose name holds one of these; all if there is none. */
  only: readonly string[];
  say(line: string): void;
}

const HERE = fileURLToPath(import.meta.url);
/** Where tools/*.c lie: the sources' bench folder, also when this runs from dist. */
const BENCH = (() => {
  let folder = dirname(HERE);
  while (!existsSync(join(folder, "package.json"))) folder = dirname(folder);
  return join(folder, "bench");
})();

/** One run of the benchmarks: starts and stops servers, takes the rounds in turn, keeps the rows. */
export class BenchRun implements Bench {
  readonly folder = mkdtempSync(join(tmpdir(), "bramble-bench-"));
  readonly rows: Row[] = [];
  readonly missing = new Set<string>();
  readonly #options: RunOptions;
  readonly #servers = new Set<Server>();

  constructor(options: RunOptions) {
    this.#options = options;
  }

  get seconds(): number {
    return this.#options.seconds;
  }

  async compare(cell: Cell): Promise<void> {
    const { only, say } = this.#options;
    if (only.length > 0 && !only.some((word) => cell.name.includes(word))) return;
    const samples = new Map<string, Sample[]>(Object.keys(cell.contenders).map((name) => [name, []]));
    for (let round = 0; round < (cell.rounds ?? this.#options.rounds); round++)
      for (const [name, measure] of Object.entries(cell.contenders)) {
        const sample = await measure();
        samples.get(name)?.push(sample);
        say(`  ${cell.name} round ${round + 1}: ${name} ${round3(sample.value)} ${cell.unit}`);
      }
    this.rows.push(summary(cell, samples));
  }

  tool(program: string, aptPackage: string): string | undefined {
    const folders = [...(process.env["PATH"] ?? "").split(delimiter), "/usr/sbin", "/sbin"];
    const path = folders.map((folder) => join(folder, program)).find((p) => existsSync(p));
    if (!path) this.lacks(`${program} is not installed and is left out (apt install ${aptPackage})`);
    return path;
  }
  lacks(what: string): void {
    const line = `MISSING: ${what}`;
    if (this.missing.has(line)) return;
    this.missing.add(line);
    this.#options.say(line);
  }

  compile(source: string, libraries: readonly string[] = []): string {
    const cc = this.tool("cc", "gcc");
    if (!cc) throw new Error(`${source} is the load generator of this case and needs cc: apt install gcc`);
    const binary = join(this.folder, basename(source, ".c"));
    if (!existsSync(binary)) {
      const linked = libraries.map((name) => `-l${name}`);
      execFileSync(cc, ["-O2", "-w", "-o", binary, join(BENCH, "tools", source), ...linked]);
    }
    return binary;
  }

  async start(options: StartOptions): Promise<Server> {
    const server = await startServer(options);
    const { stop } = server;
    this.#servers.add(server);
    server.stop = async () => {
      this.#servers.delete(server);
      await stop();
    };
    return server;
  }

  ours(name: string, args: readonly string[]): Promise<Server> {
    const kind = HERE.endsWith(".ts") ? ".ts" : ".js";
    const path = join(dirname(dirname(HERE)), "servers", name + kind);
    const flags = (process.env["BRAMBLE_BENCH_NODE"] ?? "").split(" ").filter((flag) => flag !== "");
    return this.start({ command: process.execPath, args: [...process.execArgv, ...flags, path, ...args] });
  }

  async end(): Promise<void> {
    for (const server of [...this.#servers]) await server.stop();
    rmSync(this.folder, { recursive: true, force: true });
  }
}

function summary(cell: Cell, samples: ReadonlyMap<string, readonly Sample[]>): Row {
  const better = cell.better ?? "more";
  const row: Row = {
    name: cell.name,
    unit: cell.unit,
    better,
    ours: Number.NaN,
    peers: {},
    cpuSecondsPerGb: {},
    cpuMicrosPerRequest: {},
    rssMb: {},
    rounds: {},
  };
  for (const [name, taken] of samples) {
    const [best] = [...taken].sort((a, b) => (better === "more" ? b.value - a.value : a.value - b.value));
    if (!best) continue;
    const value = round3(best.value);
    if (name === "ours") row.ours = value;
    else row.peers[name] = value;
    if (best.cpuSecondsPerGb !== undefined) row.cpuSecondsPerGb[name] = round3(best.cpuSecondsPerGb);
    if (best.cpuMicrosPerRequest !== undefined)
      row.cpuMicrosPerRequest[name] = round3(best.cpuMicrosPerRequest);
    if (best.rssMb !== undefined) row.rssMb[name] = best.rssMb;
    row.rounds[name] = taken.map((sample) => round3(sample.value));
  }
  return row;
}

/** Three digits that mean something, or the whole part. */
const round3 = (value: number): number =>
  Math.abs(value) >= 100 ? Math.round(value) : Number(value.toPrecision(3));
