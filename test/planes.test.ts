// What it costs when a thread of ours dies: the whole server on loopback, from the build (threads do not run from sources).
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { fileURLToPath } from "node:url";
import { loopback } from "./planes-server.ts";
import { needs, run } from "./tools.ts";

/** A client that hangs is a failure, not a wait without end. */
const PATIENCE = { timeout: 180_000 };

process.env["BRAMBLE_TEST_PLANE_FAULTS"] = "ask";

async function bramble(t: TestContext) {
  const one = await loopback();
  t.after(async () => {
    await one.server.close();
    rmSync(one.data, { recursive: true, force: true });
  });
  return one;
}

for (const how of ["throw", "heap"] as const) {
  const why = how === "throw" ? "a fault that a test asked for" : "it reached its heap limit";
  test(
    `the disk plane dies (${how}): what was acknowledged is there, at the same port, under the same name`,
    PATIENCE,
    async (t) => {
      if (!needs(t, "qemu-io", "qemu-utils")) return;
      const b = await bramble(t);
      const uri = await b.giveNbd();
      // No flush: what a kill of the thread must not lose is in the page cache and in the journal.
      run("qemu-io", ["-f", "raw", "-t", "unsafe", "-c", "write -P 0x5a 40M 64k", uri]);
      const hanging = b.disks.call("hang", {});
      await Promise.all([
        assert.rejects(hanging, { code: "PLANE_DIED" }),
        b.disks
          .call("fault", { how })
          .catch((error: { code?: string }) => assert.equal(error.code, "PLANE_DIED")),
        // Asked in the middle of it, answered by the next thread.
        b.disks.call("facts", { path: b.path }).then(({ size }) => assert.ok(size > 0)),
      ]);
      const bytes = await b.disks.call("read", { path: b.path, offset: 40 << 20, length: 65536 });
      assert.ok(bytes.every((byte) => byte === 0x5a));
      run("qemu-io", [
        "-f",
        "raw",
        "-c",
        "read -P 0x5a 40M 64k",
        "-c",
        "write -P 0x5b 41M 4k",
        "-c",
        "flush",
        uri,
      ]);
      const status = await b.commands.status({});
      const { name, restarts, lastWhy } = status.planes[0] ?? {};
      assert.deepEqual({ name, restarts, lastWhy }, { name: "disk", restarts: 1, lastWhy: why });
      await b.events(new RegExp(`the disk plane failed \\(${why}\\) and was started anew after \\d+ ms`));
      assert.equal(status.planes[1]?.restarts, 0, "the other plane has noticed nothing");
    },
  );
}

test("the boot plane dies: the next board boots from the same port", PATIENCE, async (t) => {
  const b = await bramble(t);
  await b.server.boot.call("fault", { how: "throw" });
  const again = await b.boot();
  assert.equal(again?.outcome, "kernel", again?.reason);
  const { planes } = await b.commands.status({});
  assert.deepEqual(
    planes.map(({ name, restarts }) => [name, restarts]),
    [
      ["disk", 0],
      ["boot", 1],
      ["nfs", 0],
    ],
  );
});

test(
  "a plane that dies again and again ends the process with 70, for systemd to start it anew",
  PATIENCE,
  async (t) => {
    const data = mkdtempSync(join(tmpdir(), "planes-"));
    t.after(() => rmSync(data, { recursive: true, force: true }));
    const main = fileURLToPath(new URL("planes-child.js", import.meta.url));
    const child = spawn(process.execPath, [main, data, "fault"], {
      env: { ...process.env, BRAMBLE_TEST_PLANE_FAULTS: "loop" },
      stdio: ["ignore", "ignore", "pipe"],
    });
    let said = "";
    child.stderr.on("data", (chunk) => {
      said += chunk;
    });
    const [code] = (await once(child, "exit")) as [number | null];
    assert.equal(code, 70, said);
    assert.match(
      said,
      /the (disk|boot) plane failed again and again, the last time: a fault that a test asked for/,
    );
  },
);

test("without the switch of the environment a plane knows no fault", PATIENCE, async (t) => {
  const wish = process.env["BRAMBLE_TEST_PLANE_FAULTS"];
  delete process.env["BRAMBLE_TEST_PLANE_FAULTS"];
  t.after(() => {
    process.env["BRAMBLE_TEST_PLANE_FAULTS"] = wish;
  });
  const b = await bramble(t);
  await assert.rejects(b.disks.call("fault", { how: "throw" }), { code: "INTERNAL" });
  await assert.rejects(b.server.boot.call("fault", { how: "throw" }), { code: "INTERNAL" });
});
