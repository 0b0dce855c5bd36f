// MOUNT version 3 (RFC 1813 appendix I): a path becomes a handle.
import { type HandleFacts, writeHandle, writeOldHandle } from "../nfs/handle.ts";
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

/** Versions 1 (RFC 1094 appendix A) and 2: U-Boot (2023.01) asks the port mapper for 1 and mounts by 2, also where it then speaks NFS version 3. */
export const OLD_VERSIONS: ReadonlySet<number> = new Set([1, 2]);

/** Their fhstatus, when it goes well. */
export function writeOldMounted(w: XdrWriter, handles: HandleFacts, root: Ino): void {
  writeOldHandle(w.u32(0), handles, root);
}
