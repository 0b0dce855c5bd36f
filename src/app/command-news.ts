// What pages show and no other part tells of: images, disks and volumes, told by the verb that changed them.
import type { Commands } from "../api/contract.ts";
import type { Core } from "./core.ts";
import type { News } from "./news.ts";

type About = Exclude<News["about"], "event" | "boot">;

const ABOUT: { [V in keyof Commands]?: readonly About[] } = {
  addImage: ["image", "profile"],
  removeImage: ["image", "profile"],
  addFirmware: ["image"],
  removeFirmware: ["image"],
  promoteClone: ["image", "clone"],
  resetClone: ["clone"],
  snapshotClone: ["clone"],
  dropSnapshot: ["clone"],
  rollbackClone: ["clone"],
  rebaseClone: ["clone"],
  resizeClone: ["clone"],
  setCloneQuota: ["clone"],
  mergeClone: ["clone"],
  createVolume: ["volume"],
  attachVolume: ["volume"],
  detachVolume: ["volume"],
  resizeVolume: ["volume"],
  removeVolume: ["volume"],
};

/** Tells what a verb that succeeded has changed. A disk goes by its node's id, everything else by its name. */
export function tellOf(core: Pick<Core, "news" | "registry">, verb: keyof Commands, args: object): void {
  const named = args as { node?: string; image?: string; source?: string; volume?: string; name?: string };
  for (const about of ABOUT[verb] ?? []) {
    const id =
      about === "clone" && named.node !== undefined
        ? core.registry.need(named.node).id
        : (named.volume ?? named.image ?? named.name ?? named.source ?? "");
    core.news.tell({ about, id });
  }
}
