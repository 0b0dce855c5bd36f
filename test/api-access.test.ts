import assert from "node:assert/strict";
import { X509Certificate } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { request } from "node:https";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { sql } from "kysely";
import { connectCommands } from "../src/api/client.ts";
import { fingerprintOf, generatedCertificate, ownCertificate } from "../src/app/access/certificate.ts";
import { redacted } from "../src/app/access/redact.ts";
import { Registry } from "../src/app/registry.ts";
import { nodeRow } from "../src/app/registry-rows.ts";
import { openTasks } from "../src/app/tasks.ts";
import { LOCAL } from "../src/fleet/actor.ts";
import { apiBed } from "./api-bed.ts";
import { needs, run } from "./tools.ts";

test("the audit log says who changed what, from what to what, and has no secret in it", async (t) => {
  const { ask, tokenOf, node, core } = await apiBed(t);
  const token = await tokenOf("operator", "ada");
  const { name } = await node("10000001");
  await ask("PATCH", `/nodes/${name}`, {
    token,
    body: { patch: { user: "pi", passwordHash: "$6$salt$verysecrethash" } },
  });
  await ask("PATCH", `/nodes/${name}`, {
    token: await tokenOf("viewer", "eve"),
    body: { patch: { user: "x" } },
  });
  await core.access.users.add("bob", "viewer");
  const [refused, changed] = await core.access.audit.query({ action: "setNode" });
  assert.deepEqual([refused?.by, refused?.result], ["eve", "FORBIDDEN"]);
  assert.deepEqual(
    [changed?.by, changed?.role, changed?.from, changed?.target, changed?.result],
    ["ada", "operator", "127.0.0.1", name, "ok"],
  );
  assert.deepEqual(changed?.after, { user: "pi", hasPassword: true, own: ["user", "passwordHash"] });
  assert.deepEqual(changed?.before, { hasPassword: false, own: [] });
  const rows = JSON.stringify(await core.book.selectFrom("audit").selectAll().execute());
  assert.ok(!rows.includes("verysecrethash") && rows.includes("(secret)"));
});

test("a record that was changed, or taken out of the middle, breaks the chain there", async (t) => {
  const { core } = await apiBed(t, { reached: [] });
  const { audit } = core.access;
  await Promise.all(
    Array.from({ length: 20 }, (_, n) => audit.record({ by: LOCAL, action: `verb${n}`, result: "ok" })),
  );
  const good = await audit.check();
  assert.deepEqual([good.records, good.brokenAt], [20, undefined]);
  await core.book.updateTable("audit").set({ by: "somebody" }).where("id", "=", 7).execute();
  assert.equal((await audit.check()).brokenAt, 7);
  await core.book.updateTable("audit").set({ by: "cli" }).where("id", "=", 7).execute();
  assert.equal((await audit.check()).brokenAt, undefined);
  await core.book.deleteFrom("audit").where("id", "=", 12).execute();
  assert.equal((await audit.check()).brokenAt, 13);
});

test("a call is answered where the audit log has no room, and the terminal has its record", async (t) => {
  const { core, warnings } = await apiBed(t, { reached: [] });
  await sql`pragma max_page_count = 1`.execute(core.book);
  const { audit } = core.access;
  for (let n = 0; warnings.length === 0 && n < 1_000; n++)
    await audit.record({ by: LOCAL, action: "clone reset", target: "x".repeat(4_000), result: "ok" });
  assert.match(warnings[0] ?? "", /not in the audit log \(.*full.*\): admin cli: clone reset x+: ok/);
  await sql`pragma max_page_count = 100000`.execute(core.book);
  await audit.record({ by: LOCAL, action: "image rm", result: "ok" });
  assert.equal((await audit.query({ limit: 1 }))[0]?.action, "image rm");
  assert.equal((await audit.check()).brokenAt, undefined);
});

test("redacted() leaves out secrets at any depth, and passwords in URLs", () => {
  const told = JSON.stringify(
    redacted({
      name: "sw",
      community: "c0",
      auth: { authKey: "k0", list: [{ privPassword: "p0" }] },
      source: "https://u:s3@h/x.img",
      value: "v0",
    }),
  );
  for (const secret of ["c0", "k0", "p0", "s3", "v0"]) assert.ok(!told.includes(secret), told);
  assert.ok(told.includes("sw") && told.includes("@h/x.img"));
});

test("what runs when the process ends is interrupted afterwards; what is stopped says so; what fails keeps its reason", async (t) => {
  const { core } = await apiBed(t, { reached: [] });
  const { tasks, book, news } = core;
  let stopped = false;
  const forever = await tasks.start({ verb: "long", by: LOCAL }, ({ signal, progress }) => {
    progress({ phase: "copy", bytes: 5, total: 10 });
    return new Promise((_, reject) =>
      signal.addEventListener("abort", () =>
        reject(Object.assign(new Error("stopped"), { code: "CANCELLED" })),
      ),
    );
  });
  const bad = await tasks.start({ verb: "bad", by: LOCAL }, async () => {
    throw Object.assign(new Error("no room"), { code: "DISK_FULL", hint: "make some" });
  });
  assert.deepEqual((await tasks.find(forever.id)).progress, { phase: "copy", bytes: 5, total: 10 });
  for (let seen = -1; (await tasks.find(bad.id)).state === "running"; seen++)
    await tasks.find(bad.id, seen, 1_000);
  assert.deepEqual((await tasks.find(bad.id)).error, {
    code: "DISK_FULL",
    title: "no room",
    hint: "make some",
  });
  const after = await openTasks(book, news, Date.now); // another process over the same book
  assert.equal((await after.find(forever.id)).state, "interrupted");
  await tasks.cancel(forever.id);
  for (; !stopped; ) stopped = (await tasks.find(forever.id, 1_000, 10)).state !== "running";
  assert.equal((await tasks.find(forever.id)).state, "cancelled");
  await assert.rejects(tasks.cancel(forever.id), { code: "TASK_OVER" });
});

test("ten thousand nodes come whole in pages, each once, while nodes are added in between", async (t) => {
  const { core, ask, tokenOf, node } = await apiBed(t);
  const one = await node("10000000");
  const rows = Array.from({ length: 10_000 }, (_, n) => {
    const serial = (0x20000000 + n).toString(16);
    return nodeRow({
      ...one,
      id: serial,
      serial,
      name: `pi-${String(n).padStart(5, "0")}`,
      state: "deployed",
    });
  });
  await core.book.transaction().execute(async (trx) => {
    for (let at = 0; at < rows.length; at += 20)
      await trx
        .insertInto("node")
        .values(rows.slice(at, at + 20))
        .execute();
  });
  const filled = await Registry.open(core.book);
  core.registry.all = () => filled.all();
  const token = await tokenOf("viewer");
  const names: string[] = [];
  let path: string | undefined = "/nodes?limit=777";
  for (let page = 0; path !== undefined; page++) {
    const told: Awaited<ReturnType<typeof ask>> = await ask("GET", path, { token });
    assert.ok(told.body.length <= 777);
    names.push(...told.body.map((row: { name: string }) => row.name));
    path = /<\/api\/v1([^>]+)>/.exec(told.headers.get("link") ?? "")?.[1];
    if (page === 3) filled.see({ serial: "00000abc" }, 1); // pi-00000abc: behind where the pages are
  }
  assert.equal(new Set(names).size, names.length);
  assert.equal(names.filter((name) => /^pi-\d{5}$/.test(name)).length, 10_000);
  const first = await ask("GET", "/nodes", { token });
  assert.equal(first.body.length, 1_000, "without a limit a page is what a page is");
  const all = await connectCommands(core.data.socket).nodes({});
  assert.ok(all.length >= 10_001, "our own client follows the pages");
});

test("a certificate of our own making is a certificate to Node, openssl and our client, and is renewed with its key", async (t) => {
  const root = mkdtempSync(join(tmpdir(), "tls-"));
  t.after(() => rmSync(root, { recursive: true }));
  const now = Date.now();
  const made = generatedCertificate(root, now, ["pi.example", "192.0.2.7"]);
  const read = new X509Certificate(made.cert);
  assert.ok(read.checkHost("pi.example") && read.checkIP("192.0.2.7") && read.checkIP("127.0.0.1"));
  assert.ok(read.verify(read.publicKey));
  assert.equal(statSync(join(root, "tls/key.pem")).mode & 0o777, 0o600);
  assert.equal(generatedCertificate(root, now, ["pi.example"]).cert, made.cert, "kept");
  const renewed = generatedCertificate(root, now + 800 * 86_400_000);
  assert.notEqual(renewed.cert, made.cert);
  assert.equal(fingerprintOf(renewed.cert), fingerprintOf(made.cert));
  const paths = [join(root, "tls/cert.pem"), join(root, "tls/key.pem")] as const;
  assert.equal(ownCertificate(...paths, now).cert, readFileSync(paths[0], "utf8"));
  assert.throws(() => ownCertificate(paths[0], paths[0], now), { code: "CERTIFICATE_BAD" });
  assert.throws(() => ownCertificate(...paths, now + 3_000 * 86_400_000), { code: "CERTIFICATE_BAD" });

  const { core, base, port, tokenOf } = await apiBed(t, { tls: made });
  const token = await tokenOf("viewer");
  const status = await new Promise((resolve, reject) =>
    request({ port, host: "127.0.0.1", ca: made.cert, path: "/health" }, (answer) =>
      resolve(answer.resume().statusCode),
    )
      .on("error", reject)
      .end(),
  );
  assert.equal(status, 200, "Node trusts it as its own authority");
  const pinned = connectCommands({ url: base, token, fingerprint: fingerprintOf(made.cert) });
  assert.deepEqual(await pinned.nodes({}), []);
  await assert.rejects(connectCommands({ url: base, token, fingerprint: "00".repeat(32) }).nodes({}), {
    code: "CERTIFICATE_BAD",
  });
  await assert.rejects(connectCommands({ url: base, token }).nodes({}), { code: "SERVER_GONE" });
  assert.equal((await core.access.tokens.list())[0]?.name, "viewer");

  if (!needs(t, "openssl", "openssl")) return;
  const file = join(root, "made.pem");
  run("cp", [paths[0], file]);
  assert.match(run("openssl", ["verify", "-CAfile", file, "-check_ss_sig", "-no_check_time", file]), /OK/);
  const text = run("openssl", ["x509", "-in", file, "-noout", "-text"]);
  for (const words of [
    "ecdsa-with-SHA256",
    "TLS Web Server Authentication",
    "CA:FALSE",
    "DNS:localhost",
    "prime256v1",
  ])
    assert.ok(text.includes(words), words);
});
