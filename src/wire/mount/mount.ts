// MOUNT version 3 (RFC 1813 appendix I): a path becomes a handle.
import { type HandleFacts, writeHandle } from "../nfs/handle.ts";
import type { Ino } from "../nfs/tree.ts";
import type { XdrReader, XdrWriter } from "../xdr.ts";

export const MOUNT_PROGRAM = 100005;
export const MOUNT_VERSION = 3;
export const MOUNT = { null: 0, mnt: 1, dump: 2, umnt: 3, umntall: 4, export: 5 } as const;
/** MNTPATHLEN. */
const MOST_PATH = 1024;
/** The only flavour that a node needs: AUTH_SYS. */
const FLAVOR_SYS = 1;

/** dirpath; one too long throws. */
export function readPath(r: XdrReader): string {
  const path = r.text(MOST_PATH);
  if (path.length > MOST_PATH) throw r.bad("a path of more than 1,024 bytes");
  return path;
}

/** mountres3, when it goes well. */
export function writeMounted(w: XdrWriter, handles: HandleFacts, root: Ino): void {
  w.u32(0);
  writeHandle(w, handles, root);
  w.u32(1).u32(FLAVOR_SYS);
}
