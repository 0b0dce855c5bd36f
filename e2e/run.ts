// npm run e2e -- [NAME…] [--list] [--tier ci|full] [--json FILE] [--jobs N]
import { mkdir, readdir, rm, writeFile } from "node:fs/promises";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { parseArgs } from "node:util";
import { which } from "../test/tools.ts";
import { orUsage } from "../test/usage.ts";
import { ASSET_NEEDS, prepare } from "./assets.ts";
import { start } from "./bed/commands.ts";
import { cacheFolder } from "./cache.ts";
import { NAMESPACES } from "./namespaces.ts";
import type { AssetName, Need, Scenario } from "./scenario.ts";

interface Result {
  name: string;
  outcome: "passed" | "failed" | "skipped";
  seconds: number;
  why?: string;
  said: string[];
}

const HERE = fileURLToPath(new URL(".", import.meta.url));
/** .ts when run from the sources, .js when built. */
const ENDING = import.meta.url.slice(-3);
/** The same scenario of another run would empty its folder under it. The kernel drops the lock with the last of its processes. */
const TAKEN = 75;
const ALONE = ["--nonblock", "--no-fork", "--conflict-exit-code", String(TAKEN)];

async function scenarios(): Promise<Scenario[]> {
  const names = (await readdir(join(HERE, "scenarios"))).filter((name) => name.endsWith(ENDING)).sort();
  const all: Scenario[] = [];
  for (const name of names) {
    const { scenario } = (await import(pathToFileURL(join(HERE, "scenarios", name)).href)) as {
      scenario: Scenario;
    };
    all.push(scenario);
  }
  return all;
}

/** For the bed itself. */
const BED: Need[] = [
  { tool: "flock", package: "util-linux" },
  { tool: "unshare", package: "util-linux" },
  { tool: "nsenter", package: "util-linux" },
  { tool: "mount", package: "mount" },
  { tool: "ip", package: "iproute2" },
];

const lacking = ({ needs, assets }: Scenario): Need[] => {
  const all = [...BED, ...needs, ...assets.flatMap((asset) => ASSET_NEEDS[asset])];
  const missing = new Map(all.filter(({ tool }) => !which(tool)).map((need) => [need.tool, need]));
  return [...missing.values()];
};

/** Between the scenarios of this run, and gone with it. */
const SHARED = join(cacheFolder(), "runs", `shared-${process.pid}`);

async function runOne(scenario: Scenario, assets: Map<AssetName, string>): Promise<Result> {
  const started = Date.now();
  const { name } = scenario;
  const done = (outcome: Result["outcome"], said: string[], why?: string): Result => ({
    name,
    outcome,
    seconds: (Date.now() - started) / 1000,
    said,
    ...(why !== undefined && { why }),
  });
  const missing = lacking(scenario);
  if (missing.length > 0) {
    const packages = new Set(missing.map((need) => need.package));
    const why = `needs ${missing.map((need) => need.tool).join(", ")}: apt install ${[...packages].join(" ")}`;
    return done(process.env["CI"] ? "failed" : "skipped", [], why);
  }
  const folder = join(cacheFolder(), "runs", name);
  await mkdir(folder, { recursive: true });
  const passed = Object.fromEntries(scenario.assets.map((asset) => [asset, assets.get(asset)]));
  const child = [
    process.execPath,
    ...process.execArgv,
    join(HERE, `child${ENDING}`),
    name,
    folder,
    SHARED,
    JSON.stringify(passed),
  ];
  const running = start("flock", [...ALONE, folder, "unshare", ...NAMESPACES, ...child]);
  let late = false;
  const budget = setTimeout(() => {
    late = true;
    void running.stop("SIGKILL");
  }, scenario.budgetSeconds * 1000);
  const code = await running.ended;
  clearTimeout(budget);
  if (code === TAKEN) return done("failed", [], `another run of it is at work in ${folder}`);
  const text = Buffer.from(running.text(), "latin1").toString(); // a Running keeps bytes
  const lines = text.split("\n").filter((line) => line !== "");
  await writeFile(join(folder, "output.log"), text);
  const said = lines.filter((line) => line.startsWith("| ")).map((line) => line.slice(2));
  if (late) return done("failed", said, `over its budget of ${scenario.budgetSeconds} s (see ${folder})`);
  if (code === 0) return done("passed", said);
  const why = lines.filter((line) => !line.startsWith("| ")).join("\n    ");
  return done("failed", said, `${why || `ended with ${code}`}\n    (see ${folder})`);
}

/** `jobs` at a time, the longest first; then one by one those that must have the machine for themselves. */
async function runAll(
  wanted: readonly Scenario[],
  assets: Map<AssetName, string>,
  jobs: number,
): Promise<Result[]> {
  await mkdir(SHARED, { recursive: true });
  const results: Result[] = [];
  const work = async (line: Scenario[]) => {
    for (let next = line.shift(); next; next = line.shift()) {
      const result = await runOne(next, assets);
      results.push(result);
      tell(result);
    }
  };
  const line = wanted
    .filter(({ alone }) => !alone)
    .sort((one, other) => other.budgetSeconds - one.budgetSeconds);
  await Promise.all(Array.from({ length: jobs }, () => work(line)));
  await work(wanted.filter(({ alone }) => alone));
  await rm(SHARED, { recursive: true });
  return results.sort((one, other) => one.name.localeCompare(other.name));
}

function tell({ outcome, name, seconds, said, why }: Result): void {
  console.log(`${outcome.padEnd(7)} ${name.padEnd(20)} ${seconds.toFixed(1)} s`);
  for (const line of said) console.log(`    ${line}`);
  if (why) console.log(`    ${why}`);
}

const USAGE = "npm run e2e -- [NAME ...] [--list] [--tier ci|full] [--jobs N] [--json FILE]";

async function main(): Promise<number> {
  const { values, positionals } = orUsage(USAGE, () =>
    parseArgs({
      allowPositionals: true,
      options: {
        list: { type: "boolean" },
        json: { type: "string" },
        tier: { type: "string", default: "ci" },
        jobs: { type: "string", default: String(Math.min(2, availableParallelism())) },
      },
    }),
  );
  const jobs = Number(values.jobs);
  if (!["ci", "full"].includes(values.tier) || !(jobs >= 1)) {
    console.error("--tier is ci or full, --jobs 1 or more");
    return 2;
  }
  const all = await scenarios();
  const unknown = positionals.filter((name) => !all.some((scenario) => scenario.name === name));
  if (unknown.length > 0) {
    console.error(
      `no scenario ${unknown.join(", ")}; there are ${all.map((scenario) => scenario.name).join(", ")}`,
    );
    return 2;
  }
  const wanted = all.filter((scenario) =>
    positionals.length > 0
      ? positionals.includes(scenario.name)
      : values.tier === "full" || scenario.tier === "ci",
  );
  if (values.list) {
    for (const { name, tier, budgetSeconds } of wanted)
      console.log(`${name.padEnd(20)} ${tier.padEnd(5)} ≤ ${budgetSeconds} s`);
    return 0;
  }
  const runnable = wanted.filter((scenario) => lacking(scenario).length === 0);
  const assets = await prepare(new Set(runnable.flatMap((scenario) => scenario.assets)));
  const started = Date.now();
  const results = await runAll(wanted, assets, jobs);
  if (values.json) await writeFile(values.json, `${JSON.stringify(results, null, 2)}\n`);
  const count = (outcome: Result["outcome"]) => results.filter((result) => result.outcome === outcome).length;
  const seconds = ((Date.now() - started) / 1000).toFixed(0);
  console.log(
    `${count("passed")} passed, ${count("failed")} failed, ${count("skipped")} skipped in ${seconds} s`,
  );
  return count("failed") > 0 ? 1 : 0;
}

process.exitCode = await main();
