// What each plane must be told again when its thread was started anew, and what may be asked of it twice.
import { TOOLS } from "../../fleet/fencing.ts";
import type { DiskPlane } from "./disk-calls.ts";
import type { Lasting, Told } from "./kept.ts";

type Args<N extends keyof DiskPlane> = Parameters<DiskPlane[N]>[0];

const EXPORTS: readonly string[] = ["export", "exportIscsi"];
/** Is a kept call an export of the same node, that the one of this name ends? */
const olderThan =
  ({ name }: { name: string }) =>
  ({ name: call, args }: Told): boolean => {
    if (!EXPORTS.includes(call)) return false;
    const [node, boot] = name.split("/");
    const [ofNode] = (args as { name: string }).name.split("/");
    return boot !== TOOLS && node === ofNode;
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
