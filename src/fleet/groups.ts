// Groups: settings that stand between a profile and its nodes. A node is in one group at most.
import { BrambleError } from "../base/errors.ts";
import { allVolumes } from "./disk-settings.ts";
import type { DiskSettings, Profile, RootMode, SeedSettings } from "./node.ts";
import { checkName } from "./profiles.ts";

export interface Group extends DiskSettings {
  name: string;
  /** What it is for, in a person's words. */
  about?: string;
  image?: string;
  root?: RootMode;
  firmware?: string;
  seed: SeedSettings;
  /** What templates call `value.NAME`, in place of the profile's. */
  values: Values;
  /** One more after each change. */
  version: number;
}

export type Values = Record<string, string>;
export type ValuesPatch = Record<string, string | null>;

const NAME = /^[a-z0-9](?:[a-z0-9._-]{0,61}[a-z0-9])?$/;
const VALUE_LIMIT = 16 * 1024;

/** Throws BAD_INPUT. */
export function checkGroupName(name: string): void {
  if (typeof name !== "string" || !NAME.test(name))
    throw new BrambleError("BAD_INPUT", `${JSON.stringify(name)} is no name of a group`, {
      hint: "up to 63 lower-case letters, digits and . _ -, such as rack-3",
    });
}

/** What a profile gives to the nodes of a group: the group's own settings win. */
export const baseOf = (profile: Profile, group: Group | undefined): Profile => {
  if (!group) return profile;
  const { image, root, firmware, seed, ephemeral, quota, guard, volumes, nfsBoot, nfsDurability, external } =
    group;
  const all = allVolumes(profile.volumes, volumes);
  return {
    ...profile,
    ...(image !== undefined && { image }),
    ...(root !== undefined && { root }),
    ...(firmware !== undefined && { firmware }),
    ...(ephemeral !== undefined && { ephemeral }),
    ...(quota !== undefined && { quota }),
    ...(guard !== undefined && { guard }),
    ...(nfsBoot !== undefined && { nfsBoot }),
    ...(nfsDurability !== undefined && { nfsDurability }),
    ...(external !== undefined && { external }),
    ...(all.length > 0 && { volumes: all }),
    seed: { ...profile.seed, ...seed },
  };
};

/** Template values with a patch in them; throws BAD_INPUT. */
export function patchValues(before: Values | undefined, patch: ValuesPatch): Values {
  const next = new Map(Object.entries(before ?? {}));
  for (const [name, value] of Object.entries(patch)) {
    if (value === null) {
      next.delete(name);
      continue;
    }
    checkName("value", name);
    if (typeof value !== "string" || value.length > VALUE_LIMIT)
      throw new BrambleError(
        "BAD_INPUT",
        `the value ${name} must be text of at most ${VALUE_LIMIT} characters`,
      );
    next.set(name, value);
  }
  if (next.size > 200) throw new BrambleError("BAD_INPUT", "at most 200 values");
  return Object.fromEntries(next);
}
