// NFSv3 on names: LOOKUP, CREATE, MKDIR, SYMLINK, MKNOD, REMOVE, RMDIR, RENAME, LINK (RFC 1813 3.3.3, 3.3.8 to 3.3.15).
import type { XdrReader, XdrWriter } from "../xdr.ts";
import { readSetAttributes, writeChange, writePost } from "./attributes.ts";
import { type Handle, isOf, readHandle, writeHandle } from "./handle.ts";
import { type Procedure, refuse, reply, type Scene, SMALL } from "./procedure.ts";
import { STATUS, type StatusCode } from "./status.ts";
import {
  type Attributes,
  type Change,
  type CreateHow,
  FILE_KIND,
  type FileKind,
  type Made,
  type SetAttributes,
} from "./tree.ts";

/** filename3; longer ones the tree refuses by their length. */
const NAME = 255;
/** nfspath3: PATH_MAX. */
const PATH = 4096;

const readName = (r: XdrReader): string => r.text(NAME);

export const lookup: Procedure<string> = {
  name: "LOOKUP",
  effect: "looks",
  refusal: "attributes",
  decode: readName,
  room: () => SMALL,
  answer: (w, scene, name) =>
    reply(w, scene, "attributes", scene.tree.lookup(scene.who, scene.ino, name), writeFound),
};
function writeFound(
  w: XdrWriter,
  scene: Scene,
  { found, directory }: { found: Attributes; directory: Attributes },
): void {
  writeHandle(w, scene.handles, found.ino);
  writePost(w, found, scene.handles.export);
  writePost(w, directory, scene.handles.export);
}

/** post_op_fh3, post_op_attr, wcc_data. */
function writeMade(w: XdrWriter, scene: Scene, { made, directory }: Made): void {
  w.u32(1);
  writeHandle(w, scene.handles, made.ino);
  writePost(w, made, scene.handles.export);
  writeChange(w, directory, scene.handles.export);
}

function readHow(r: XdrReader): CreateHow {
  const how = r.u32();
  if (how === 2) return { how: "exclusive", verifier: r.fixed(8).slice() };
  if (how > 2) throw r.bad(`createmode ${how}`);
  return { how: how === 0 ? "unchecked" : "guarded", set: readSetAttributes(r) };
}
export const create: Procedure<{ name: string; how: CreateHow }> = {
  name: "CREATE",
  effect: "once",
  refusal: "change",
  decode: (r) => ({ name: readName(r), how: readHow(r) }),
  room: () => SMALL,
  answer: (w, scene, { name, how }) =>
    reply(w, scene, "change", scene.tree.create(scene.who, scene.ino, name, how), writeMade),
};

export const mkdir: Procedure<{ name: string; set: SetAttributes }> = {
  name: "MKDIR",
  effect: "once",
  refusal: "change",
  decode: (r) => ({ name: readName(r), set: readSetAttributes(r) }),
  room: () => SMALL,
  answer: (w, scene, { name, set }) =>
    reply(w, scene, "change", scene.tree.mkdir(scene.who, scene.ino, name, set), writeMade),
};

export const symlink: Procedure<{ name: string; set: SetAttributes; target: string }> = {
  name: "SYMLINK",
  effect: "once",
  refusal: "change",
  decode: (r) => ({ name: readName(r), set: readSetAttributes(r), target: r.text(PATH) }),
  room: () => SMALL,
  answer: (w, scene, { name, set, target }) =>
    reply(w, scene, "change", scene.tree.symlink(scene.who, scene.ino, name, target, set), writeMade),
};

interface Mknod {
  name: string;
  /** undefined: a kind that MKNOD does not make. */
  node: { kind: FileKind; major: number; minor: number; set: SetAttributes } | undefined;
}
/** mknoddata3. */
function readNode(r: XdrReader): Mknod["node"] {
  const kind = r.u32();
  const device = kind === FILE_KIND.block || kind === FILE_KIND.character;
  if (!device && kind !== FILE_KIND.socket && kind !== FILE_KIND.fifo) return undefined;
  const set = readSetAttributes(r);
  return { kind, set, major: device ? r.u32() : 0, minor: device ? r.u32() : 0 };
}
export const mknod: Procedure<Mknod> = {
  name: "MKNOD",
  effect: "once",
  refusal: "change",
  decode: (r) => ({ name: readName(r), node: readNode(r) }),
  room: () => SMALL,
  answer: (w, scene, { name, node }) =>
    node
      ? reply(w, scene, "change", scene.tree.mknod(scene.who, scene.ino, name, node), writeMade)
      : refuse(w, "change", scene, STATUS.BADTYPE),
};

function writeDirectory(w: XdrWriter, scene: Scene, change: Change): void {
  writeChange(w, change, scene.handles.export);
}
export const remove: Procedure<string> = {
  name: "REMOVE",
  effect: "once",
  refusal: "change",
  decode: readName,
  room: () => SMALL,
  answer: (w, scene, name) =>
    reply(w, scene, "change", scene.tree.remove(scene.who, scene.ino, name), writeDirectory),
};
export const rmdir: Procedure<string> = {
  name: "RMDIR",
  effect: "once",
  refusal: "change",
  decode: readName,
  room: () => SMALL,
  answer: (w, scene, name) =>
    reply(w, scene, "change", scene.tree.rmdir(scene.who, scene.ino, name), writeDirectory),
};

/** What is wrong with the second handle of a call whose first is good. */
function second(handle: Handle | undefined, scene: Scene): StatusCode | undefined {
  if (!handle) return STATUS.BADHANDLE;
  if (handle.export !== scene.handles.export) return STATUS.XDEV;
  return isOf(handle, scene.handles) ? undefined : STATUS.STALE;
}

export const rename: Procedure<{ name: string; to: Handle | undefined; toName: string }> = {
  name: "RENAME",
  effect: "once",
  refusal: "two changes",
  decode: (r) => ({ name: readName(r), to: readHandle(r), toName: readName(r) }),
  room: () => SMALL,
  answer(w, scene, { name, to, toName }) {
    const wrong = second(to, scene);
    if (wrong !== undefined || !to) return refuse(w, "two changes", scene, wrong ?? STATUS.BADHANDLE);
    const target = { directory: to.ino, name: toName };
    const soon = scene.tree.rename(scene.who, { directory: scene.ino, name }, target);
    return reply(w, scene, "two changes", soon, writeRenamed);
  },
};
function writeRenamed(w: XdrWriter, scene: Scene, { from, to }: { from: Change; to: Change }): void {
  writeChange(w, from, scene.handles.export);
  writeChange(w, to, scene.handles.export);
}

export const link: Procedure<{ directory: Handle | undefined; name: string }> = {
  name: "LINK",
  effect: "once",
  refusal: "attributes and change",
  decode: (r) => ({ directory: readHandle(r), name: readName(r) }),
  room: () => SMALL,
  answer(w, scene, { directory, name }) {
    const wrong = second(directory, scene);
    if (wrong !== undefined || !directory)
      return refuse(w, "attributes and change", scene, wrong ?? STATUS.BADHANDLE);
    const soon = scene.tree.link(scene.who, scene.ino, directory.ino, name);
    return reply(w, scene, "attributes and change", soon, writeLinked);
  },
};
function writeLinked(
  w: XdrWriter,
  scene: Scene,
  { attributes, directory }: { attributes: Attributes; directory: Change },
): void {
  writePost(w, attributes, scene.handles.export);
  writeChange(w, directory, scene.handles.export);
}
