// What each plane must be told again when its thread was started anew, and what may be asked of it twice.
import { TOOLS } from "../../fleet/fencing.ts";
import type { DiskPlane } from "./disk-calls.ts";
import type { Lasting, Told } from "./kept.ts";
import type { NfsPlane } from "./nfs-calls.ts";

type Args<N extends keyof DiskPlane> = Parameters<DiskPlane[N]>[0];

const EXPORTS: readonly string[] = ["export", "exportIscsi"];
type Export = Args<"export"> | Args<"exportIscsi">;
const pathsOf = (args: Export): readonly string[] =>
  "path" in args ? [args.path] : args.luns.map(({ path }) => path);

/** Is a kept call an export of the same node, that this one ends? Not one of the same boot with other disks. */
const olderThan =
  (newer: Export) =>
  ({ name: call, args }: Told): boolean => {
    if (!EXPORTS.includes(call)) return false;
    const older = args as Export;
    const [node, boot] = newer.name.split("/");
    const [ofNode] = older.name.split("/");
    if (boot === TOOLS || node !== ofNode) return false;
    return older.name !== newer.name || pathsOf(older).some((path) => pathsOf(newer).includes(path));
  };
const named =
  ({ name }: Args<"drop">) =>
  ({ name: call, args }: Told): boolean =>
    EXPORTS.includes(call) && (args as { name: string }).name === name;

export const DISK_LASTING: Lasting = {
  keep: {
    export: ({ secret, secretHash }: Args<"export">) => `nbd ${secretHash ?? secret}`,
    exportIscsi: ({ target }: Args<"exportIscsi">) => `iscsi ${target}`,
    listen: ({ host }: Args<"listen">) => `nbd at ${host}`,
    listenIscsi: ({ host }: Args<"listenIscsi">) => `iscsi at ${host}`,
  },
  end: { export: olderThan, exportIscsi: olderThan, drop: named },
  doors: new Set(["listen", "listenIscsi"]),
};

/** Reading, and what leads to the same end when it is done twice. */
export const DISK_REPEATABLE: ReadonlySet<string> = new Set([
  ...["ping", "read", "owns", "facts", "flush", "listSnapshots", "removeClone", "setQuota"],
  ...["listen", "listenIscsi", "export", "exportIscsi", "drop"],
]);

export const BOOT_LASTING: Lasting = {
  keep: { listen: ({ host }: { host: string }) => `tftp at ${host}` },
  end: {},
  doors: new Set(["listen"]),
};
export const BOOT_REPEATABLE: ReadonlySet<string> = new Set(["ping", "listen"]);

type NfsArgs<N extends keyof NfsPlane> = Parameters<NfsPlane[N]>[0];

export const NFS_LASTING: Lasting = {
  keep: {
    bind: ({ id }: NfsArgs<"bind">) => `tree ${id}`,
    listenNfs: ({ host }: NfsArgs<"listenNfs">) => `nfs at ${host}`,
  },
  end: {
    unbind:
      ({ id }: NfsArgs<"unbind">) =>
      ({ name, args }: Told) =>
        name === "bind" && (args as NfsArgs<"bind">).id === id,
  },
  doors: new Set(["listenNfs"]),
};
export const NFS_REPEATABLE: ReadonlySet<string> = new Set([
  ...["ping", "treeFacts", "lookupIn", "listIn", "openIn", "readIn", "settleTree"],
  ...["setTreeQuota", "setTreeDurability"],
  ...["treeSnapshots", "treeSpace"],
  ...["listenNfs", "bind", "unbind", "removeTree"],
]);
