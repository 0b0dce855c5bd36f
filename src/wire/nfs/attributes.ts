// Attributes on the wire (RFC 1813 2.5, 2.6): fattr3, sattr3, post_op_attr, wcc_data.
import type { XdrReader, XdrWriter } from "../xdr.ts";
import type { Attributes, Change, SetAttributes, Time } from "./tree.ts";

/** fattr3. */
export const ATTRIBUTES_BYTES = 84;
/** post_op_attr, when they follow. */
export const POST_BYTES = 4 + ATTRIBUTES_BYTES;
/** wcc_data with both halves. */
export const CHANGE_BYTES = 4 + 24 + POST_BYTES;

const NANOSECONDS = 1_000_000_000;

/** nfstime3 is unsigned: what is before 1970 or after 2106 goes to the end of the scale. */
function writeTime(w: XdrWriter, time: Time): void {
  w.u32(Math.min(Math.max(time.s, 0), 0xffff_ffff)).u32(time.ns);
}

/** @param fsid what tells the file system from others: the export's number */
export function writeAttributes(w: XdrWriter, a: Attributes, fsid: number): void {
  w.u32(a.kind).u32(a.mode).u32(a.nlink).u32(a.uid).u32(a.gid);
  w.u64(a.size).u64(a.used).u32(a.major).u32(a.minor);
  w.u64(fsid).u64(a.ino);
  writeTime(w, a.atime);
  writeTime(w, a.mtime);
  writeTime(w, a.ctime);
}

/** post_op_attr. */
export function writePost(w: XdrWriter, attributes: Attributes | undefined, fsid: number): void {
  if (!attributes) {
    w.u32(0);
    return;
  }
  w.u32(1);
  writeAttributes(w, attributes, fsid);
}

/** wcc_data; undefined: nothing is known of it. */
export function writeChange(w: XdrWriter, change: Change | undefined, fsid: number): void {
  if (!change) {
    w.u32(0).u32(0);
    return;
  }
  w.u32(1).u64(change.before.size);
  writeTime(w, change.before.mtime);
  writeTime(w, change.before.ctime);
  writePost(w, change.after, fsid);
}

/** nfstime3; more nanoseconds than a second has are garbage. */
export function readTime(r: XdrReader): Time {
  const s = r.u32();
  const ns = r.u32();
  if (ns >= NANOSECONDS) throw r.bad(`a time with ${ns} nanoseconds`);
  return { s, ns };
}

/** set_atime, set_mtime: DONT_CHANGE, SET_TO_SERVER_TIME, SET_TO_CLIENT_TIME. */
function readTimeHow(r: XdrReader): Time | "server" | undefined {
  const how = r.u32();
  if (how > 2) throw r.bad(`time_how ${how}`);
  return how === 0 ? undefined : how === 1 ? "server" : readTime(r);
}

/** sattr3. */
export function readSetAttributes(r: XdrReader): SetAttributes {
  const set: SetAttributes = {};
  if (r.bool()) set.mode = r.u32() & 0o7777;
  if (r.bool()) set.uid = r.u32();
  if (r.bool()) set.gid = r.u32();
  if (r.bool()) set.size = r.u64();
  const atime = readTimeHow(r);
  if (atime !== undefined) set.atime = atime;
  const mtime = readTimeHow(r);
  if (mtime !== undefined) set.mtime = mtime;
  return set;
}
