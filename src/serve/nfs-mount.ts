// MOUNT version 3 at the edge: who may have which export is asked of the options.
import {
  MOUNT,
  MOUNT_VERSION,
  OLD_VERSIONS,
  readPath,
  writeMounted,
  writeOldMounted,
} from "../wire/mount/mount.ts";
import type { HandleFacts } from "../wire/nfs/handle.ts";
import { STATUS, type StatusCode } from "../wire/nfs/status.ts";
import { type Credentials, FILE_KIND, type Ino } from "../wire/nfs/tree.ts";
import { ACCEPT, writeAccepted, writeMismatch } from "../wire/rpc/message.ts";
import { type XdrReader, XdrWriter } from "../wire/xdr.ts";
import type { NfsMounted, NfsOptions } from "./nfs.ts";
import { type Line, say, type Tell } from "./nfs-line.ts";
import { statusOf } from "./nfs-status.ts";

/** Paths below an export are walked for the boot firmware or the kernel, which both are root. */
const ROOT: Credentials = { uid: 0, gid: 0, gids: [] };

export class MountDesk {
  readonly #options: Pick<NfsOptions, "mount" | "unmounted">;
  readonly #tell: Tell;
  readonly #writer = new XdrWriter();

  constructor(options: Pick<NfsOptions, "mount" | "unmounted">, tell: Tell) {
    this.#options = options;
    this.#tell = tell;
  }

  answer(line: Line, r: XdrReader): void {
    const { xid, version, procedure } = line.head;
    const accept = (status: (typeof ACCEPT)[keyof typeof ACCEPT], more?: (w: XdrWriter) => void) =>
      say(line, this.#writer, (w) => {
        writeAccepted(w, xid, status);
        more?.(w);
      });
    if (version !== MOUNT_VERSION && !OLD_VERSIONS.has(version))
      return void say(line, this.#writer, (w) => writeMismatch(w, xid, MOUNT_VERSION));
    let path: string | undefined;
    try {
      if (procedure === MOUNT.mnt || procedure === MOUNT.umnt) path = readPath(r);
    } catch {
      return void accept(ACCEPT.garbageArguments);
    }
    switch (procedure) {
      case MOUNT.null:
        return void accept(ACCEPT.success);
      case MOUNT.mnt:
        return void this.#mount(line, path ?? "");
      case MOUNT.umnt:
      case MOUNT.umntall:
        this.#unmounted(line, path);
        return void accept(ACCEPT.success);
      // Who has mounted what, and what there is, is nobody's business: paths hold tokens.
      case MOUNT.dump:
      case MOUNT.export:
        return void accept(ACCEPT.success, (w) => w.u32(0));
      default:
        return void accept(ACCEPT.procedureUnavailable);
    }
  }

  #unmounted(line: Line, path: string | undefined): void {
    this.#options.unmounted?.(path, line.client);
    this.#tell({ kind: "unmounted", client: line.client });
  }

  #mount(line: Line, path: string): void {
    const { client } = line;
    const { xid } = line.head;
    line.begun(path.length);
    this.#bind(path, line)
      .catch((error): StatusCode => {
        this.#tell({ kind: "error", client, why: error instanceof Error ? error.message : String(error) });
        return statusOf(error);
      })
      .then((found) => {
        if (!line.gone)
          say(line, this.#writer, (w) => {
            writeAccepted(w, xid, ACCEPT.success);
            if (typeof found === "number") w.u32(found);
            else if (line.head.version === MOUNT_VERSION) writeMounted(w, found.handles, found.root);
            else writeOldMounted(w, found.handles, found.root);
          });
        line.ended(path.length);
      });
  }

  async #bind(path: string, line: Line): Promise<{ handles: HandleFacts; root: Ino } | StatusCode> {
    const { client } = line;
    const mounted = await this.#options.mount(path, client);
    if (typeof mounted === "number") {
      this.#tell({ kind: "denied", client, why: `MOUNT was refused (status ${mounted})` });
      return mounted;
    }
    const root = await walk(mounted);
    if (typeof root !== "number") return root.refused;
    line.used(mounted.exported);
    this.#tell({ kind: "mounted", client, export: mounted.exported.name });
    return { handles: mounted.exported.handles, root };
  }
}

/** The directory that is mounted. A path never leads through symlinks, nor up. */
async function walk({ exported, below }: NfsMounted): Promise<Ino | { refused: StatusCode }> {
  const { tree } = exported;
  let ino = tree.root;
  let directory = true;
  for (const name of (below ?? "").split("/")) {
    if (name === "" || name === ".") continue;
    if (name === "..") return { refused: STATUS.ACCES };
    const answer = await tree.lookup(ROOT, ino, name);
    if (typeof answer === "number") return { refused: answer };
    ino = answer.found.ino;
    directory = answer.found.kind === FILE_KIND.directory;
  }
  return directory ? ino : { refused: STATUS.NOTDIR };
}
