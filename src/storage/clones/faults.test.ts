import assert from "node:assert/strict";
import { test } from "node:test";
import { Die, rounds } from "../testing/die.ts";
import { openClone } from "./clone.ts";
import { HostFile, type HostMode, hostError } from "./host-file.ts";
import { checkQcow2 } from "./testing/check.ts";
import { offsetOf, place, SECTOR, SectorModel } from "./testing/sectors.ts";
import { sectorWorkshop } from "./testing/workshop.ts";

/** Disks of the host that are full or broken, at every single write. */
type Trouble = "ENOSPC" | "EIO";

/** One clock for all files of a clone: counts their writes and syncs, and fails from one on, `for` so many. */
interface Plan {
  count: number;
  failAt: number;
  for: number;
  what: "write" | "sync";
  trouble: Trouble;
}

class SickFile extends HostFile {
  readonly #plan: Plan;
  constructor(path: string, mode: HostMode, plan: Plan) {
    super(path, mode);
    this.#plan = plan;
  }
  #risk(what: Plan["what"]): void {
    if (this.#plan.what !== what) return;
    const n = this.#plan.count++;
    if (n < this.#plan.failAt || n >= this.#plan.failAt + this.#plan.for) return;
    throw hostError(
      Object.assign(new Error("made to fail"), { code: this.#plan.trouble }),
      `${what} ${this.path}`,
    );
  }
  override write(from: Uint8Array, offset: number): void {
    this.#risk("write");
    super.write(from, offset);
  }
  override async sync(what: "contents" | "mapping"): Promise<void> {
    this.#risk("sync");
    await super.sync(what);
  }
}

const codeOf = (error: unknown) => (error as { code?: string }).code;

/** A node's life with trouble in it; every call either is done or says why not. Gives back what was said. */
async function live(path: string, plan: Plan, model: SectorModel, die: Die) {
  const said: string[] = [];
  const attempt = async (act: () => void | Promise<void>) => {
    try {
      await act();
      return true;
    } catch (error) {
      said.push(codeOf(error) ?? String(error));
      return false;
    }
  };
  const options = {
    timer: () => () => undefined,
    hostFile: (at: string, mode: HostMode) => new SickFile(at, mode, plan),
  };
  let clone: Awaited<ReturnType<typeof openClone>>;
  try {
    clone = await openClone(path, options);
  } catch (error) {
    said.push(codeOf(error) ?? String(error));
    return said;
  }
  for (let i = 0; i < 40; i++) {
    const { first, count } = place(die);
    const kind = die.below(10);
    if (kind < 7) {
      const bytes = model.write(first, count);
      if (!(await attempt(() => clone.write(bytes, offsetOf(first))))) model.failed(first, count);
    } else if (kind < 8) {
      model.zero(first, count);
      if (!(await attempt(() => clone.zero(offsetOf(first), count * SECTOR)))) model.failed(first, count);
    } else {
      const ended = model.flushing();
      if (await attempt(() => clone.flush())) ended();
    }
    await attempt(() => clone.endBatch());
    await attempt(() => clone.read(new Uint8Array(SECTOR), offsetOf(first))); // reads go on
  }
  const ended = model.flushing();
  if (await attempt(() => clone.close())) ended();
  return said;
}

/** A failed write is in the model as one that may have happened: in part, but only in its own sectors. */
async function expectHealthy(path: string, model: SectorModel, where: string): Promise<void> {
  assert.deepEqual(checkQcow2(path).corruptions, [], where);
  const clone = await openClone(path, { bootId: "another" });
  assert.deepEqual(await model.judge(clone), { lost: 0, garbage: 0 }, where);
  await clone.write(model.write(0, 8), offsetOf(0));
  await clone.close();
  assert.deepEqual(checkQcow2(path), { corruptions: [], leaks: 0 }, where);
}

async function everyPlace(
  plan: Omit<Plan, "count" | "failAt">,
  step: number,
  expected: string[],
): Promise<void> {
  for (let failAt = 0; ; failAt += step) {
    const folder = await sectorWorkshop();
    try {
      const now: Plan = { ...plan, count: 0, failAt };
      const model = new SectorModel();
      const said = await live(folder.path("c.qcow2"), now, model, new Die(5));
      const where = `${plan.trouble} at ${plan.what} ${failAt}: ${said.join(" ")}`;
      for (const code of said) assert.ok(expected.includes(code), where);
      await expectHealthy(folder.path("c.qcow2"), model, where);
      if (failAt >= now.count) {
        assert.deepEqual(said, [], "a plan that never struck");
        return;
      }
      assert.ok(said.length > 0 || plan.what === "write", `${where}: nobody was told`);
    } finally {
      folder.remove();
    }
  }
}

const step = rounds(7, 1);

test("a full disk for one write: somebody is told DISK_FULL, all else goes on, and nothing flushed is lost", () =>
  everyPlace({ what: "write", trouble: "ENOSPC", for: 1 }, step, ["DISK_FULL"]));
test("a full disk for a while: DISK_FULL until there is space again", () =>
  everyPlace({ what: "write", trouble: "ENOSPC", for: 25 }, step, ["DISK_FULL"]));
test("a broken disk for one write: DISK_IO, and nothing flushed is lost", () =>
  everyPlace({ what: "write", trouble: "EIO", for: 1 }, step, ["DISK_IO"]));
test("a sync that fails once: DISK_IO for good, the clone takes no more writes", () =>
  everyPlace({ what: "sync", trouble: "EIO", for: 1 }, 1, ["DISK_IO"]));
