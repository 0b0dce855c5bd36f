// npm test [NAME...]: every built *.test.js (or those whose path holds a NAME) under node:test; reporter.mjs prints.
import { spawnSync } from "node:child_process";
import { readdirSync } from "node:fs";
import { availableParallelism } from "node:os";

const names = process.argv.slice(2);
const files = ["dist/src", "dist/test", "dist/e2e", "dist/bench"]
  .flatMap((folder) => readdirSync(folder, { recursive: true }).map((file) => `${folder}/${file}`))
  .filter((file) => file.endsWith(".test.js") && (names.length === 0 || names.some((n) => file.includes(n))))
  .sort();
if (files.length === 0) {
  console.error(`no test matches ${names.join(" ")}`);
  process.exit(1);
}
// One more than there are cores: many tests wait for a clock or a disk.
const concurrency = `--test-concurrency=${availableParallelism() + 1}`;
const { status } = spawnSync(
  process.execPath,
  [
    "--test",
    "--disable-warning=ExperimentalWarning",
    concurrency,
    "--test-reporter=./scripts/reporter.mjs",
    ...files,
  ],
  { stdio: "inherit" },
);
process.exit(status ?? 1);
