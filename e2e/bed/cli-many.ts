// Many commands in one process, each as if typed: cli-many JSON-LIST. Starting Node for each would take most of the time.
import { readFileSync, writeFileSync } from "node:fs";
import type { Said } from "./cli.ts";

const [file = "", out = ""] = process.argv.slice(2);
const commands = JSON.parse(readFileSync(file, "utf8")) as string[][];
const ending = import.meta.url.slice(-3);
const [program = ""] = process.argv;
const said: Said[] = [];
const written = { out: "", err: "" };
const keep = (name: keyof typeof written) => (chunk: string | Uint8Array) => {
  written[name] += typeof chunk === "string" ? chunk : Buffer.from(chunk).toString("latin1");
  return true;
};
process.stdout.write = keep("out");
process.stderr.write = keep("err");
for (const [n, words] of commands.entries()) {
  process.argv = [program, "bramble", ...words];
  process.exitCode = 0;
  Object.assign(written, { out: "", err: "" });
  await import(`../../src/app/main${ending}?${n}`);
  said.push({ code: Number(process.exitCode), ...written });
  writeFileSync(out, JSON.stringify(said));
}
process.exit(0);
