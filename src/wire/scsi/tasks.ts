// The tasks that are open in a unit, oldest first: who must wait for whom (SAM-5 8).
import type { Command } from "./opcodes.ts";
import type { Nexus, Steps, Task } from "./state.ts";

export interface Open {
  readonly handle: number;
  readonly nexus: Nexus;
  /** Undefined: we do not know it. */
  readonly command: Command | undefined;
  readonly tag: number;
  /** LBAs that it touches: from..to; none where both are 0. Negative ones stand for the reservations. */
  readonly from: number;
  readonly to: number;
  /** No task that touches the same may run beside it. */
  readonly alone: boolean;
  readonly attribute: Task["attribute"];
  /** The task as long as it waits: a copy. */
  waiting: Task | undefined;
  /** Nothing is answered any more; it stays while the disk still works for it. */
  aborted: boolean;
  /** What the disk does for it now. */
  order: "read" | "data-in" | "write" | "other" | "save" | undefined;
  steps: Steps | undefined;
}

const meet = (a: Open, b: Open): boolean => (a.alone || b.alone) && a.from < b.to && b.from < a.to;

const isFence = ({ alone, attribute }: Open): boolean =>
  alone || attribute === "ordered" || attribute === "head";

export class TaskSet {
  readonly #open = new Map<number, Open>(); // by handle, which counts up
  #fences = 0; // open tasks that others may have to wait for
  #waiting = 0;

  get size(): number {
    return this.#open.size;
  }
  get(handle: number): Open | undefined {
    return this.#open.get(handle);
  }
  [Symbol.iterator](): Iterator<Open> {
    return this.#open.values();
  }

  add(open: Open): void {
    this.#open.set(open.handle, open);
    open.nexus.open += 1;
    if (isFence(open)) this.#fences++;
  }

  end(open: Open): void {
    if (!this.#open.delete(open.handle)) return;
    open.nexus.open -= 1;
    if (isFence(open)) this.#fences--;
    if (open.waiting) this.#waiting--;
  }

  /**
   * Must it wait? Asked of a task that is in the set. Simple and ordered ones wait for every head of queue and for older ordered ones, ordered
   * ones for all that are older (SAM-5 8.6).
   */
  mustWait(open: Open): boolean {
    if (this.#fences === 0) return false;
    for (const other of this.#open.values()) {
      if (other === open) continue;
      const older = other.handle < open.handle;
      if ((older || !other.waiting) && meet(open, other) && !(open.attribute === "head" && other.waiting))
        return true;
      if (open.attribute === "head") continue;
      if (other.attribute === "head") return true;
      if (older && (open.attribute === "ordered" || other.attribute === "ordered")) return true;
    }
    return false;
  }

  wait(open: Open, task: Task): void {
    // What was handed over is the caller's again: copies.
    open.waiting = { ...task, cdb: task.cdb.slice(), dataOut: task.dataOut.slice() };
    this.#waiting++;
  }

  /** The oldest task that need not wait any more, with its task: it counts as running from now on. */
  ready(): { open: Open; task: Task } | undefined {
    if (this.#waiting === 0) return undefined;
    let barred = false; // behind an ordered task that waits: nobody but head of queue
    for (const open of this.#open.values()) {
      const task = open.waiting;
      if (!task || (barred && open.attribute !== "head")) continue;
      if (this.mustWait(open)) {
        if (open.attribute === "ordered") barred = true;
        continue;
      }
      open.waiting = undefined;
      this.#waiting--;
      return { open, task };
    }
    return undefined;
  }
}
