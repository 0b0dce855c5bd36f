// NFSv3 on directories: READDIR, READDIRPLUS (RFC 1813 3.3.16, 3.3.17). Entries go into the reply as the tree tells them.
import { padded, type XdrWriter } from "../xdr.ts";
import { POST_BYTES, writePost } from "./attributes.ts";
import { HANDLE_BYTES, writeHandle } from "./handle.ts";
import { after, type Procedure, reply, type Scene, SMALL } from "./procedure.ts";
import { STATUS } from "./status.ts";
import type { Attributes, Ino, Listed, Soon } from "./tree.ts";

/** dtpref, and the most that one reply brings, whatever was asked. */
export const MOST_LIST = 1 << 16;
/** Status, post_op_attr and cookie verifier, before the entries; end of list and eof, after them. */
const HEAD = 4 + POST_BYTES + 8;
const TAIL = 8;
/** What the plus adds to an entry: name_attributes and name_handle. */
const PLUS = POST_BYTES + 8 + HANDLE_BYTES;

interface List {
  cookie: number;
  /** Bytes of names, file ids and cookies; READDIRPLUS only. */
  names: number;
  /** Bytes of the results. */
  most: number;
}

const NOT_A_COOKIE = Number.MAX_SAFE_INTEGER;

function answer(
  w: XdrWriter,
  scene: Scene,
  { cookie, names, most }: List,
  plus: boolean,
): void | Promise<void> {
  // No cookie of a tree is that large; one that cannot even be told exactly is past the end of all.
  if (cookie > NOT_A_COOKIE) return reply(w, scene, "attributes", STATUS.BAD_COOKIE, writeNothing);
  const entries = new Entries(w, scene, { names, most: most - HEAD - TAIL + 4, plus });
  const listed = scene.tree.readdir(scene.who, scene.ino, cookie, (entry) => entries.take(entry));
  const soon: Soon<{ eof: boolean; attributes: Attributes; end: number }> = after(listed, (value) =>
    entries.none && !value.eof ? STATUS.TOOSMALL : { ...value, end: entries.end },
  );
  return reply(w, scene, "attributes", soon, writeList);
}
const writeNothing = (): void => {};

/** The entries of one reply, written behind the place of its head. */
class Entries {
  readonly #w: XdrWriter;
  readonly #scene: Scene;
  readonly #limits: { names: number; most: number; plus: boolean };
  readonly #start: number;
  #names = 0;
  #last = -1;
  end: number;

  constructor(w: XdrWriter, scene: Scene, limits: { names: number; most: number; plus: boolean }) {
    this.#w = w;
    this.#scene = scene;
    this.#limits = limits;
    this.#start = this.end = scene.start + HEAD;
  }
  get none(): boolean {
    return this.end === this.#start;
  }
  /** Does it fit? Then it is in the reply. */
  take(entry: Listed): boolean {
    if (entry.cookie <= this.#last) {
      this.end = this.#start; // the tree had to wait, and begins anew
      this.#names = 0;
    }
    const { names, most, plus } = this.#limits;
    const name = padded(entry.name.length);
    const bytes = 24 + name + (plus ? PLUS : 0);
    if (this.end - this.#start + bytes > most || (!this.none && this.#names + 20 + name > names))
      return false;
    const w = this.#w;
    w.at = this.end;
    w.u32(1).u64(entry.ino).text(entry.name).u64(entry.cookie);
    if (plus) this.#plus(entry.ino, entry.attributes);
    this.end = w.at;
    this.#names += 20 + name;
    this.#last = entry.cookie;
    return true;
  }
  #plus(ino: Ino, attributes: Attributes): void {
    writePost(this.#w, attributes, this.#scene.handles.export);
    this.#w.u32(1);
    writeHandle(this.#w, this.#scene.handles, ino);
  }
}

function writeList(
  w: XdrWriter,
  scene: Scene,
  { attributes, eof, end }: { attributes: Attributes; eof: boolean; end: number },
): void {
  writePost(w, attributes, scene.handles.export);
  w.u64(0); // the cookie verifier: cookies never go bad here, so that it says nothing
  w.at = end;
  w.u32(0).bool(eof);
}

export const readdir: Procedure<List> = {
  name: "READDIR",
  effect: "looks",
  refusal: "attributes",
  decode(r) {
    const cookie = r.u64();
    r.skip(8);
    return { cookie, names: MOST_LIST, most: Math.min(r.u32(), MOST_LIST) };
  },
  room: ({ most }) => Math.max(most, SMALL) + 8,
  answer: (w, scene, list) => answer(w, scene, list, false),
};

export const readdirplus: Procedure<List> = {
  name: "READDIRPLUS",
  effect: "looks",
  refusal: "attributes",
  decode(r) {
    const cookie = r.u64();
    r.skip(8);
    return { cookie, names: r.u32(), most: Math.min(r.u32(), MOST_LIST) };
  },
  room: ({ most }) => Math.max(most, SMALL) + 8,
  answer: (w, scene, list) => answer(w, scene, list, true),
};
