import assert from "node:assert/strict";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { needs } from "../../test/tools.ts";
import { openSuite, verifiedText } from "./debian-archive.ts";
import { fetchFile } from "./debian-fetch.ts";
import { resolve } from "./debian-packages.ts";
import { type TestMirror, type TestPackage, testMirror } from "./testing/test-mirror.ts";

async function begin(t: TestContext): Promise<{ mirror: TestMirror; folder: string } | undefined> {
  if (!needs(t, "xz", "xz-utils")) return undefined;
  const mirror = await testMirror();
  const folder = mkdtempSync(join(tmpdir(), "suite-"));
  t.after(() => {
    mirror.close();
    rmSync(folder, { recursive: true });
  });
  return { mirror, folder };
}

const open = ({ mirror, folder }: { mirror: TestMirror; folder: string }, now = new Date()) =>
  openSuite({
    mirror: mirror.url,
    suite: "trixie",
    arch: "arm64",
    components: ["main"],
    keys: mirror.keys,
    cache: folder,
    now,
  });

const one = (name: string, more: Partial<TestPackage> = {}): TestPackage => ({
  name,
  version: "1",
  files: { a: name },
  ...more,
});

test("openSuite() gives the packages of a suite that its key has signed", async (t) => {
  const at = await begin(t);
  if (!at) return;
  await at.mirror.publish([one("a", { version: "1:2-3", depends: "b (>= 1) | c, d" }), one("b")]);
  const suite = await open(at);
  assert.deepEqual([...suite.keys()], ["a", "b"]);
  assert.equal(suite.get("a")?.version, "1:2-3");
  assert.deepEqual(suite.get("a")?.depends, [["b", "c"], ["d"]]);
});

test("openSuite() asks by hash where the mirror can, and not again for an index that it has", async (t) => {
  const at = await begin(t);
  if (!at) return;
  await at.mirror.publish([one("a")], { "Acquire-By-Hash": "yes" });
  const index = at.mirror.files.get("dists/trixie/main/binary-arm64/Packages.xz");
  const hash = /[0-9a-f]{64}/.exec(
    Buffer.from(at.mirror.files.get("dists/trixie/InRelease") ?? "").toString(),
  )?.[0];
  at.mirror.files.set(`dists/trixie/main/binary-arm64/by-hash/SHA256/${hash}`, index ?? new Uint8Array());
  await open(at);
  await open(at);
  assert.equal(at.mirror.asked.filter((path) => path.includes("by-hash")).length, 1);
  assert.equal(at.mirror.asked.filter((path) => path.endsWith("Packages.xz")).length, 0);
});

test("a suite signed by somebody else, changed after signing, or not signed, is refused", async (t) => {
  const at = await begin(t);
  if (!at) return;
  const untrusted = { code: "PACKAGES_UNTRUSTED" };
  await at.mirror.publish([one("a")]);
  const path = "dists/trixie/InRelease";
  const signed = Buffer.from(at.mirror.files.get(path) ?? "").toString();
  const other = await testMirror();
  t.after(() => other.close());
  await assert.rejects(open({ ...at, mirror: { ...at.mirror, keys: other.keys } }), untrusted);
  at.mirror.files.set(path, Buffer.from(signed.replace("Suite: stable", "Suite: stably")));
  await assert.rejects(open(at), untrusted);
  at.mirror.files.set(path, Buffer.from("Codename: trixie\n"));
  await assert.rejects(open(at), untrusted);
});

test("a signed suite of another name, or past its date, is refused", async (t) => {
  const at = await begin(t);
  if (!at) return;
  await at.mirror.publish([one("a")], { Codename: "sid", Suite: "unstable" });
  await assert.rejects(open(at), /says it is sid, unstable/);
  await at.mirror.publish([one("a")], { "Valid-Until": "Sat, 21 Nov 2026 00:00:00 UTC" });
  await open(at, new Date("2026-11-20"));
  await assert.rejects(open(at, new Date("2026-11-22")), /was valid until/);
});

test("fetchFile() leaves nothing behind of a file with another hash or length", async (t) => {
  const at = await begin(t);
  if (!at) return;
  at.mirror.files.set("x", Buffer.from("what it should not be"));
  const path = join(at.folder, "sub/x");
  const wanted = { url: `${at.mirror.url}/x`, path, sha256: "00".repeat(32), size: 21 };
  await assert.rejects(fetchFile(wanted), { code: "PACKAGES_UNTRUSTED" });
  await assert.rejects(fetchFile({ ...wanted, size: 3 }), /longer than its index says/);
  await assert.rejects(fetchFile({ ...wanted, url: `${at.mirror.url}/y` }), { code: "DOWNLOAD_FAILED" });
  assert.deepEqual(readdirSync(join(at.folder, "sub")), []);
  assert.ok(!existsSync(path));
});

test("resolve() takes what is needed, by alternative and by provider, and names who wants what is not there", async (t) => {
  const at = await begin(t);
  if (!at) return;
  await at.mirror.publish([
    one("agent-x", { depends: "gone | mta, lib" }),
    one("exim", { provides: "mta (= 1)", depends: "lib" }),
    one("lib", { depends: "agent-x" }),
    one("unrelated"),
    one("broken", { depends: "lib, nowhere" }),
  ]);
  const suite = await open(at);
  assert.deepEqual(
    resolve(["agent-x"], suite).map((found) => found.name),
    ["agent-x", "exim", "lib"],
  );
  assert.throws(() => resolve(["broken"], suite), /no package nowhere, wanted by broken/);
  assert.throws(() => resolve(["nothing"], suite), /no package nothing, wanted by the agent/);
});

test("Debian's keys in agent/keys can be read, and they did not sign just anything", async (t) => {
  const at = await begin(t);
  if (!at) return;
  await at.mirror.publish([one("a")]);
  const keys = readFileSync("agent/keys/debian-archive.asc", "utf8");
  const signed = Buffer.from(at.mirror.files.get("dists/trixie/InRelease") ?? "").toString();
  await assert.rejects(verifiedText(signed, keys), /no good signature/);
});
