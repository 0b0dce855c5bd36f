// Who answers which call: programs, versions, handles, exports, repeats. What a procedure does stands in src/wire/nfs.

import { MOUNT_PROGRAM } from "../wire/mount/mount.ts";
import { type Handle, isOf, readHandle } from "../wire/nfs/handle.ts";
import { PROGRAM, refuseBare, type Scene, VERSION } from "../wire/nfs/procedure.ts";
import { type AnyProcedure, PROCEDURES } from "../wire/nfs/procedures.ts";
import { STATUS, type StatusCode } from "../wire/nfs/status.ts";
import type { NfsTree } from "../wire/nfs/tree.ts";
import type { AcceptStatus } from "../wire/rpc/message.ts";
import { ACCEPT, REPLY_HEAD, seal, writeAccepted, writeDenied, writeMismatch } from "../wire/rpc/message.ts";
import { XdrReader, XdrWriter } from "../wire/xdr.ts";
import type { NfsExport, NfsOptions } from "./nfs.ts";
import { type Line, say, type Tell } from "./nfs-line.ts";
import { MountDesk } from "./nfs-mount.ts";
import { repeatKey, UnderWay } from "./nfs-repeats.ts";
import { statusOf } from "./nfs-status.ts";

type Options = Pick<NfsOptions, "mount" | "unmounted" | "treeOf">;

/** A call that the desk knows everything about. */
interface Call {
  line: Line;
  procedure: AnyProcedure;
  exported: NfsExport;
  scene: Scene;
  /** Where its reply begins, record mark first. */
  at: number;
  xid: number;
  /** Of one that must not be done twice. */
  key: string | undefined;
}

/** Answers the calls of all lines of a server. */
export class Desk {
  readonly #options: Options;
  readonly #verifier: Uint8Array;
  readonly #tell: Tell;
  readonly #mounts: MountDesk;
  readonly #reader = new XdrReader();
  #writer = new XdrWriter();
  readonly #underWay = new UnderWay();
  readonly #inTree = new Map<number, number>(); // calls that go on, by export
  #quiet: (() => void)[] = [];

  constructor(options: Options, verifier: Uint8Array, tell: Tell) {
    this.#options = options;
    this.#verifier = verifier;
    this.#tell = tell;
    this.#mounts = new MountDesk(options, tell);
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
  async idle(exportNumber?: number): Promise<void> {
    const busy = () =>
      exportNumber === undefined ? this.#inTree.size > 0 : (this.#inTree.get(exportNumber) ?? 0) > 0;
    while (busy()) await new Promise<void>((resolve) => this.#quiet.push(resolve));
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
    const { client, head } = line;
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
      const before = exported.tree.recall(key);
      if (before) {
        this.#repeat(line, exported.tree, head.xid, before);
        return;
      }
      if (this.#underWay.join(key, line)) return;
    }
    this.#perform(line, procedure, exported, { ino: handle.ino, args: asked.args, key });
  }

  #perform(
    line: Line,
    procedure: AnyProcedure,
    exported: NfsExport,
    { ino, args, key }: { ino: number; args: unknown; key: string | undefined },
  ): void {
    const { xid, who } = line.head;
    const held = procedure.effect !== "looks";
    const outbox = held ? line.held : line.now;
    const { slab, at } = outbox.room(REPLY_HEAD + procedure.room(args));
    const w = this.#writer.into(slab.bytes, at, slab.view);
    writeAccepted(w, xid, ACCEPT.success);
    const { tree, handles } = exported;
    const scene = { tree, handles, ino, who, verifier: this.#verifier, start: w.at, lasting: held };
    const call = { line, procedure, exported, scene, at, xid, key };
    let wait: undefined | Promise<void>;
    try {
      wait = procedure.answer(w, scene, args) ?? undefined;
    } catch (error) {
      this.#fail(w, call, error);
    }
    if (wait) {
      this.#goOn(call, wait, REPLY_HEAD + procedure.room(args));
      return;
    }
    this.#finish(w, call);
    outbox.rewind(w.at);
  }

  /** Something cold: the reply's place and its writer stay with the call, the line goes on. */
  #goOn(call: Call, wait: Promise<void>, bytes: number): void {
    const { line, exported, key } = call;
    const w = this.#writer;
    this.#writer = new XdrWriter();
    const outbox = call.procedure.effect === "looks" ? line.now : line.held;
    const piece = outbox.detach(call.at);
    const number = exported.handles.export;
    this.#inTree.set(number, (this.#inTree.get(number) ?? 0) + 1);
    if (key !== undefined) this.#underWay.begin(key);
    line.begun(bytes);
    wait
      .catch((error) => this.#fail(w, call, error))
      .then(() => {
        this.#finish(w, call);
        piece.to = w.at;
        if (key !== undefined) this.#share(w, call, key);
        if (line.gone) outbox.free([piece]);
        else outbox.attach(piece);
        this.#leave(number);
        line.ended(bytes);
      });
  }
  #leave(exportNumber: number): void {
    const left = (this.#inTree.get(exportNumber) ?? 1) - 1;
    if (left > 0) this.#inTree.set(exportNumber, left);
    else this.#inTree.delete(exportNumber);
    const quiet = this.#quiet;
    this.#quiet = [];
    for (const look of quiet) look();
  }

  /** The reply is written: what it promises goes into the tree's batch, with what a repeat of it will get. */
  #finish(w: XdrWriter, call: Call): void {
    const { line, scene, at, key } = call;
    if (scene.lasting) {
      try {
        if (key !== undefined) scene.tree.remember(key, w.bytes.subarray(scene.start, w.at));
        line.unsettled(scene.tree);
      } catch (error) {
        this.#fail(w, call, error);
      }
    }
    seal(w, at);
  }
  /** Others who asked the same meanwhile. */
  #share(w: XdrWriter, { scene, xid }: Call, key: string): void {
    const results = w.bytes.slice(scene.start, w.at);
    for (const other of this.#underWay.end(key)) {
      if (!other.gone) this.#repeat(other, scene.lasting ? scene.tree : undefined, xid, results);
      other.ended(0);
    }
  }
  #repeat(line: Line, tree: NfsTree | undefined, xid: number, results: Uint8Array): void {
    const { slab, at } = line.held.room(REPLY_HEAD + results.length);
    const w = new XdrWriter().into(slab.bytes, at, slab.view);
    writeAccepted(w, xid, ACCEPT.success);
    w.fixed(results);
    seal(w, at);
    if (tree) line.unsettled(tree); // it may not be lasting yet
  }

  #fail(w: XdrWriter, { line, procedure, scene, exported }: Call, error: unknown): void {
    w.at = scene.start;
    scene.lasting = false;
    refuseBare(w, procedure.refusal, this.#failed(line, error, exported.name));
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
