// npm run check: format and lint, types (all; pure rooms without Node; the page with a browser's), the house's rooms, unused code.
import { spawnSync } from "node:child_process";
import { compiler } from "./compiler.mjs";

const bin = (name, ...args) => [process.execPath, [`node_modules/${name}`, ...args]];
const steps = [
  ["format and lint", ...bin("@biomejs/biome/bin/biome", "check", "--error-on-warnings", ".")],
  [
    "types",
    process.execPath,
    [compiler(), "--noEmit", "--incremental", "false", "--tsBuildInfoFile", "null"],
  ],
  ["types of the pure rooms", process.execPath, [compiler(), "-p", "tsconfig.pure.json"]],
  ["types of the page", process.execPath, [compiler(), "-p", "ui"]],
  ["rooms", process.execPath, ["scripts/test.mjs", "test/rooms"]],
  ["unused code", ...bin("knip/bin/knip.js", "--no-progress")],
];
let failed = 0;
for (const [name, command, args] of steps) {
  const { status, stdout, stderr } = spawnSync(command, args, { encoding: "utf8" });
  console.log(`${status === 0 ? "ok  " : "FAIL"} ${name}`);
  if (status !== 0) {
    failed += 1;
    process.stdout.write(stdout + stderr);
  }
}
process.exit(failed === 0 ? 0 : 1);
