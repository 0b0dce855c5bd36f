// npm run e2e -- [NAME…] [--list] [--tier ci|full] [--json FILE]
import { mkdir, readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { parseArgs } from "node:util";
import { which } from "../test/tools.ts";
import { prepare } from "./assets.ts";
import { start } from "./bed/commands.ts";
import { cacheFolder } from "./cache.ts";
import type { AssetName, Scenario } from "./scenario.ts";

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
/** Namespaces that end with their first process, and everything inside with them; without root also a user namespace. */
const NAMESPACES = ["--net", "--pid", "--fork", "--kill-child", "--mount-proc"];
const UNPRIVILEGED = process.getuid?.() === 0 ? [] : ["--user", "--map-root-user"];

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
  const lacking = [{ tool: "unshare", package: "util-linux" }, ...scenario.needs].filter(
    ({ tool }) => !which(tool),
  );
  if (lacking.length > 0) {
    const why = `needs ${lacking.map((need) => need.tool).join(", ")}: apt install ${lacking.map((need) => need.package).join(" ")}`;
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
    JSON.stringify(passed),
  ];
  const running = start("unshare", [...NAMESPACES, ...UNPRIVILEGED, ...child]);
  let late = false;
  const budget = setTimeout(() => {
    late = true;
    void running.stop("SIGKILL");
  }, scenario.budgetSeconds * 1000);
  const code = await running.ended;
  clearTimeout(budget);
  const lines = running
    .text()
    .split("\n")
    .filter((line) => line !== "");
  await writeFile(join(folder, "output.log"), running.text());
  const said = lines.filter((line) => line.startsWith("| ")).map((line) => line.slice(2));
  if (late) return done("failed", said, `over its budget of ${scenario.budgetSeconds} s (see ${folder})`);
  if (code === 0) return done("passed", said);
  const why = lines.filter((line) => !line.startsWith("| ")).join("\n    ");
  return done("failed", said, `${why || `ended with ${code}`}\n    (see ${folder})`);
}

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { list: { type: "boolean" }, json: { type: "string" }, tier: { type: "string" } },
  });
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
      : (values.tier ?? "ci") === "full" || scenario.tier === "ci",
  );
  if (values.list) {
    for (const { name, tier, budgetSeconds } of wanted)
      console.log(`${name.padEnd(20)} ${tier.padEnd(5)} ≤ ${budgetSeconds} s`);
    return 0;
  }
  const runnable = wanted.filter((scenario) => scenario.needs.every(({ tool }) => which(tool)));
  const assets = await prepare(new Set(runnable.flatMap((scenario) => scenario.assets)));
  const results: Result[] = [];
  for (const scenario of wanted) {
    const result = await runOne(scenario, assets);
    results.push(result);
    console.log(`${result.outcome.padEnd(7)} ${result.name.padEnd(20)} ${result.seconds.toFixed(1)} s`);
    for (const line of result.said) console.log(`    ${line}`);
    if (result.why) console.log(`    ${result.why}`);
  }
  if (values.json) await writeFile(values.json, `${JSON.stringify(results, null, 2)}\n`);
  const count = (outcome: Result["outcome"]) => results.filter((result) => result.outcome === outcome).length;
  console.log(`${count("passed")} passed, ${count("failed")} failed, ${count("skipped")} skipped`);
  return count("failed") > 0 ? 1 : 0;
}

process.exitCode = await main();
