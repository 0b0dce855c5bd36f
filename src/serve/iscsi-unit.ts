import type { Disk } from "../base/disk.ts";
import type { Command } from "../wire/iscsi/command.ts";
import type { LogicalUnit, Result, UnitDo } from "../wire/scsi/unit.ts";

export interface Lun {
  unit: LogicalUnit;
  disk: Disk;
  /** Makes persistent reservations durable (APTPL). */
  save?(reservations: string): Promise<void>;
}

/** The half of a session that a unit's orders need. */
export interface Asker {
  readonly nexus: string;
  /** Reads so many bytes into what leaves, with GOOD behind them. Nothing: done. */
  dataIn(command: Command, disk: Disk, offset: number, length: number): void | Promise<void>;
  answer(command: Command, answer: UnitDo & { do: "answer" }): void;
  /** A change of this disk is about to be acknowledged. */
  changed(disk: Disk): void;
  failed(error: unknown): void;
  /** Something came later than in the call that asked for it. */
  later(): void;
}

interface Open {
  asker: Asker;
  command: Command;
}

const DONE: Result = {};

/** One logical unit with its disk: does what the unit orders, for all sessions that reach it. What the disk has at once costs no promise. */
export class RunningUnit {
  readonly unit: LogicalUnit;
  readonly #lun: Lun;
  readonly #open = new Map<number, Open>(); // tasks that are not done when begin() returns
  readonly #todo: UnitDo[] = [];
  #obeying = false;
  #now: { handle: number; open: Open } | undefined;
  readonly #settling: { left: Set<Command>; settled: () => void }[] = [];

  constructor(lun: Lun) {
    this.#lun = lun;
    this.unit = lun.unit;
  }

  /** @returns is it still open: waits, or the disk works for it? */
  begin(asker: Asker, command: Command): boolean {
    const { unit } = this;
    const { tag, cdb, dataOut, attribute } = command;
    const orders = unit.begin({ tag, nexus: asker.nexus, cdb, dataOut, attribute });
    const handle = unit.begun;
    const outer = this.#now;
    this.#now = { handle, open: { asker, command } };
    command.handle = handle;
    this.obey(orders);
    this.#now = outer;
    if (command.state === "over") return false;
    this.#open.set(handle, { asker, command });
    return true;
  }

  /** Ends a task without an answer; what the disk does for it goes on. */
  abort(asker: Asker, command: Command): void {
    this.unit.abort(asker.nexus, command.tag);
    this.forget(command);
  }
  forget(command: Command): void {
    if (command.working === 0) this.#open.delete(command.handle);
  }

  obey(orders: UnitDo[]): void {
    if (orders.length === 0) return;
    if (this.#obeying) {
      this.#todo.push(...orders);
      return;
    }
    this.#obeying = true;
    try {
      for (const order of orders) this.#perform(order);
      for (let order = this.#todo.shift(); order; order = this.#todo.shift()) this.#perform(order);
    } finally {
      this.#obeying = false;
    }
  }

  /** When the disk does nothing any more for these commands, which are over. */
  settled(commands: Iterable<Command>): Promise<void> | undefined {
    const left = new Set<Command>();
    for (const command of commands) if (command.working > 0) left.add(command);
    if (left.size === 0) return undefined;
    return new Promise((settled) => this.#settling.push({ left, settled }));
  }

  #perform(order: UnitDo): void {
    const now = this.#now;
    const open = now && order.handle === now.handle ? now.open : this.#open.get(order.handle);
    if (order.do === "answer") {
      this.#open.delete(order.handle);
      if (!open) return;
      open.asker.answer(open.command, order);
      if (open !== now?.open) open.asker.later(); // nobody else tells it
      return;
    }
    let result: WorkResult;
    try {
      result = open && this.#work(this.#lun.disk, order, open);
    } catch (error) {
      result = fault(open, error);
    }
    if (result instanceof Promise) this.#await(order, result, open);
    else this.#done(order, open, result ?? DONE);
  }

  /** Nothing or a result: done. */
  #work(disk: Disk, order: Exclude<UnitDo, { do: "answer" }>, open: Open): WorkResult {
    switch (order.do) {
      case "read": {
        if (order.last) return plain(open.asker.dataIn(open.command, disk, order.offset, order.length));
        const bytes = new Uint8Array(order.length);
        const result = disk.read(bytes, order.offset);
        return result ? result.then(() => ({ bytes })) : { bytes };
      }
      case "write": {
        const result = disk.write(order.bytes, order.offset);
        if (!order.flush) return plain(result);
        return result ? result.then(() => disk.flush()) : plain(disk.flush());
      }
      case "zero":
        return plain(disk.zero(order.offset, order.length, order.keep));
      case "trim":
        return plain(disk.trim(order.offset, order.length));
      case "flush":
        return plain(disk.flush());
      case "status": {
        const extents = disk.status(order.offset, order.length);
        return extents instanceof Promise ? extents.then((e) => ({ extents: e })) : { extents };
      }
      case "save":
        return plain(this.#lun.save?.(order.reservations));
    }
  }

  #await(order: UnitDo, result: Promise<unknown>, open: Open | undefined): void {
    if (open) {
      open.command.working += 1;
      this.#open.set(order.handle, open);
    }
    const after = (answer: Result) => {
      if (open) open.command.working -= 1;
      this.#done(order, open, answer);
      if (open) this.#ended(open);
    };
    result.then(
      (answer) => after((answer as Result | undefined) ?? DONE),
      (error: unknown) => after(fault(open, error)),
    );
  }

  #done(order: UnitDo, open: Open | undefined, result: Result): void {
    // A change is acknowledged in the batch in which its answer leaves, not in that in which it was begun.
    if (open && order.do !== "read" && order.do !== "status") open.asker.changed(this.#lun.disk);
    const orders = this.unit.done(order.handle, result);
    if (open?.command.state === "over") this.#open.delete(order.handle);
    this.obey(orders);
  }

  #ended({ asker, command }: Open): void {
    for (const waiting of [...this.#settling]) {
      if (!waiting.left.has(command) || command.working > 0) continue;
      waiting.left.delete(command);
      if (waiting.left.size > 0) continue;
      this.#settling.splice(this.#settling.indexOf(waiting), 1);
      waiting.settled();
    }
    asker.later();
  }
}

/** Undefined: done, and there is nothing to tell. */
type WorkResult = Result | undefined | Promise<unknown>;
const plain = (result: ReturnType<Disk["flush"]>): WorkResult =>
  result instanceof Promise ? result : undefined;

function fault(open: Open | undefined, error: unknown): Result {
  open?.asker.failed(error);
  const code = error instanceof Error && "code" in error ? String(error.code) : "DISK_IO";
  return { error: { code } };
}
