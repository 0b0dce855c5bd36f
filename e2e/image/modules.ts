import { cp, mkdir } from "node:fs/promises";
import { join } from "node:path";
import { output } from "../bed/commands.ts";
import type { Pieces } from "./boot-files.ts";

/** Whole drivers' worlds that no Pi and no test needs: without them the image is 100 MB smaller. Of SCSI the host adapters. */
const LEFT_OUT =
  /\/(sound|drivers\/(gpu|media|infiniband|iio|staging|scsi\/[^.]+|isdn|hwmon|video|comedi|edac|ata|md|nfc|bluetooth|net\/wireless)|net\/(bluetooth|wireless|mac80211|ceph|sctp|openvswitch))(\/|$)/;

/** The kernel's modules below `root`/usr/lib/modules, with the tables that depmod makes. */
export async function installModules(from: Pieces, root: string): Promise<void> {
  const folder = join(root, "usr/lib/modules", from.version);
  await mkdir(folder, { recursive: true });
  const source = join(from.folder, "kernel/usr/lib/modules", from.version);
  await cp(source, folder, { recursive: true, filter: (path) => !LEFT_OUT.test(path.slice(source.length)) });
  await output("depmod", ["-b", join(root, "usr"), from.version]);
}
