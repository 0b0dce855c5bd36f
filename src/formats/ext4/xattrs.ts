import { BrambleError } from "../../base/errors.ts";
import { u16, u32 } from "../fields.ts";
import { nameText } from "./directory.ts";

export interface XattrEntry {
  /** With its prefix: "security.capability". */
  name: string;
  /** The value where it lies beside its entry: a window. */
  value: Uint8Array;
  /** Else the inode that holds it (feature ea_inode), and its length. */
  valueInode: number;
  size: number;
}

/** By e_name_index (fs/ext4/xattr.h). */
const PREFIXES = [
  "",
  "user.",
  "system.posix_acl_access",
  "system.posix_acl_default",
  "trusted.",
  "",
  "security.",
  "system.",
  "system.richacl",
];
export const INLINE_DATA_XATTR = "system.data";
/** As the kernel (XATTR_SIZE_MAX). */
const MAX_VALUE = 65536;

const bad = (why: string): BrambleError =>
  new BrambleError("FORMAT_VALUE", `ext4: extended attributes: ${why}`);

/** The entries from `from` on; their values' offsets count from the start of `area`. FORMAT_VALUE for damaged ones. */
export function decodeXattrs(area: Uint8Array, from: number): XattrEntry[] {
  const found: XattrEntry[] = [];
  for (let at = from; at + 4 <= area.length && u32(area, at) !== 0; ) {
    const nameLength = area[at] as number;
    const end = at + 16 + nameLength;
    if (end > area.length) throw bad("a name is cut short");
    const prefix = PREFIXES[area[at + 1] as number];
    if (prefix === undefined) throw bad(`name index ${area[at + 1]} does not exist`);
    const valueAt = u16(area, at + 2);
    const valueInode = u32(area, at + 4);
    const size = u32(area, at + 8);
    const name = prefix + nameText(area.subarray(at + 16, end));
    if (size > MAX_VALUE || (valueInode === 0 && valueAt + size > area.length)) {
      throw bad(`the value of ${name} is cut short`);
    }
    const value = area.subarray(valueAt, valueInode === 0 ? valueAt + size : valueAt);
    found.push({ name, value, valueInode, size });
    at = (end + 3) & ~3;
  }
  return found;
}

/**
 * ext4 packs ACLs more tightly (version 1) than the system calls show them (version 2, linux/posix_acl_xattr.h):
 * gives the form of the system calls, so that what we list can be set elsewhere.
 */
export function aclForSystemCalls(packed: Uint8Array): Uint8Array {
  const NAMED = new Set([0x02, 0x08]);
  if (packed.length < 4 || u32(packed, 0) !== 1) throw bad("an ACL of an unknown version");
  const out: number[] = [2, 0, 0, 0];
  for (let at = 4; at < packed.length; ) {
    const named = NAMED.has(u16(packed, at));
    if (at + (named ? 8 : 4) > packed.length) throw bad("an ACL is cut short");
    out.push(...packed.subarray(at, at + 4));
    out.push(...(named ? packed.subarray(at + 4, at + 8) : [0xff, 0xff, 0xff, 0xff]));
    at += named ? 8 : 4;
  }
  return Uint8Array.from(out);
}
