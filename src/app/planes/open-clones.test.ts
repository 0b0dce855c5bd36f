import assert from "node:assert/strict";
import { existsSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import type { Clone } from "../../storage/clones/clone.ts";
import { openClones } from "./open-clones.ts";
import { readReservations, removeReservations, saveReservations } from "./reservations.ts";

/** A clone whose close() ends when the test says so; `log` hears what happens in which order. */
function toyClones() {
  const log: string[] = [];
  let closed = () => {};
  const open = async () => {
    log.push("open");
    return {
      close() {
        log.push("closing");
        return new Promise<void>((resolve) => {
          closed = () => {
            log.push("closed");
            resolve();
          };
        });
      },
    } as unknown as Clone;
  };
  return { log, open, letClose: () => closed() };
}

test("openClones() opens a clone once, and again only when its closing has ended", async () => {
  const toys = toyClones();
  const clones = openClones(toys.open);
  assert.equal(clones.hold("/a"), clones.hold("/a"));
  await clones.hold("/a").clone;
  const released = clones.release("/a");
  const again = clones.hold("/a").clone;
  await new Promise(setImmediate);
  assert.deepEqual(toys.log, ["open", "closing"], "the lock of the one before is still there");
  toys.letClose();
  await released;
  await again;
  assert.deepEqual(toys.log, ["open", "closing", "closed", "open"]);
  const ended = clones.close();
  await new Promise(setImmediate);
  toys.letClose();
  await ended;
});

test("openClones() does not close what a session has open, and forgets what could not be opened", async () => {
  let fails = true;
  const toys = toyClones();
  const clones = openClones(async () => {
    if (fails) throw new Error("damaged");
    return toys.open();
  });
  await assert.rejects(clones.hold("/a").clone, /damaged/);
  fails = false;
  const held = clones.hold("/a");
  await held.clone;
  held.sessions += 1;
  await clones.release("/a");
  assert.deepEqual([toys.log, clones.busy("/a"), clones.busy("/b")], [["open"], true, false]);
  held.sessions -= 1;
  const ended = clones.close();
  await new Promise(setImmediate);
  toys.letClose();
  await ended;
});

test("saveReservations() writes all of them or leaves the old ones, and nothing beside", (t) => {
  const folder = mkdtempSync(join(tmpdir(), "reservations-"));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const path = join(folder, "n1.qcow2");
  assert.equal(readReservations(path), undefined);
  saveReservations(path, "one");
  saveReservations(path, "two");
  assert.equal(readReservations(path), "two");
  assert.deepEqual(readdirSync(folder), ["n1.qcow2.reservations"]);
  saveReservations(path, "");
  assert.equal(readReservations(path), undefined, "none is no file");
  saveReservations(path, "three");
  removeReservations(path);
  assert.ok(!existsSync(`${path}.reservations`));
});
