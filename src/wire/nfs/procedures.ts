// The table of NFSv3 (RFC 1813 3.3), by number. 0 is NULL, which asks nothing.
import type { Procedure } from "./procedure.ts";
import * as files from "./procedures-files.ts";
import * as lists from "./procedures-lists.ts";
import * as names from "./procedures-names.ts";
import * as system from "./procedures-system.ts";

/** A row without the type of its arguments: what decode() has read goes to room() and answer() of the same row. */
export type AnyProcedure = Procedure<unknown>;

export const PROCEDURES: readonly (AnyProcedure | undefined)[] = [
  undefined,
  files.getattr,
  files.setattr,
  names.lookup,
  files.access,
  files.readlink,
  files.read,
  files.write,
  names.create,
  names.mkdir,
  names.symlink,
  names.mknod,
  names.remove,
  names.rmdir,
  names.rename,
  names.link,
  lists.readdir,
  lists.readdirplus,
  system.fsstat,
  system.fsinfo,
  system.pathconf,
  files.commit,
];
