// Makes a checkout ready (npm packages, then the build) and runs a script of it: run.mjs [--build | SCRIPT ARGS...]
import { spawnSync } from "node:child_process";
import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const [major = 0, minor = 0] = process.versions.node.split(".").map(Number);
if (major < 20 || (major === 20 && minor < 19)) {
  console.error(`Bramble needs Node 20.19 or later; this is ${process.version}.`);
  process.exit(1);
}

const text = (path) => {
  try {
    return readFileSync(join(root, path), "utf8");
  } catch (error) {
    if (error.code === "ENOENT") return undefined;
    throw error;
  }
};

/** The newest change below the folders that the build reads, in ms. */
function newest(folder) {
  let latest = 0;
  for (const entry of readdirSync(join(root, folder), { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) latest = Math.max(latest, newest(path), statSync(join(root, path)).mtimeMs);
    else if (entry.name.endsWith(".ts")) latest = Math.max(latest, statSync(join(root, path)).mtimeMs);
  }
  return latest;
}

function step(words, command, args) {
  console.error(words);
  const { status } = spawnSync(command, args, { cwd: root, stdio: ["ignore", "ignore", "inherit"] });
  if (status !== 0) process.exit(status ?? 1);
}

const lock = text("package-lock.json");
if (text("node_modules/.bramble-lock") !== lock) {
  step("Installing npm packages…", "npm", ["ci", "--no-audit", "--no-fund", "--loglevel=error"]);
  writeFileSync(join(root, "node_modules/.bramble-lock"), lock);
}
const wanted = String(Math.max(...["src", "e2e", "bench", "test"].map(newest))) + text("tsconfig.json");
if (text("dist/.built") !== wanted) {
  mkdirSync(join(root, "dist"), { recursive: true });
  const tsc = spawnSync(process.execPath, [join(root, "node_modules/typescript/lib/tsc.js")], {
    cwd: root,
    encoding: "utf8",
  });
  if (tsc.status !== 0) {
    process.stderr.write(tsc.stdout);
    if (!process.env.BRAMBLE_BUILD_ANYWAY) process.exit(1);
  } else writeFileSync(join(root, "dist/.built"), wanted);
}

const [script, ...args] = process.argv.slice(2);
if (script && script !== "--build") {
  const path = join(root, script);
  process.argv = [process.execPath, path, ...args];
  await import(pathToFileURL(path).href);
}
