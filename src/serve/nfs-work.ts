// A call that may be done: its reply is written into its own place, at once or when something cold has come, and repeats of it get the same.
import { refuseBare, type Scene } from "../wire/nfs/procedure.ts";
import type { AnyProcedure } from "../wire/nfs/procedures.ts";
import type { StatusCode } from "../wire/nfs/status.ts";
import type { NfsTree } from "../wire/nfs/tree.ts";
import { ACCEPT, REPLY_HEAD, seal, writeAccepted } from "../wire/rpc/message.ts";
import { XdrWriter } from "../wire/xdr.ts";
import type { NfsExport } from "./nfs.ts";
import type { Line } from "./nfs-line.ts";
import { UnderWay } from "./nfs-repeats.ts";

/** A call under way. */
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

/** Does the calls of all lines of a server. */
export class Work {
  readonly #verifier: Uint8Array;
  readonly #failed: (line: Line, error: unknown, name: string) => StatusCode;
  #writer = new XdrWriter();
  readonly #underWay = new UnderWay();
  readonly #inTree = new Map<number, number>(); // calls that go on, by export
  #quiet: (() => void)[] = [];

  /**
   * @param verifier of writes, 8 bytes
   * @param failed tells of an error; what the client is told
   */
  constructor(verifier: Uint8Array, failed: (line: Line, error: unknown, name: string) => StatusCode) {
    this.#verifier = verifier;
    this.#failed = failed;
  }

  /** Resolves when no call is in the tree of this export; undefined: of any. */
  async idle(exportNumber?: number): Promise<void> {
    const busy = () =>
      exportNumber === undefined ? this.#inTree.size > 0 : (this.#inTree.get(exportNumber) ?? 0) > 0;
    while (busy()) await new Promise<void>((resolve) => this.#quiet.push(resolve));
  }

  /** Was this call done before, or is it being done? Then the line gets the same reply, now or later. */
  again(line: Line, exported: NfsExport, key: string): boolean {
    const before = exported.tree.recall(key);
    if (before) this.#repeat(line, exported.tree, line.head.xid, before);
    return before !== undefined || this.#underWay.join(key, line);
  }

  /** @param key of a call that must not be done twice */
  perform(
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
}
