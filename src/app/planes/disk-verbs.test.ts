import assert from "node:assert/strict";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { createClone } from "../../storage/clones/clone.ts";
import type { DiskEvent } from "./disk-calls.ts";
import { diskVerbs, openTelling } from "./disk-verbs.ts";
import { openClones } from "./open-clones.ts";

const MIB = 1 << 20;

/** The verbs over clones of this process, with a clone `a` of 8 MiB of ones. */
async function withVerbs(
  act: (rig: {
    verbs: ReturnType<typeof diskVerbs>;
    clones: ReturnType<typeof openClones>;
    path: string;
    out: string;
    told: DiskEvent[];
  }) => Promise<void>,
): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "bramble-verbs-"));
  const told: DiskEvent[] = [];
  const clones = openClones(openTelling((event) => told.push(event)));
  try {
    const image = join(folder, "image.img");
    writeFileSync(image, new Uint8Array(8 * MIB).fill(1));
    const path = join(folder, "a.qcow2");
    await createClone({ path, image: { path: image, size: 8 * MIB, sha256: "00" } });
    await act({ verbs: diskVerbs({ clones }), clones, path, out: join(folder, "out"), told });
  } finally {
    await clones.close();
    rmSync(folder, { recursive: true });
  }
}

const silent = () => {};
const first = (bytes: Uint8Array, value: number) => bytes.every((byte) => byte === value);

test("what a running node must not see under it is refused while it runs, the rest is done", () =>
  withVerbs(async ({ verbs, clones, path, out }) => {
    const held = clones.hold(path);
    const clone = await held.clone;
    held.sessions = 1;
    await clone.write(new Uint8Array(MIB).fill(2), 0);
    assert.equal((await verbs.snapshotClone({ path, name: "a" })).name, "a");
    const image = { path: out, size: 1, sha256: "" };
    for (const act of [
      () => verbs.rollbackClone({ path, name: "a" }),
      () => verbs.resetClone({ path }),
      () => verbs.rebaseClone({ path, image }),
    ])
      await assert.rejects(act, { code: "CLONE_BUSY", hint: /off/ });
    assert.equal((await verbs.resizeClone({ path, size: 9 * MIB })).size, 9 * MIB);
    await verbs.exportClone({ path, to: out, format: "raw" }, silent);
    assert.equal(readFileSync(out).length, 9 * MIB);
    held.sessions = 0;
    await clone.write(new Uint8Array(MIB).fill(3), 0);
    assert.deepEqual(await verbs.rollbackClone({ path, name: "a" }), { image: "00" });
    const bytes = new Uint8Array(MIB);
    await clone.read(bytes, 0);
    assert.ok(first(bytes, 2));
    await verbs.resetClone({ path, dropSnapshots: true });
    await clone.read(bytes, 0);
    assert.ok(first(bytes, 1));
    await verbs.mergeClone({ path }, silent);
    assert.deepEqual(await verbs.listSnapshots({ path }), []);
  }));

test("an export says how far it is, and ends when its job is cancelled", () =>
  withVerbs(async ({ verbs, path, out }) => {
    const seen: number[] = [];
    const job = verbs.exportClone({ path, to: out, format: "qcow2", job: "7" }, (done, total) => {
      assert.equal(total, 8 * MIB);
      seen.push(done);
      if (seen.length === 2) verbs.cancelJob({ job: "7" });
    });
    await assert.rejects(job, { code: "CANCELLED" });
    assert.ok(seen.length >= 2 && seen.length < 8);
    assert.ok(!existsSync(out) && !existsSync(`${out}.part`));
    verbs.cancelJob({ job: "7" }); // it is over: nobody minds
    await verbs.promoteClone({ path, to: out }, (done) => seen.push(done));
    assert.equal(seen.at(-1), 8 * MIB);
    assert.ok(first(readFileSync(out), 1));
    await assert.rejects(verbs.exportClone({ path, to: out, format: "zip" as "raw" }, silent), {
      code: "BAD_INPUT",
      hint: /raw, qcow2, xz/,
    });
  }));

test("a quota that is nearly used up is told, with the clone's path", () =>
  withVerbs(async ({ verbs, clones, path, told }) => {
    await verbs.setQuota({ path, bytes: 4 * MIB });
    const clone = await clones.hold(path).clone;
    await assert.rejects(async () => clone.write(new Uint8Array(6 * MIB), 0), { code: "DISK_FULL" });
    assert.ok(told.some((event) => event.kind === "quota" && event.path === path && event.quota === 4 * MIB));
    await verbs.setQuota({ path, bytes: null });
    await clone.write(new Uint8Array(6 * MIB), 0);
  }));

test("a volume is made, and a file that is not ours is not touched", () =>
  withVerbs(async ({ verbs, path, out }) => {
    await verbs.createVolume({ path: `${path}.volume`, size: MIB });
    await verbs.snapshotClone({ path: `${path}.volume`, name: "empty" });
    await assert.rejects(verbs.snapshotClone({ path: out, name: "x" }), { code: "FILE_UNKNOWN" });
  }));
