import type { Disk } from "../base/disk.ts";
import type { Command } from "../wire/iscsi/command.ts";
import { FUNCTION, MANAGED } from "../wire/iscsi/pdu.ts";
import type { Order, Session } from "../wire/iscsi/session.ts";
import { answerWithoutUnit, type UnitDo } from "../wire/scsi/unit.ts";
import { sendData } from "./iscsi-data-in.ts";
import type { Asker, RunningUnit } from "./iscsi-unit.ts";
import type { Outbox } from "./outbox.ts";

/** What the work of a session says to its connection. */
export interface WorkEvents {
  /** Answers that came later than their commands lie in the outbox. */
  replied(): void;
  failed(error: unknown): void;
  /** A cold reset: every connection to the target is to be ended (RFC 7143 11.5.1), this one's after its answer. */
  cold(): void;
  /** Orders of the session, which came later. */
  act(orders: readonly Order[]): void;
  /** Is it the receive buffer's memory? */
  lent(bytes: Uint8Array): boolean;
  /** The receive buffer is in use from now on: no more may be received into it. */
  keeps(): void;
}

const REPORT_LUNS = 0xa0;

/** Performs one session's commands on its units and writes the answers into the outbox. */
export class Work implements Asker {
  readonly nexus: string;
  readonly #session: Session;
  readonly #outbox: Outbox;
  readonly #units: ReadonlyMap<number, RunningUnit>;
  readonly #events: WorkEvents;
  readonly #aborted = new Set<Command>(); // the disk still works for them
  readonly #changed = new Set<Disk>();
  #copies = false; // did the last data-out stay in use?
  #answers = 0; // in the outbox
  #cost = 0;
  #ended = false;

  constructor(what: {
    nexus: string;
    session: Session;
    outbox: Outbox;
    units: ReadonlyMap<number, RunningUnit>;
    events: WorkEvents;
  }) {
    this.nexus = what.nexus;
    this.#session = what.session;
    this.#outbox = what.outbox;
    this.#units = what.units;
    this.#events = what.events;
    for (const { unit } of what.units.values()) unit.opened(what.nexus);
  }

  perform(command: Command): void {
    const unit = command.cdb[0] === REPORT_LUNS ? undefined : this.#units.get(command.lun);
    if (!unit) {
      const { tag, cdb, dataOut, attribute } = command;
      const task = { tag, nexus: this.nexus, cdb, dataOut, attribute };
      const luns = [...this.#units.keys()].sort((a, b) => a - b);
      this.answer(command, answerWithoutUnit(task, luns));
      return;
    }
    const lent = command.dataOut.length > 0 && this.#events.lent(command.dataOut);
    const copied = lent && this.#copies;
    if (copied) command.dataOut = command.dataOut.slice();
    const open = unit.begin(this, command);
    if (lent) {
      if (open && !copied) this.#events.keeps();
      this.#copies = open;
    }
  }

  dataIn(command: Command, disk: Disk, offset: number, length: number): void | Promise<void> {
    if (command.state === "over") return;
    const moved = length;
    if (!command.reads || command.expected === 0 || length === 0) {
      this.#respond(command, 0, undefined, moved);
      return;
    }
    const over = () => this.#over(command);
    const what = { session: this.#session, outbox: this.#outbox, command, moved, over };
    return sendData(what, (into, at) => disk.read(into, offset + at));
  }

  answer(command: Command, answer: Pick<UnitDo & { do: "answer" }, "status" | "sense" | "dataIn">): void {
    if (command.state === "over" || this.#ended) return;
    const { status, sense, dataIn } = answer;
    if (dataIn && status === 0 && command.reads && command.expected > 0 && dataIn.length > 0) {
      const over = () => this.#over(command);
      const what = { session: this.#session, outbox: this.#outbox, command, moved: dataIn.length, over };
      void sendData(what, (into, at) => into.set(dataIn.subarray(at, at + into.length)));
      return;
    }
    this.#respond(command, status, sense, dataIn?.length ?? command.takes);
  }

  changed(disk: Disk): void {
    this.#changed.add(disk);
  }
  failed(error: unknown): void {
    this.#events.failed(error);
  }
  later(): void {
    for (const command of this.#aborted) {
      if (command.working > 0) continue;
      this.#aborted.delete(command);
      if (!this.#ended) this.#session.left(1, command.cost);
    }
    this.#events.replied();
  }

  /** Makes changes that are about to be acknowledged safe from a crash of this process; then tells what is in the outbox. */
  endBatch(): { answers: number; cost: number } {
    for (const disk of this.#changed) disk.endBatch?.();
    this.#changed.clear();
    const batch = { answers: this.#answers, cost: this.#cost };
    this.#answers = this.#cost = 0;
    return batch;
  }

  /** Task management (11.5): the answer comes when the disk does nothing any more for what was aborted. */
  manage({ tag, function: what, lun, task }: Order & { do: "manage" }): void {
    const mine = [...this.#session.open];
    if (what === FUNCTION.ABORT_TASK) {
      const command = mine.find((c) => c.tag === task);
      if (command) this.#finish(tag, [command]);
      else this.#managed(tag, MANAGED.NO_TASK);
    } else if (what === FUNCTION.ABORT_TASK_SET || what === FUNCTION.CLEAR_TASK_SET) {
      if (!this.#units.has(lun)) this.#managed(tag, MANAGED.NO_LUN);
      else
        this.#finish(
          tag,
          mine.filter((c) => c.lun === lun),
        );
    } else if (what === FUNCTION.LUN_RESET || what === FUNCTION.WARM_RESET || what === FUNCTION.COLD_RESET) {
      const reset = what === FUNCTION.LUN_RESET ? [lun] : [...this.#units.keys()];
      const units = reset.map((one) => this.#units.get(one));
      if (units.some((unit) => unit === undefined)) {
        this.#managed(tag, MANAGED.NO_LUN);
        return;
      }
      const ended = mine.filter((c) => reset.includes(c.lun));
      for (const command of ended) this.#abort(command);
      for (const unit of units) unit?.obey(unit.unit.reset(this.nexus));
      this.#finish(tag, ended, what === FUNCTION.COLD_RESET);
    } else this.#managed(tag, what === FUNCTION.REASSIGN ? MANAGED.NO_REASSIGN : MANAGED.UNSUPPORTED);
  }

  /** Aborts everything; tells when nothing of it touches the disks any more. */
  async abortAll(): Promise<void> {
    for (const command of [...this.#session.open]) this.#abort(command);
    await this.#settled(this.#aborted);
  }

  /** The connection is gone: nothing is answered any more. Ends when nothing of it touches the disks. */
  async end(): Promise<void> {
    this.#ended = true;
    const settled = this.abortAll();
    for (const unit of this.#units.values()) unit.obey(unit.unit.lost(this.nexus));
    await settled;
  }

  #finish(tag: number, commands: Command[], cold = false): void {
    for (const command of commands) this.#abort(command);
    const complete = () => {
      if (this.#ended) return;
      this.#managed(tag, MANAGED.COMPLETE);
      if (cold) this.#events.cold();
      this.#events.replied();
    };
    const settled = this.#settled(commands);
    if (settled) void settled.then(complete);
    else complete();
  }
  #managed(tag: number, response: number): void {
    this.#events.act(this.#session.managed(tag, response));
  }

  #abort(command: Command): void {
    if (command.state === "over") return;
    const begun = command.state === "begun";
    const cost = this.#session.close(command);
    if (begun) this.#units.get(command.lun)?.abort(this, command);
    if (command.working > 0) this.#aborted.add(command);
    else if (cost > 0) this.#session.left(1, cost);
  }

  #settled(commands: Iterable<Command>): Promise<unknown> | undefined {
    const waits = [...this.#units.values()].flatMap((unit) => unit.settled(commands) ?? []);
    return waits.length > 0 ? Promise.all(waits) : undefined;
  }

  #respond(command: Command, status: number, sense: Uint8Array | undefined, moved: number): void {
    this.#over(command);
    const { sender } = this.#session;
    const { slab, at } = this.#outbox.room(sender.responseLength(sense));
    sender.putResponse(slab, at, command, { status, sense, moved });
  }
  /** It leaves the window with the next number that is sent; what it costs is free when its answer has left. */
  #over(command: Command): void {
    const cost = this.#session.close(command);
    if (cost === 0) return;
    this.#answers += 1;
    this.#cost += cost;
  }
}
