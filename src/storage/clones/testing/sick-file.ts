import { HostFile, type HostMode, hostError } from "../host-file.ts";

/** Disks of the host that are full or broken, at every single write. */
export type Trouble = "ENOSPC" | "EIO";

/** One clock for all files of a clone: counts their writes and syncs, and fails from one on, `for` so many. */
export interface Plan {
  count: number;
  failAt: number;
  for: number;
  what: "write" | "sync";
  trouble: Trouble;
}

export class SickFile extends HostFile {
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
  override async writeApart(from: Uint8Array, offset: number): Promise<void> {
    this.#risk("write");
    await super.writeApart(from, offset);
  }
  override async sync(what: "contents" | "mapping"): Promise<void> {
    this.#risk("sync");
    await super.sync(what);
  }
}
