// NFSv3 on one file: GETATTR, SETATTR, ACCESS, READLINK, READ, WRITE, COMMIT (RFC 1813 3.3.1 to 3.3.7, 3.3.21).
import { padded, type XdrWriter } from "../xdr.ts";
import {
  POST_BYTES,
  readSetAttributes,
  readTime,
  writeAttributes,
  writeChange,
  writePost,
} from "./attributes.ts";
import { type Procedure, refuse, reply, type Scene, SMALL } from "./procedure.ts";
import { STATUS } from "./status.ts";
import { type Attributes, type Change, type SetAttributes, STABLE, type Stable, type Time } from "./tree.ts";

/** rtmax and wtmax. */
export const MOST_DATA = 1 << 20;
/** Status, post_op_attr, count, eof, length: what stands before the data of a READ. */
const READ_HEAD = 4 + POST_BYTES + 12;

export const getattr: Procedure<undefined> = {
  name: "GETATTR",
  effect: "looks",
  refusal: "nothing",
  decode: () => undefined,
  room: () => SMALL,
  answer: (w, scene) => reply(w, scene, "nothing", scene.tree.getattr(scene.ino), writeFound),
};
function writeFound(w: XdrWriter, scene: Scene, attributes: Attributes): void {
  writeAttributes(w, attributes, scene.handles.export);
}

export const setattr: Procedure<{ set: SetAttributes; guard: Time | undefined }> = {
  name: "SETATTR",
  effect: "once",
  refusal: "change",
  decode: (r) => ({ set: readSetAttributes(r), guard: r.bool() ? readTime(r) : undefined }),
  room: () => SMALL,
  answer: (w, scene, { set, guard }) =>
    reply(w, scene, "change", scene.tree.setattr(scene.who, scene.ino, set, guard), writeChanged),
};
function writeChanged(w: XdrWriter, scene: Scene, change: Change): void {
  writeChange(w, change, scene.handles.export);
}

export const access: Procedure<number> = {
  name: "ACCESS",
  effect: "looks",
  refusal: "attributes",
  decode: (r) => r.u32(),
  room: () => SMALL,
  answer: (w, scene, wanted) =>
    reply(w, scene, "attributes", scene.tree.access(scene.who, scene.ino, wanted), writeGranted),
};
function writeGranted(w: XdrWriter, scene: Scene, found: { granted: number; attributes: Attributes }): void {
  writePost(w, found.attributes, scene.handles.export);
  w.u32(found.granted);
}

export const readlink: Procedure<undefined> = {
  name: "READLINK",
  effect: "looks",
  refusal: "attributes",
  decode: () => undefined,
  room: () => SMALL + 4096,
  answer: (w, scene) => reply(w, scene, "attributes", scene.tree.readlink(scene.who, scene.ino), writeTarget),
};
function writeTarget(w: XdrWriter, scene: Scene, found: { target: string; attributes: Attributes }): void {
  writePost(w, found.attributes, scene.handles.export);
  w.text(found.target);
}

export const read: Procedure<{ offset: number; count: number }> = {
  name: "READ",
  effect: "looks",
  refusal: "attributes",
  decode: (r) => ({ offset: r.u64(), count: Math.min(r.u32(), MOST_DATA) }),
  room: ({ count }) => Math.max(READ_HEAD + padded(count), SMALL),
  answer(w, scene, { offset, count }) {
    const data = scene.start + READ_HEAD;
    const into = w.bytes.subarray(data, data + count); // the tree fills the reply itself
    return reply(w, scene, "attributes", scene.tree.read(scene.who, scene.ino, offset, into), writeRead);
  },
};
function writeRead(
  w: XdrWriter,
  scene: Scene,
  found: { count: number; eof: boolean; attributes: Attributes },
): void {
  writePost(w, found.attributes, scene.handles.export);
  w.u32(found.count).bool(found.eof).u32(found.count);
  w.at += found.count;
  w.pad(found.count);
}

interface Write {
  offset: number;
  stable: Stable;
  data: Uint8Array;
  /** The count beside the data: they are to agree. */
  count: number;
}
export const write: Procedure<Write> = {
  name: "WRITE",
  effect: "changes",
  refusal: "change",
  decode(r) {
    const offset = r.u64();
    const count = r.u32();
    const stable = r.u32();
    if (stable > 2) throw r.bad(`stable_how ${stable}`);
    return { offset, count, stable: stable as Stable, data: r.opaque(MOST_DATA) };
  },
  room: () => SMALL,
  answer(w, scene, { offset, count, stable, data }) {
    if (count !== data.length) return refuse(w, "change", scene, STATUS.INVAL);
    if (!Number.isSafeInteger(offset + count)) return refuse(w, "change", scene, STATUS.FBIG);
    const soon = scene.tree.write(scene.who, scene.ino, offset, data, stable);
    return reply(w, scene, "change", soon, writeWritten);
  },
};
function writeWritten(
  w: XdrWriter,
  scene: Scene,
  done: { count: number; committed: Stable; change: Change },
): void {
  writeChange(w, done.change, scene.handles.export);
  w.u32(done.count).u32(done.committed).fixed(scene.verifier);
  if (done.committed === STABLE.unstable) scene.lasting = false;
}

export const commit: Procedure<{ offset: number; count: number }> = {
  name: "COMMIT",
  effect: "changes",
  refusal: "change",
  decode: (r) => ({ offset: r.u64(), count: r.u32() }),
  room: () => SMALL,
  answer: (w, scene, { offset, count }) =>
    reply(w, scene, "change", scene.tree.commit(scene.ino, offset, count), writeCommitted),
};
function writeCommitted(w: XdrWriter, scene: Scene, change: Change): void {
  writeChange(w, change, scene.handles.export);
  w.fixed(scene.verifier);
}
