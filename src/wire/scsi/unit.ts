// One SCSI logical unit, a disk: commands in, orders for the disk and answers out (SAM-5, SPC-4, SBC-3).
import { blocks, lba } from "./cdb.ts";
import { HANDLERS } from "./handlers.ts";
import { Modes } from "./modes.ts";
import { type Access, commandIn, hasActions, MOST_TRANSFER } from "./opcodes.ts";
import { forbids, restored } from "./reservations.ts";
import { encodeSense, SENSE, STATUS } from "./sense.ts";
import {
  attend,
  badField,
  CONFLICT,
  type DiskOrder,
  GOOD,
  type Nexus,
  type Outcome,
  type Result,
  refuse,
  type State,
  type Steps,
  type Task,
  type UnitFacts,
} from "./state.ts";
import { type Open, TaskSet } from "./tasks.ts";

export { answerWithoutUnit } from "./luns.ts";
export type { Result, Task, UnitFacts } from "./state.ts";

/** Orders. `handle` names the open task in the unit. */
export type UnitDo =
  | DiskOrder
  | {
      do: "answer";
      handle: number;
      nexus: string;
      tag: number;
      status: number;
      sense?: Uint8Array;
      dataIn?: Uint8Array;
    };

const [REQUEST_SENSE, INQUIRY, START_STOP, COMPARE_AND_WRITE, REPORT_LUNS] = [0x03, 0x12, 0x1b, 0x89, 0xa0];
/** Beside a reservation a unit may be started, nothing else (SBC-3 table 13). */
const stopAccess = (cdb: Uint8Array): Access => (((cdb[4] as number) & 0xf1) === 1 ? "any" : "write");

const MOST_NEXUSES = 64;
const MOST_OPEN = 4096;
const MOST_OPEN_OF_NEXUS = 1024;

/**
 * How many bytes of data-out this CDB takes, told before the data is gathered. 0: none, an unknown command, or more than a command may
 * carry (begin() then refuses it without looking at its data). `cdb`: 16 bytes or more.
 */
export function dataOutLength(cdb: Uint8Array, blockSize: number): number {
  const length = commandIn(cdb)?.out(cdb, blockSize) ?? 0;
  return length > MOST_TRANSFER ? 0 : length;
}

/**
 * Shared by all sessions that reach the unit. Holds no socket, clock, disk or promise. Every order but `answer` is to be answered with
 * done(), once, also when its task was aborted since: until then what it touches stays touched. `dataOut` is read until begin() returns,
 * and by the edge until a `write` that shows a part of it is done.
 */
export class LogicalUnit {
  readonly #state: State;
  readonly #tasks = new TaskSet();
  #handles = 0;

  #aborted: UnitDo[] = [];

  /** `saved`: what the last `save` order brought, "" if there was none. Throws FORMAT_VALUE where it is damaged. */
  constructor(facts: UnitFacts, saved = "") {
    this.#state = {
      facts,
      blocks: Math.floor(facts.size / facts.blockSize),
      modes: new Modes(),
      nexuses: new Map(),
      reservedBy: undefined,
      stopped: false,
      reservations: restored(saved),
      copies: [],
      abort: (nexuses) => this.#abortOf(nexuses),
    };
  }

  get facts(): UnitFacts {
    return this.#state.facts;
  }

  /** The handle of the task that begin() took last: also of one that waits, and of which there are no orders yet. */
  get begun(): number {
    return this.#handles;
  }

  /** A login. Its first command is told so (SPC-4 5.13: 29h/00h); a stopped unit starts: who boots from it may not know how to. */
  opened(nexus: string): void {
    const { nexuses } = this.#state;
    if (!nexuses.has(nexus) && nexuses.size >= MOST_NEXUSES) return;
    nexuses.set(nexus, { name: nexus, attentions: [SENSE.POWER_ON], open: 0 });
    this.#state.stopped = false;
  }

  /** Logout, lost connection, reinstatement: its tasks are aborted without answers, its RESERVE is released (SPC-2 5.5.1). */
  lost(nexus: string): UnitDo[] {
    for (const open of this.#tasks) if (open.nexus.name === nexus) this.#forget(open);
    this.#state.nexuses.delete(nexus);
    if (this.#state.reservedBy === nexus) this.#state.reservedBy = undefined;
    return this.#go([]);
  }

  begin(task: Task): UnitDo[] {
    const nexus = this.#state.nexuses.get(task.nexus);
    const handle = ++this.#handles;
    if (!nexus) return refused(handle, task, STATUS.BUSY);
    if (this.#tasks.size >= MOST_OPEN || nexus.open >= MOST_OPEN_OF_NEXUS)
      return refused(handle, task, STATUS.TASK_SET_FULL);
    const open = opened(handle, task, nexus);
    this.#tasks.add(open);
    if (this.#tasks.mustWait(open)) {
      this.#tasks.wait(open, task);
      return [];
    }
    const orders: UnitDo[] = [];
    this.#start(open, task, orders);
    return orders;
  }

  /** The disk's answer to an order; for `read` with `last`, that the edge has sent the data and GOOD, unless it is an error. */
  done(handle: number, result: Result): UnitDo[] {
    const open = this.#tasks.get(handle);
    if (!open) return [];
    const orders: UnitDo[] = [];
    const { order } = open;
    open.order = undefined;
    if (open.aborted) this.#finish(open, order, result);
    else if (result.error) this.#end(open, this.#failed(open, order, result.error.code), orders);
    else if (order === "data-in") this.#tasks.end(open);
    else if (open.steps) this.#step(open, open.steps, result, orders);
    else this.#end(open, GOOD, orders);
    return this.#go(orders);
  }

  /** ABORT TASK: was it open? Nothing is answered for it any more. */
  abort(nexus: string, tag: number): boolean {
    for (const open of this.#tasks)
      if (open.tag === tag && open.nexus.name === nexus && !open.aborted) {
        this.#forget(open);
        return true;
      }
    return false;
  }

  /** ABORT TASK SET: the tags of the tasks that were open. */
  abortAll(nexus: string): number[] {
    const tags: number[] = [];
    for (const open of this.#tasks)
      if (open.nexus.name === nexus && !open.aborted) {
        tags.push(open.tag);
        this.#forget(open);
      }
    return tags;
  }

  /**
   * LOGICAL UNIT RESET (SAM-5 6.3.3): all tasks aborted; those of other nexuses than the one that asks end with TASK ABORTED (TAS). RESERVE is
   * released, mode pages are as made, everybody is told (29h/03h), who asked as well: SAM-5 excepts nobody, initiators wait for it.
   */
  reset(asking?: string): UnitDo[] {
    const orders: UnitDo[] = [];
    for (const open of this.#tasks) {
      if (open.nexus.name !== asking && !open.aborted)
        orders.push(this.#answer(open, { status: STATUS.TASK_ABORTED }));
      this.#forget(open);
    }
    this.#state.reservedBy = undefined;
    this.#state.stopped = false;
    attend(this.#state, SENSE.UNIT_RESET);
    return orders;
  }

  /** The disk has grown. */
  resized(size: number): void {
    const { facts } = this.#state;
    this.#state.facts = { ...facts, size };
    this.#state.blocks = Math.floor(size / facts.blockSize);
    attend(this.#state, SENSE.CAPACITY_CHANGED);
  }

  #start(open: Open, task: Task, orders: UnitDo[]): void {
    const { command } = open;
    const refusal = this.#refusal(open, task.cdb);
    const what =
      refusal ?? (command && HANDLERS[command.name])?.(this.#state, task) ?? refuse(SENSE.INVALID_OPCODE);
    if ("status" in what) this.#end(open, what, orders);
    else if ("do" in what) this.#order(open, what, orders);
    else this.#step(open, what, {}, orders);
  }

  /** What stands in a command's way whatever it says: attentions, reservations, what cannot be written. */
  #refusal({ command, nexus: { name: nexus, attentions } }: Open, cdb: Uint8Array): Outcome | undefined {
    const state = this.#state;
    const opcode = cdb[0] as number;
    if (attentions.length > 0 && opcode !== INQUIRY && opcode !== REPORT_LUNS && opcode !== REQUEST_SENSE)
      return refuse(attentions.shift() as number);
    if (!command) return hasActions(opcode) ? badField(1) : refuse(SENSE.INVALID_OPCODE);
    if (state.reservedBy !== undefined && state.reservedBy !== nexus && command.access !== "legacy")
      return CONFLICT;
    if (forbids(state.reservations, nexus, opcode === START_STOP ? stopAccess(cdb) : command.access))
      return CONFLICT;
    if (command.writes && state.facts.readOnly) return refuse(SENSE.WRITE_PROTECTED);
    if (command.writes && state.modes.softwareProtected) return refuse(SENSE.SOFTWARE_WRITE_PROTECTED);
    const moves = command.touch === "range" || command.touch === "alone" || command.touch === "all";
    if (state.stopped && (moves || command.name === "TEST UNIT READY"))
      return refuse(SENSE.NOT_READY_STOPPED);
    return undefined;
  }

  #step(open: Open, steps: Steps, result: Result, orders: UnitDo[]): void {
    open.steps = steps;
    const next = steps.next(result);
    if (next.done) this.#end(open, next.value, orders);
    else this.#order(open, next.value, orders);
    orders.push(...this.#aborted.splice(0));
  }

  #order(open: Open, order: DiskOrder, orders: UnitDo[]): void {
    order.handle = open.handle;
    open.order =
      order.do === "read"
        ? order.last
          ? "data-in"
          : "read"
        : order.do === "write" || order.do === "save"
          ? order.do
          : "other";
    orders.push(order);
  }

  /** What an error of the disk is called: a full store (SBC-3 4.7.3.6), one that may not be written, a broken one. */
  #failed({ from, to }: Open, order: Open["order"], code: string): Outcome {
    if (order === "save") return refuse(SENSE.TARGET_FAILURE);
    if (code === "DISK_FULL") return refuse(SENSE.SPACE_FAILED);
    if (code === "DISK_READ_ONLY") return refuse(SENSE.WRITE_PROTECTED);
    const reading = order === "read" || order === "data-in";
    const outcome = refuse(reading ? SENSE.READ_ERROR : SENSE.WRITE_ERROR);
    // Which LBA is bad is known only where there is but one.
    if (to - from === 1 && outcome.sense) outcome.sense.information = from;
    return outcome;
  }

  #end(open: Open, outcome: Outcome, orders: UnitDo[]): void {
    this.#tasks.end(open);
    orders.push(this.#answer(open, outcome));
  }

  #answer({ handle, nexus: { name: nexus }, tag }: Open, { status, sense, dataIn }: Outcome): UnitDo {
    if (sense) {
      const encoded = encodeSense(sense, this.#state.modes.descriptorSense);
      return { do: "answer", handle, nexus, tag, status, sense: encoded };
    }
    return dataIn
      ? { do: "answer", handle, nexus, tag, status, dataIn }
      : { do: "answer", handle, nexus, tag, status };
  }

  /** Ends a task without an answer. What the disk does for it now goes on until done(). */
  #forget(open: Open): void {
    open.aborted = true;
    if (open.order === undefined) this.#tasks.end(open);
  }

  /** An aborted task, when the disk has ended. What was saved is true from now on, whoever hears of it. */
  #finish(open: Open, order: Open["order"], result: Result): void {
    this.#tasks.end(open);
    if (order === "save" && !result.error) open.steps?.next(result);
  }

  /** PREEMPT AND ABORT: those tasks end with TASK ABORTED (TAS). */
  #abortOf(nexuses: readonly string[]): void {
    for (const open of this.#tasks)
      if (nexuses.includes(open.nexus.name) && !open.aborted) {
        this.#aborted.push(this.#answer(open, { status: STATUS.TASK_ABORTED }));
        this.#forget(open);
      }
  }

  /** Starts what waited for a task that has ended. */
  #go(orders: UnitDo[]): UnitDo[] {
    for (let next = this.#tasks.ready(); next; next = this.#tasks.ready())
      this.#start(next.open, next.task, orders);
    return orders;
  }
}

const refused = (handle: number, { nexus, tag }: Task, status: number): UnitDo[] => [
  { do: "answer", handle, nexus, tag, status },
];

function opened(handle: number, { tag, cdb, attribute }: Task, nexus: Nexus): Open {
  const command = commandIn(cdb);
  const touch = command?.touch;
  let [from, to] = [0, 0];
  if (touch === "range" || touch === "alone") {
    from = lba(cdb);
    to = from + (cdb[0] === COMPARE_AND_WRITE ? (cdb[13] as number) : blocks(cdb));
  } else if (touch === "all") to = Number.POSITIVE_INFINITY;
  else if (touch === "reservations") from = -1;
  const alone = touch === "alone" || touch === "reservations";
  return {
    handle,
    nexus,
    command,
    tag,
    from,
    to,
    alone,
    attribute,
    waiting: undefined,
    aborted: false,
    order: undefined,
    steps: undefined,
  };
}
