// npm run bench -- [NAME...] [--list] [--json FILE] [--only CELL]... [--seconds S] [--rounds N]: compares us with our peers.
import { readdirSync, writeFileSync } from "node:fs";
import { cpus, loadavg } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { parseArgs } from "node:util";
import { orUsage } from "../test/usage.ts";
import { BenchRun } from "./harness/bench.ts";
import type { BenchCase } from "./harness/case.ts";
import { table } from "./harness/table.ts";

const USAGE =
  "npm run bench -- [NAME ...] [--list] [--only CELL ...] [--seconds S] [--rounds N] [--json FILE]";
const { values, positionals } = orUsage(USAGE, () =>
  parseArgs({
    allowPositionals: true,
    options: {
      list: { type: "boolean" },
      json: { type: "string" },
      only: { type: "string", multiple: true },
      seconds: { type: "string", default: "1" },
      rounds: { type: "string", default: "2" },
    },
  }),
);

async function findCases(): Promise<BenchCase[]> {
  const folder = join(dirname(fileURLToPath(import.meta.url)), "cases");
  const files = readdirSync(folder).filter((file) => /^[^.]+\.(ts|js)$/.test(file));
  const modules = await Promise.all(
    files.sort().map((file) => import(pathToFileURL(join(folder, file)).href)),
  );
  return modules.map((module: { bench: BenchCase }) => module.bench);
}

async function main(): Promise<number> {
  const cases = await findCases();
  if (values.list) {
    for (const { name, describe } of cases) console.log(`${name.padEnd(10)} ${describe}`);
    return 0;
  }
  const unknown = positionals.filter((name) => !cases.some((c) => c.name === name));
  if (unknown.length > 0) {
    console.error(
      `no benchmark is called ${unknown.join(", ")}; there are: ${cases.map((c) => c.name).join(", ")}`,
    );
    return 2;
  }
  const run = new BenchRun({
    seconds: Number(values.seconds),
    rounds: Number(values.rounds),
    only: values.only ?? [],
    say: (line) => console.error(line),
  });
  const stop = () => void run.end().finally(() => process.exit(130));
  process.once("SIGINT", stop).once("SIGTERM", stop);
  const load = loadavg()[0] ?? 0;
  console.error(
    `node ${process.version}, ${cpus().length} CPUs, load average ${load.toFixed(2)} before the run`,
  );
  let failed = 0;
  try {
    for (const bench of cases.filter((c) => positionals.length === 0 || positionals.includes(c.name))) {
      console.error(`${bench.name}: ${bench.describe}`);
      await bench.run(run).catch((error: unknown) => {
        failed += 1;
        console.error(`FAILED ${bench.name}: ${error instanceof Error ? error.message : error}`);
      });
    }
  } finally {
    await run.end();
  }
  console.log(table(run.rows));
  for (const line of run.missing) console.log(line);
  if (values.json) writeFileSync(values.json, `${JSON.stringify(run.rows, undefined, 2)}\n`);
  return failed === 0 ? 0 : 1;
}

process.exitCode = await main();
