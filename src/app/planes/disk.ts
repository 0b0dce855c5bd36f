// The disk plane: one thread that owns every open clone and serves them to nodes. Others read clones through it, by message.
import { createHash } from "node:crypto";
import { parentPort, workerData } from "node:worker_threads";
import { BrambleError } from "../../base/errors.ts";
import { TOOLS } from "../../fleet/fencing.ts";
import { createClone } from "../../storage/clones/clone.ts";
import { threadEnded } from "../../storage/clones/lock.ts";
import { removeCloneFiles } from "../../storage/clones/remove.ts";
import type { DiskEvent, DiskPlane } from "./disk-calls.ts";
import { iscsiDoors } from "./disk-iscsi.ts";
import { nbdDoors } from "./disk-nbd.ts";
import { diskVerbs, openTelling } from "./disk-verbs.ts";
import { faults } from "./faults.ts";
import { Fence } from "./fence.ts";
import { Grants } from "./grants.ts";
import { openClones } from "./open-clones.ts";
import { removeReservations } from "./reservations.ts";
import { connect, type Handlers, Transfer } from "./rpc.ts";
import { blockTally, telling } from "./tally.ts";
import { logicalUnits } from "./units.ts";

export type { DiskEvent, DiskPlane } from "./disk-calls.ts";

type Args<N extends keyof DiskPlane> = Parameters<DiskPlane[N]>[0];

const port = parentPort;
if (!port) throw new BrambleError("INTERNAL", "the disk plane runs in a worker thread only");
// Those before us in this process left their locks behind.
for (const id of (workerData as { ended: number[] }).ended) threadEnded(id);

const tell = (event: DiskEvent) => control.tell("disk", event);
const clones = openClones(openTelling(tell));
const verbs = diskVerbs({ clones });
const fence = new Fence();
const grants = new Grants(fence);
const tally = blockTally();
const units = logicalUnits(clones, (disk) => tally.disk("iscsi", () => disk));
const iscsi = iscsiDoors({ clones, units, fence, grants, tell });
const nbd = nbdDoors({ clones, fence, grants, tell, counted: (disk) => tally.disk("nbd", () => disk) });
const sha256 = (text: string) => createHash("sha256").update(text).digest("hex");
/** On a planned stop iSCSI nodes have this long to log out by themselves; then their connections are closed. */
const FAREWELL_MS = 2_000;
const NEWER = "a newer boot of this node has logged in";

const handlers = {
  ...verbs,
  async resizeClone(args: Parameters<typeof verbs.resizeClone>[0]) {
    const { size } = await verbs.resizeClone(args);
    units.resized(args.path, size);
    return { size };
  },
  createClone: (args: Args<"createClone">) => createClone(args),
  async removeClone({ path }: Args<"removeClone">) {
    if (clones.busy(path)) {
      throw new BrambleError("CLONE_BUSY", "the node is running from this clone", {
        hint: "switch the node off first",
      });
    }
    await clones.release(path);
    removeCloneFiles(path);
    removeReservations(path);
    units.forget(path);
  },
  async read({ path, offset, length }: Args<"read">) {
    const bytes = new Uint8Array(length);
    await (await clones.hold(path).clone).read(bytes, offset);
    return new Transfer(bytes, [bytes.buffer]);
  },
  owns: async ({ path, offset, length }: Args<"owns">) =>
    (await clones.hold(path).clone).ownExtents(offset, length),
  async facts({ path }: Args<"facts">) {
    const clone = await clones.hold(path).clone;
    const { size, generation } = clone;
    const { quota, ...space } = clone.chain?.space() ?? {
      ownBytes: clone.ownBytes(),
      sharedBytes: 0,
      layers: 0,
      images: [],
    };
    return { size, generation, busy: clones.busy(path), ...space, ...(quota !== undefined && { quota }) };
  },
  flush: async ({ path }: Args<"flush">) => (await clones.hold(path).clone).flush(),
  listen: (args: Args<"listen">) => nbd.listen(args),
  async export({ secret = "", secretHash, name, path, address, readOnly = false }: Args<"export">) {
    const busy = name.endsWith(`/${TOOLS}`) ? fence.whyNotTools(path) : undefined;
    if (busy !== undefined)
      throw new BrambleError("CLONE_BUSY", busy, { hint: "never two writers: switch the node off first" });
    const key = secretHash ?? sha256(secret);
    const used = false;
    const grant = { kind: "nbd" as const, key, name, path, paths: [path], address, readOnly, used };
    return { ended: (await grants.give(grant, NEWER)).length };
  },
  listenIscsi: (args: Args<"listenIscsi">) => iscsi.listen(args),
  async exportIscsi({ target, ...rest }: Args<"exportIscsi">) {
    const paths = rest.luns.map(({ path }) => path);
    const grant = { kind: "iscsi" as const, key: target, paths, used: false, ...rest };
    return { ended: (await grants.give(grant, NEWER)).length };
  },
  drop: ({ name, why }: Args<"drop">) => grants.drop(name, why),
  ping: () => true,
  async close() {
    await iscsi.farewell(FAREWELL_MS);
    await Promise.all([iscsi.close(), nbd.close()]);
    await clones.close();
  },
  ...faults(),
} satisfies Handlers;

const control = connect(port, handlers);
telling(tally.take, (counts) => control.tell("counts", counts));
