// What the 22 procedures of NFSv3 have in common: arguments are read, a tree is asked, results are written into the reply's own place.
import type { XdrReader, XdrWriter } from "../xdr.ts";
import { CHANGE_BYTES, POST_BYTES, writePost } from "./attributes.ts";
import type { HandleFacts } from "./handle.ts";
import type { StatusCode } from "./status.ts";
import type { Credentials, Ino, NfsTree, Soon } from "./tree.ts";

export const PROGRAM = 100003;
export const VERSION = 3;

/** One call: what it is about, and where its results begin. */
export interface Scene {
  readonly tree: NfsTree;
  readonly handles: HandleFacts;
  /** What its first handle stands for. */
  readonly ino: Ino;
  readonly who: Credentials;
  /** Of writes (RFC 1813 3.3.7): another one after each start of the server. */
  readonly verifier: Uint8Array;
  /** Where the status is written. */
  readonly start: number;
  /** Does the answer promise something that must be lasting first? */
  lasting: boolean;
}

/** What follows a status other than NFS3_OK. */
export type Refusal = "nothing" | "attributes" | "change" | "two changes" | "attributes and change";

/** A row of the table (procedures.ts). `A`: its arguments after the first handle. */
export interface Procedure<A> {
  readonly name: string;
  /** looks: nothing changes; changes: may be done twice; once: may not (RFC 1813 4.5). */
  readonly effect: "looks" | "changes" | "once";
  readonly refusal: Refusal;
  /** Throws where the arguments are garbage. */
  decode(r: XdrReader): A;
  /** Most bytes of the results. */
  room(args: A): number;
  /** Asks the tree and writes status and results at scene.start; all at once, or when the promise has ended. */
  answer(w: XdrWriter, scene: Scene, args: A): void | Promise<void>;
}

/** Of all results that hold neither data nor entries: LINK's and RENAME's are the longest. */
export const SMALL = 4 + 32 + POST_BYTES + 2 * CHANGE_BYTES;

/** Writes a refusal over whatever stands there; with what is known of the first handle's file now, as the RFC recommends. */
export function refuse(w: XdrWriter, refusal: Refusal, scene: Scene, status: StatusCode): void {
  w.at = scene.start;
  scene.lasting = false;
  w.u32(status);
  if (refusal === "nothing") return;
  const now = scene.tree.getattr(scene.ino);
  if (now instanceof Promise) now.catch(() => {}); // cold, or failing for the same reason: it goes without
  const after = typeof now === "number" || now instanceof Promise ? undefined : now;
  if (refusal === "change" || refusal === "two changes") w.u32(0);
  writePost(w, after, scene.handles.export);
  if (refusal === "two changes" || refusal === "attributes and change") w.u32(0).u32(0);
}

/** The same where there is no tree to ask. */
export function refuseBare(w: XdrWriter, refusal: Refusal, status: StatusCode): void {
  w.u32(status);
  const words = { nothing: 0, attributes: 1, change: 2, "two changes": 4, "attributes and change": 3 };
  for (let i = 0; i < words[refusal]; i++) w.u32(0);
}

/** Writes the status and, when all went well, what `write` writes. */
export function reply<T extends object>(
  w: XdrWriter,
  scene: Scene,
  refusal: Refusal,
  soon: Soon<T>,
  write: (w: XdrWriter, scene: Scene, value: T) => void,
): void | Promise<void> {
  if (soon instanceof Promise)
    return soon.then((answer) => {
      reply(w, scene, refusal, answer, write);
    });
  if (typeof soon === "number") return refuse(w, refusal, scene, soon);
  w.at = scene.start;
  w.u32(0);
  write(w, scene, soon);
}

/** Asks a second thing of the tree after the first. */
export function after<T extends object, U extends object>(
  first: Soon<T>,
  next: (value: T) => Soon<U>,
): Soon<U> {
  if (first instanceof Promise)
    return first.then((answer) => (typeof answer === "number" ? answer : next(answer)));
  return typeof first === "number" ? first : next(first);
}
