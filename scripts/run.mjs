// Makes a checkout ready (npm packages, then the build) and runs a script of it: run.mjs [--build | SCRIPT ARGS...]
import { spawnSync } from "node:child_process";
import {
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
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

/** The newest change below a folder that the build reads, in ms. */
function newest(folder, ending = ".ts") {
  let latest = 0;
  for (const entry of readdirSync(join(root, folder), { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (entry.isDirectory())
      latest = Math.max(latest, newest(path, ending), statSync(join(root, path)).mtimeMs);
    else if (entry.name.endsWith(ending)) latest = Math.max(latest, statSync(join(root, path)).mtimeMs);
  }
  return latest;
}

function step(words, command, args) {
  console.error(words);
  const { status } = spawnSync(command, args, { cwd: root, stdio: ["ignore", "ignore", "inherit"] });
  if (status !== 0) throw new Error(`${command} ${args[0]} ended with ${status ?? "a signal"}`);
}

const FOLDERS = ["src", "e2e", "bench", "test"];

/** What the packages and the build should be made of; a mark beside each says what it was made of. */
const lockWanted = () => text("package-lock.json");
const buildWanted = () => `${Math.max(...FOLDERS.map((folder) => newest(folder)))} ${text("tsconfig.json")}`;
/** The page is made of its own sources and of the contract's routes. */
const pageWanted = () => `${newest("ui", "")} ${newest("src/api")} ${lockWanted()}`;
const isReady = () =>
  text("node_modules/.bramble-lock") === lockWanted() &&
  text("dist/.built") === buildWanted() &&
  text("dist/.page-built") === pageWanted();

/** One at a time: two first starts at once would take each other's packages away. A holder that was killed holds nothing. */
async function alone(work) {
  mkdirSync(join(root, "dist"), { recursive: true });
  const held = join(root, "dist/.making");
  for (let told = false; ; ) {
    try {
      writeFileSync(held, String(process.pid), { flag: "wx" });
      break;
    } catch (error) {
      if (error.code !== "EEXIST") throw error;
    }
    if (isAbandoned(held)) rmSync(held, { force: true });
    if (!told) console.error("Waiting for another start that makes this checkout ready…");
    told = true;
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
  try {
    await work();
  } finally {
    rmSync(held, { force: true });
  }
}

/** Its holder has ended; or it was killed before it could write who it is. */
function isAbandoned(held) {
  const holder = Number(text("dist/.making"));
  if (holder > 0) return !isAlive(holder);
  return Date.now() - (statSync(held, { throwIfNoEntry: false })?.mtimeMs ?? Date.now()) > 5_000;
}

function isAlive(pid) {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error.code === "EPERM"; // somebody else's
  }
}

/** `npm ci` through a link would empty the other checkout's packages. */
function refuseLink() {
  if (!lstatSync(join(root, "node_modules"), { throwIfNoEntry: false })?.isSymbolicLink()) return;
  throw new Error(
    "node_modules is a link to packages of another lock file: make that checkout ready first (npm run build there), or remove the link",
  );
}

async function makeReady() {
  const lock = lockWanted();
  if (text("node_modules/.bramble-lock") !== lock) {
    refuseLink();
    const quiet = ["--no-audit", "--no-fund", "--loglevel=error"];
    step("Installing npm packages…", "npm", ["ci", "--include=dev", ...quiet]);
    writeFileSync(join(root, "node_modules/.bramble-lock"), lock);
  }
  if (text("dist/.built") !== buildWanted()) await compile();
  if (text("dist/.page-built") !== pageWanted() && !process.exitCode) bundle();
}

async function compile() {
  const wanted = buildWanted();
  const { compiler } = await import("./compiler.mjs");
  const { status, stdout } = spawnSync(process.execPath, [compiler()], { cwd: root, encoding: "utf8" });
  dropOrphans();
  if (status === 0) writeFileSync(join(root, "dist/.built"), wanted);
  else {
    process.stderr.write(stdout);
    if (!process.env.BRAMBLE_BUILD_ANYWAY) process.exitCode = 1;
  }
}

/** The page of the browser, into dist/ui. */
function bundle() {
  const wanted = pageWanted();
  const vite = join("node_modules", "vite", "bin", "vite.js");
  const { status, stdout, stderr } = spawnSync(process.execPath, [vite, "build", "ui"], {
    cwd: root,
    encoding: "utf8",
  });
  if (status === 0) writeFileSync(join(root, "dist/.page-built"), wanted);
  else {
    process.stderr.write(stdout + stderr);
    if (!process.env.BRAMBLE_BUILD_ANYWAY) process.exitCode = 1;
  }
}

/** A test whose source is gone must not run for ever. */
function dropOrphans() {
  for (const folder of FOLDERS) {
    for (const file of readdirSync(join(root, "dist", folder), { recursive: true })) {
      if (!file.endsWith(".js") || existsSync(join(root, folder, file.replace(/\.js$/, ".ts")))) continue;
      for (const gone of [file, `${file}.map`]) rmSync(join(root, "dist", folder, gone), { force: true });
    }
  }
}

if (!isReady()) await alone(makeReady);
if (process.exitCode) process.exit();

const [script, ...args] = process.argv.slice(2);
if (script && script !== "--build") {
  const path = join(root, script);
  process.argv = [process.execPath, path, ...args];
  await import(pathToFileURL(path).href);
}
