// kill -9 at random moments of many deployments: the book and the disks are looked at afterwards.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { lifeBed, REAL_CLOCK } from "../testing/life-bed.ts";

const CHILD = fileURLToPath(new URL(`../testing/life-child${import.meta.url.slice(-3)}`, import.meta.url));
const BOARDS = 6;
const ROUNDS = 5;

const lines = (path: string): string[] =>
  existsSync(path) ? readFileSync(path, "utf8").trim().split("\n") : [];

/** Lets it begin some deployments, then kills it in the middle of whatever it does. */
async function round(root: string, deployments: number): Promise<void> {
  const child = spawn(process.execPath, [...process.execArgv, CHILD, root, String(BOARDS)], {
    stdio: ["ignore", "pipe", "pipe"],
  });
  let said = "";
  child.stderr.on("data", (chunk) => {
    said += chunk;
  });
  const ended = once(child, "exit");
  let seen = 0;
  child.stdout.on("data", (chunk: Buffer) => {
    seen += chunk.length;
    if (seen >= deployments) setTimeout(() => child.kill("SIGKILL"), Math.random() * 40);
  });
  const [, signal] = await ended;
  assert.equal(signal, "SIGKILL", said);
}

test("kill -9 at any moment loses no event that was answered, leaves no node half done and does nothing twice", {
  timeout: 180_000,
}, async (t) => {
  const root = mkdtempSync(join(tmpdir(), "life-kill-"));
  t.after(() => rmSync(root, { recursive: true, force: true }));
  for (let i = 0; i < ROUNDS; i++) await round(root, 3 + Math.random() * 8);

  const bed = await lifeBed(root, undefined, REAL_CLOCK);
  t.after(() => bed.close());
  const switched: string[] = [];
  bed.life.usePower({ isBound: () => true, set: async (_, want) => switched.push(want) });
  await bed.life.resume();
  await bed.life.settled();

  const nodes = bed.registry.all();
  assert.equal(nodes.length, BOARDS);
  const rows = await bed.book.selectFrom("lifeEvent").selectAll().orderBy("version").execute();
  const known = new Set(rows.map(({ nodeId, version }) => `${nodeId} ${version}`));
  const answered = lines(join(root, "answered.log"));
  assert.deepEqual(
    answered.filter((line) => !known.has(line)),
    [],
    "what was answered is in the book",
  );
  t.diagnostic(`${answered.length} deployments, ${rows.length} events, ${ROUNDS} kills`);
  assert.equal(answered.length > ROUNDS, true, "it has worked at all");

  for (const node of nodes) {
    const mine = rows.filter(({ nodeId }) => nodeId === node.id);
    assert.deepEqual(
      mine.map(({ version }) => version),
      mine.map((_, i) => i + 1),
    );
    for (const [i, { from }] of mine.entries())
      assert.equal(from, mine[i - 1]?.to ?? "discovered", "each goes on where the one before ended");
    assert.equal(mine.at(-1)?.to, node.state);
    assert.equal(
      ["deployed", "first_boot"].includes(node.state),
      true,
      `${node.name} is ${node.state}: nothing is stuck`,
    );
    const installed = mine.filter(({ event }) => event === "installed").length;
    const made = lines(join(root, "disks.log")).filter((line) => line === `made ${node.id}`).length;
    // a clone is told of after it was made: a kill may come between the two
    assert.equal(
      made <= installed && made >= installed - ROUNDS,
      true,
      `${made} clones for ${installed} installations`,
    );
    const clones = await bed.book
      .selectFrom("clone")
      .select("nodeId")
      .where("nodeId", "=", node.id)
      .execute();
    assert.equal(clones.length, installed > 0 ? 1 : 0);
    assert.equal(existsSync(bed.clone(node.id)), installed > 0);
  }
  const cycles = lines(join(root, "power.log")).length + switched.length;
  const installed = rows.filter(({ event }) => event === "installed").length;
  // one kill may catch one power cycle of each board between its deed and the boot that proves it
  assert.equal(
    cycles >= installed && cycles <= installed + ROUNDS * BOARDS,
    true,
    `${cycles} power cycles for ${installed} installations`,
  );
  assert.equal(
    (await bed.book.selectFrom("effect").selectAll().execute()).length,
    0,
    "nothing is left to be done",
  );
  assert.equal(
    readdirSync(join(root, "clones")).length,
    nodes.filter((node) => existsSync(bed.clone(node.id))).length,
  );
});
