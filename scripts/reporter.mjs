// What `npm test` prints: a dot a test, then what failed, which files were slow, what was skipped and what it needs, and node:test's summary.
import { relative } from "node:path";
import { inspect } from "node:util";

const SLOW_MS = 5_000;
/** Without these a test may be skipped even in CI: facts beside the checkout, what only a newer Node has, root. */
const MAY_BE_ABSENT = /^needs (\.\.\/shared\/|Node |root )/;

const nameOf = ({ file, line, name }) =>
  `${name}${file ? ` (${relative("dist", file).replace(/\.js$/, "")}${line ? `:${line}` : ""})` : ""}`;

function* skipped(skips) {
  if (skips.length === 0) return;
  yield `\n${skips.length} skipped, which proves nothing:\n`;
  for (const { name, why } of skips) yield `  ${name}: ${why}\n`;
  const wanted = new Set(skips.flatMap(({ why }) => /apt install (.+)/.exec(why)?.[1]?.split(/\s+/) ?? []));
  if (wanted.size > 0) yield `To run them: apt install ${[...wanted].sort().join(" ")}\n`;
}

export default async function* report(events) {
  const failures = [];
  const skips = [];
  const summary = [];
  const files = new Map();
  let dots = 0;
  for await (const { type, data } of events) {
    if (type === "test:stderr" || type === "test:stdout") yield data.message;
    if (type === "test:diagnostic" && data.nesting === 0 && /^[a-z_]+ [\d.]+$/.test(data.message))
      summary.push(data.message);
    if (type !== "test:pass" && type !== "test:fail") continue;
    if (data.nesting === 0 && data.file)
      files.set(data.file, (files.get(data.file) ?? 0) + data.details.duration_ms);
    const failed = type === "test:fail" && data.todo === undefined;
    if (failed) failures.push(data);
    else if (data.skip !== undefined) skips.push({ name: nameOf(data), why: String(data.skip) });
    dots += 1;
    yield `${failed ? "X" : data.skip === undefined ? "." : "s"}${dots % 80 === 0 ? "\n" : ""}`;
  }
  yield "\n";
  for (const data of failures) {
    const { error } = data.details;
    yield `\nFAILED ${nameOf(data)}\n${inspect(error.cause ?? error, { depth: 6 }).replace(/^/gm, "  ")}\n`;
  }
  const slow = [...files].filter(([, ms]) => ms > SLOW_MS).sort((a, b) => b[1] - a[1]);
  if (slow.length > 0) yield "\nslow files:\n";
  for (const [file, ms] of slow) yield `  ${(ms / 1000).toFixed(1)} s  ${relative("dist", file)}\n`;
  yield* skipped(skips);
  const forbidden = skips.filter(({ why }) => process.env.CI && !MAY_BE_ABSENT.test(why));
  if (forbidden.length > 0) {
    yield `\nIn CI nothing may be missing: ${forbidden.length} of the skipped tests count as failed.\n`;
    process.exitCode = 1;
  }
  yield "\n";
  for (const line of summary) yield `${process.stdout.isTTY ? "ℹ" : "#"} ${line}\n`;
}
