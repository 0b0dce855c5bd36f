// Who answers which call: programs, versions, handles, exports, repeats. What a procedure does stands in src/wire/nfs.
import { MOUNT_PROGRAM } from "../wire/mount/mount.ts";
import { type Handle, isOf, readHandle } from "../wire/nfs/handle.ts";
import { PROGRAM, refuseBare, VERSION } from "../wire/nfs/procedure.ts";
import { type AnyProcedure, PROCEDURES } from "../wire/nfs/procedures.ts";
import { STATUS, type StatusCode } from "../wire/nfs/status.ts";
import type { AcceptStatus } from "../wire/rpc/message.ts";
import { ACCEPT, writeAccepted, writeDenied, writeMismatch } from "../wire/rpc/message.ts";
import { XdrReader, XdrWriter } from "../wire/xdr.ts";
import type { NfsExport, NfsOptions } from "./nfs.ts";
import { type Line, say, type Tell } from "./nfs-line.ts";
import { MountDesk } from "./nfs-mount.ts";
import { repeatKey } from "./nfs-repeats.ts";
import { statusOf } from "./nfs-status.ts";
import { Work } from "./nfs-work.ts";

type Options = Pick<NfsOptions, "mount" | "unmounted" | "treeOf">;

/** Answers the calls of all lines of a server. */
export class Desk {
  readonly #options: Options;
  readonly #tell: Tell;
  readonly #mounts: MountDesk;
  readonly #reader = new XdrReader();
  readonly #writer = new XdrWriter();
  readonly #work: Work;

  constructor(options: Options, verifier: Uint8Array, tell: Tell) {
    this.#options = options;
    this.#tell = tell;
    this.#mounts = new MountDesk(options, tell);
    this.#work = new Work(verifier, (line, error, name) => this.#failed(line, error, name));
  }

  /**
   * Does the call that lies in these bytes, which are only borrowed; its reply comes into one of the line's outboxes, now or later.
   * Throws where it is no call: then nobody can be answered.
   */
  answer(line: Line, bytes: Uint8Array, from: number, to: number): void {
    const { head } = line;
    const r = this.#reader.over(bytes, from, to);
    const denial = head.read(r);
    if (denial !== undefined) this.#say(line, (w) => writeDenied(w, head.xid, denial));
    else if (head.program === PROGRAM) this.#nfs(line, r, { bytes, from, to });
    else if (head.program === MOUNT_PROGRAM) this.#mounts.answer(line, r);
    else this.#accept(line, ACCEPT.programUnavailable); // NFSACL (100227) too: clients then know that there are no ACLs
  }

  /** Resolves when no call is in the tree of this export; undefined: of any. */
  idle(exportNumber?: number): Promise<void> {
    return this.#work.idle(exportNumber);
  }

  #nfs(line: Line, r: XdrReader, record: { bytes: Uint8Array; from: number; to: number }): void {
    const { head, client } = line;
    if (head.version !== VERSION) {
      this.#say(line, (w) => writeMismatch(w, head.xid, VERSION));
      return;
    }
    if (head.procedure === 0) {
      this.#accept(line, ACCEPT.success);
      return;
    }
    const procedure = PROCEDURES[head.procedure];
    if (!procedure) {
      this.#accept(line, ACCEPT.procedureUnavailable);
      return;
    }
    const from = r.at;
    let handle: Handle | undefined;
    let args: unknown;
    try {
      handle = readHandle(r);
      args = procedure.decode(r);
    } catch {
      this.#accept(line, ACCEPT.garbageArguments);
      return;
    }
    if (!handle) {
      this.#tell({ kind: "denied", client, why: "a file handle that is none of ours" });
      this.#refuse(line, procedure, STATUS.BADHANDLE);
      return;
    }
    const exported = this.#find(line, handle);
    if (exported instanceof Promise) {
      this.#later(line, record, exported);
      return;
    }
    this.#withExport(line, procedure, { handle, args, from, record }, exported);
  }

  #find(line: Line, handle: Handle): ReturnType<NfsOptions["treeOf"]> {
    try {
      return this.#options.treeOf(handle.export, line.client);
    } catch (error) {
      return this.#failed(line, error);
    }
  }
  /** The same when the export's tree had to be fetched first: the call is kept, and read again. */
  #later(
    line: Line,
    { bytes, from, to }: { bytes: Uint8Array; from: number; to: number },
    soon: Promise<NfsExport | StatusCode>,
  ): void {
    const kept = bytes.slice(from, to);
    line.begun(kept.length);
    soon
      .catch((error) => this.#failed(line, error))
      .then((exported) => {
        if (!line.gone) {
          const r = this.#reader.over(kept);
          line.head.read(r);
          const procedure = PROCEDURES[line.head.procedure] as AnyProcedure;
          const at = r.at;
          const handle = readHandle(r) as Handle;
          const record = { bytes: kept, from: 0, to: kept.length };
          this.#withExport(
            line,
            procedure,
            { handle, args: procedure.decode(r), from: at, record },
            exported,
          );
        }
        line.ended(kept.length);
      });
  }

  #withExport(
    line: Line,
    procedure: AnyProcedure,
    asked: {
      handle: Handle;
      args: unknown;
      from: number;
      record: { bytes: Uint8Array; to: number };
    },
    exported: NfsExport | StatusCode,
  ): void {
    const { client } = line;
    const { handle } = asked;
    if (typeof exported === "number") {
      this.#tell({ kind: "denied", client, exportNumber: handle.export, why: "not its export" });
      this.#refuse(line, procedure, exported);
      return;
    }
    if (!isOf(handle, exported.handles)) {
      const old = handle.generation !== exported.handles.generation;
      const why = old ? "a file handle of before" : "a file handle that nobody gave out";
      this.#tell({ kind: "denied", client, export: exported.name, why });
      this.#refuse(line, procedure, STATUS.STALE);
      return;
    }
    line.used(exported);
    if (client.transport === "udp" && procedure.effect !== "looks") {
      this.#refuse(line, procedure, STATUS.ROFS);
      return;
    }
    const { record, from } = asked;
    let key: string | undefined;
    if (procedure.effect === "once") {
      key = repeatKey(handle.export, line, { bytes: record.bytes, from, to: record.to });
      if (this.#work.again(line, exported, key)) return;
    }
    this.#work.perform(line, procedure, exported, { ino: handle.ino, args: asked.args, key });
  }

  #failed({ client }: Line, error: unknown, name?: string): StatusCode {
    const why = error instanceof Error ? error.message : String(error);
    this.#tell({ kind: "error", client, why, ...(name !== undefined && { export: name }) });
    return statusOf(error);
  }

  #refuse(line: Line, procedure: AnyProcedure, status: StatusCode): void {
    this.#say(line, (w) => {
      writeAccepted(w, line.head.xid, ACCEPT.success);
      refuseBare(w, procedure.refusal, status);
    });
  }
  #accept(line: Line, status: AcceptStatus): void {
    this.#say(line, (w) => writeAccepted(w, line.head.xid, status));
  }
  #say(line: Line, write: (w: XdrWriter) => void): void {
    say(line, this.#writer, write);
  }
}
