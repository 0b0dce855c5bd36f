import assert from "node:assert/strict";
import { test } from "node:test";
import { type Party, TOOLS } from "../../fleet/fencing.ts";
import { Fence, type OpenSession } from "./fence.ts";
import { Grants, type IscsiGrant, type NbdGrant } from "./grants.ts";

const DISK = "/clones/n1.qcow2";
const node = (more: Partial<Party> = {}): Party => ({
  node: "n1",
  boot: "b1",
  address: "10.0.0.7",
  kind: "iscsi",
  ...more,
});

/** A session whose end and sign of life the test decides; `log` hears what was asked of it. */
function session(
  party: Party,
  log: string[],
  { answers = true, drained = Promise.resolve() } = {},
): OpenSession {
  return {
    party,
    paths: [DISK],
    async ping() {
      log.push(`ping ${party.address}`);
      return answers;
    },
    async drop() {
      log.push(`drop ${party.address}`);
      await drained;
      log.push(`drained ${party.address}`);
    },
  };
}

test("Fence asks a holder for a sign of life before it refuses, and again for the next one", async () => {
  const log: string[] = [];
  const fence = new Fence();
  fence.opened(session(node(), log));
  for (let i = 0; i < 2; i++) {
    const answer = await fence.ask({ party: node({ address: "10.0.0.8" }), paths: [DISK] });
    assert.match(
      "refused" in answer ? answer.refused : "",
      /10\.0\.0\.7 has it open over iSCSI, and answers/,
    );
  }
  assert.deepEqual(log, ["ping 10.0.0.7", "ping 10.0.0.7"]);
  const elsewhere = await fence.ask({ party: node({ address: "10.0.0.8" }), paths: ["/clones/other.qcow2"] });
  assert.deepEqual(elsewhere, { tookOver: [] });
});

test("Fence lets a newcomer in only when the dead one's commands are out of the disk", async () => {
  const log: string[] = [];
  const fence = new Fence();
  let drain = () => {};
  const drained = new Promise<void>((resolve) => {
    drain = resolve;
  });
  fence.opened(session(node(), log, { answers: false, drained }));
  const asked = fence.ask({ party: node({ address: "10.0.0.8" }), paths: [DISK] }).then((answer) => {
    log.push("answered");
    return answer;
  });
  while (!log.includes("drop 10.0.0.7")) await new Promise(setImmediate);
  drain();
  const answer = await asked;
  assert.ok("tookOver" in answer && answer.tookOver[0]?.from.address === "10.0.0.7");
  assert.deepEqual(log, ["ping 10.0.0.7", "drop 10.0.0.7", "drained 10.0.0.7", "answered"]);
});

test("Fence holds the disk for a login that is on its way, for 15 s", async () => {
  let now = 0;
  const fence = new Fence(() => now);
  const stranger = { party: node({ address: "10.0.0.8" }), paths: [DISK] };
  await fence.ask({ party: node(), paths: [DISK] });
  const early = await fence.ask(stranger);
  assert.match("refused" in early ? early.refused : "", /is just logging in/);
  now = 15_000;
  assert.deepEqual(await fence.ask(stranger), { tookOver: [] });
});

test("Fence lets tools wait while a node was there a moment ago", async () => {
  let now = 0;
  const fence = new Fence(() => now);
  const tools = {
    party: { node: "n1", boot: TOOLS, address: "127.0.0.1", kind: "nbd" as const },
    paths: [DISK],
  };
  const gone = fence.opened(session(node(), []));
  now = 5_000;
  gone();
  now = 15_000;
  const early = await fence.ask(tools);
  assert.match("refused" in early ? early.refused : "", /may come back: when it is off, try again in 20 s/);
  now = 35_000;
  assert.deepEqual(await fence.ask(tools), { tookOver: [] });
  assert.deepEqual(
    await fence.ask({ party: node(), paths: [DISK] }),
    { tookOver: [] },
    "the node comes before tools",
  );
});

const CHAP = { user: "n1", secret: "s" };
const iscsi = (boot: string, address = "10.0.0.7"): IscsiGrant => ({
  ...{ kind: "iscsi", name: `n1/${boot}`, key: "iqn.x:n1", initiator: "iqn.x:init-n1", address },
  ...{ chap: CHAP, luns: [], paths: [DISK], used: false },
});
const nbd = (boot: string, key: string): NbdGrant => ({
  ...{ kind: "nbd", name: `n1/${boot}`, key, address: "10.0.0.7", path: DISK },
  ...{ paths: [DISK], readOnly: false, used: false },
});

test("Grants answers a new boot's login only after the older boot is drained, also over another protocol", async () => {
  const log: string[] = [];
  const fence = new Fence();
  const grants = new Grants(fence);
  await grants.give(nbd("b1", "k1"), "newer");
  let drain = () => {};
  const drained = new Promise<void>((resolve) => {
    drain = resolve;
  });
  fence.opened(session(node({ kind: "nbd" }), log, { drained }));
  const given = grants.give(iscsi("b2"), "newer").then((ended) => {
    log.push("given");
    return ended;
  });
  assert.equal(
    await grants.find("k1"),
    undefined,
    "the old secret is worth nothing from the first moment on",
  );
  const found = grants.find("iqn.x:n1").then((grant) => {
    log.push("found");
    return grant;
  });
  while (!log.includes("drop 10.0.0.7")) await new Promise(setImmediate);
  await new Promise(setImmediate);
  assert.deepEqual(log, ["drop 10.0.0.7"], "nobody is let in while it drains");
  drain();
  assert.equal((await given).length, 1);
  assert.equal((await found)?.name, "n1/b2");
  assert.equal(log[1], "drained 10.0.0.7");
});

test("Grants keeps the sessions of a boot that asks again, and ends those of all others", async () => {
  const log: string[] = [];
  const fence = new Fence();
  const grants = new Grants(fence);
  await grants.give(iscsi("b1"), "newer");
  fence.opened(session(node(), log));
  await grants.give(iscsi("b1"), "other LUNs");
  assert.deepEqual(log, []);
  await grants.give(iscsi("b2"), "newer");
  assert.deepEqual(log, ["drop 10.0.0.7", "drained 10.0.0.7"]);
});

test("Grants does not let a fenced boot back in from where it was", async () => {
  const grants = new Grants(new Fence());
  await grants.give(iscsi("b1", "10.0.0.7"), "newer");
  const newer = iscsi("b2", "10.0.0.9");
  await grants.give(newer, "newer");
  assert.equal(grants.isFenced(newer, "10.0.0.7"), true);
  assert.equal(grants.isFenced(newer, "10.0.0.8"), false);
  const back = iscsi("b3", "10.0.0.7");
  await grants.give(back, "newer");
  assert.equal(grants.isFenced(back, "10.0.0.7"), false, "its newest boot is at home there");
});

test("Grants does not take a volume from another node that has it open", async () => {
  const log: string[] = [];
  const fence = new Fence();
  const grants = new Grants(fence);
  fence.opened(session(node({ node: "n2", boot: "b7" }), log));
  await assert.rejects(grants.give(iscsi("b1"), "newer"), {
    code: "CLONE_BUSY",
    message: /n2 has a disk of this node open/,
  });
  assert.deepEqual(log, []);
});

test("Grants gives a boot its clone over NBD and its volumes over iSCSI, and a newer boot ends both", async () => {
  const log: string[] = [];
  const fence = new Fence();
  const grants = new Grants(fence);
  const volumes = (boot: string) => ({ ...iscsi(boot), paths: ["/volumes/v1.qcow2"] });
  await grants.give(nbd("b1", "k1"), "newer");
  fence.opened(session(node({ kind: "nbd", address: "10.0.0.7" }), log));
  await grants.give(volumes("b1"), "newer");
  fence.opened({ ...session(node({ address: "10.0.0.8" }), log), paths: ["/volumes/v1.qcow2"] });
  assert.equal((await grants.find("k1"))?.name, "n1/b1");
  assert.equal((await grants.find("iqn.x:n1"))?.name, "n1/b1");
  assert.equal(log.length, 0, "nothing that this boot has open has ended");
  await grants.give(nbd("b2", "k2"), "newer");
  assert.deepEqual(log.filter((line) => line.startsWith("drop")).sort(), ["drop 10.0.0.7", "drop 10.0.0.8"]);
  assert.equal(await grants.find("k1"), undefined);
  assert.equal(await grants.find("iqn.x:n1"), undefined, "the older boot's volumes, too");
  await grants.give(iscsi("b2"), "the same boot, by another way");
  assert.equal(await grants.find("k2"), undefined, "one clone is never open in two ways");
});
