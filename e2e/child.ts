// One scenario, inside its own namespaces: child NAME FOLDER SHARED ASSETS. What is said begins with "| ", what went wrong does not.
import { mkdir, readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { settleIn } from "./namespaces.ts";
import type { Scenario, Stage } from "./scenario.ts";

const [name = "", folder = "", shared = "", assetsJson = "{}"] = process.argv.slice(2);
const assets = JSON.parse(assetsJson) as Record<string, string>;
const atEnd: (() => unknown)[] = [];

const stage: Stage = {
  folder: join(folder, "work"),
  shared,
  asset(wanted) {
    const path = assets[wanted];
    if (!path) throw new Error(`${name} does not list ${wanted} among its assets`);
    return path;
  },
  say: (text) => console.log(`| ${text}`),
  atEnd: (what) => void atEnd.push(what),
};

let failed = false;
const failure = (error: unknown) => {
  failed = true;
  console.log(error instanceof Error ? (error.stack ?? error.message) : String(error));
};
const ending = import.meta.url.slice(-3);
await rm(stage.folder, { recursive: true, force: true });
await mkdir(stage.folder, { recursive: true });
try {
  await settleIn();
  const { scenario } = (await import(`./scenarios/${name}${ending}`)) as { scenario: Scenario };
  await scenario.run(stage);
} catch (error) {
  failure(error);
}
for (const what of atEnd.reverse()) {
  try {
    await what();
  } catch (error) {
    failure(error);
  }
}
// what explains a failure stays, what is large and explains nothing does not
if (!failed)
  for (const left of await readdir(stage.folder))
    if (!left.endsWith(".log")) await rm(join(stage.folder, left), { recursive: true });
process.exit(failed ? 1 : 0);
