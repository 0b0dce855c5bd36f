import { BrambleError } from "../base/errors.ts";
import { checkVolume, type Guard, parseGuard, type VolumeSpec } from "../fleet/disk-settings.ts";
import type { Group } from "../fleet/groups.ts";
import {
  checkExternal,
  type ExternalRoot,
  NFS_BOOTS,
  NFS_DURABILITIES,
  type NfsBoot,
  type NfsDurability,
} from "../fleet/nfs-root.ts";
import { type Node, type Profile, ROOT_MODES, type RootMode } from "../fleet/node.ts";
import type { ModelPatch } from "./model-patch.ts";

/** What a person may set on a node; null takes a setting back to the profile's. */
export interface NodePatch extends ModelPatch {
  name?: string;
  profile?: string;
  image?: string | null;
  root?: RootMode | null;
  firmware?: string | null;
  address?: string | null;
  user?: string | null;
  passwordHash?: string | null;
  sshKeys?: string[] | null;
  ephemeral?: boolean | null;
  quota?: number | null;
  guard?: Guard | null;
  volumes?: VolumeSpec[] | null;
  nfsBoot?: NfsBoot | null;
  nfsDurability?: NfsDurability | null;
  external?: ExternalRoot | null;
}
export type ProfilePatch = Omit<NodePatch, "name" | "profile" | "address" | keyof ModelPatch>;

export function setOrDrop<T extends object, K extends keyof T>(
  target: T,
  key: K,
  value: T[K] | null | undefined,
): void {
  if (value === null) delete target[key];
  else if (value !== undefined) target[key] = value;
}

/** Checks what a person has set, and puts it there; nothing of a patch that is refused has effect on the book. */
export function applySettings(target: Node | Profile | Group, patch: ProfilePatch): void {
  if (patch.root && !ROOT_MODES.includes(patch.root)) {
    throw new BrambleError("BAD_INPUT", `${patch.root} is no root mode`, {
      hint: `one of ${ROOT_MODES.join(", ")}`,
    });
  }
  if (patch.nfsBoot && !NFS_BOOTS.includes(patch.nfsBoot)) {
    throw new BrambleError("BAD_INPUT", `an NFS root is not mounted by ${patch.nfsBoot}`, {
      hint: `one of ${NFS_BOOTS.join(", ")}`,
    });
  }
  if (patch.nfsDurability && !NFS_DURABILITIES.includes(patch.nfsDurability)) {
    throw new BrambleError("BAD_INPUT", `${patch.nfsDurability} is no durability of an NFS root`, {
      hint: `one of ${NFS_DURABILITIES.join(", ")}`,
    });
  }
  setOrDrop(target, "image", patch.image as string | null | undefined);
  setOrDrop(target as Node, "root", patch.root);
  setOrDrop(target, "firmware", patch.firmware as string | null | undefined);
  if (patch.user && !/^[a-z_][a-z0-9_-]{0,31}$/.test(patch.user)) {
    throw new BrambleError("BAD_INPUT", `${patch.user} is no user name`, {
      hint: "lower-case letters, digits, - and _",
    });
  }
  if (patch.passwordHash && !/^\$[a-z0-9]+\$[^\s:]+$/.test(patch.passwordHash)) {
    throw new BrambleError("BAD_INPUT", "that is no password hash", { hint: "make one: openssl passwd -6" });
  }
  for (const key of patch.sshKeys ?? []) {
    if (!/^(ssh-|ecdsa-|sk-)\S+ \S+/.test(key) || /[\r\n]/.test(key)) {
      throw new BrambleError("BAD_INPUT", "that is no ssh public key", {
        hint: "give the line of a .pub file",
      });
    }
  }
  if (patch.quota && !(Number.isSafeInteger(patch.quota) && patch.quota >= 1 << 20)) {
    throw new BrambleError("BAD_INPUT", `${patch.quota} bytes are no quota`, { hint: "at least 1M" });
  }
  const { guard } = patch;
  setOrDrop(target as Node, "ephemeral", patch.ephemeral);
  setOrDrop(target as Node, "quota", patch.quota);
  setOrDrop(target as Node, "guard", guard && parseGuard(`${guard.shutdown},${guard.down}`));
  setOrDrop(target as Node, "volumes", patch.volumes && volumesOnce(patch.volumes));
  setOrDrop(target as Node, "nfsBoot", patch.nfsBoot);
  setOrDrop(target as Node, "nfsDurability", patch.nfsDurability);
  setOrDrop(target as Node, "external", patch.external && checkExternal(patch.external));
  setOrDrop(target.seed, "user", patch.user as string | null | undefined);
  setOrDrop(target.seed, "passwordHash", patch.passwordHash as string | null | undefined);
  setOrDrop(target.seed, "sshKeys", patch.sshKeys as string[] | null | undefined);
}

function volumesOnce(wish: readonly VolumeSpec[]): VolumeSpec[] {
  const volumes = wish.map(checkVolume);
  for (const key of ["name", "mountpoint"] as const) {
    const all = volumes.flatMap((one) => one[key] ?? []);
    const twice = all.find((value, i) => all.indexOf(value) !== i);
    if (twice !== undefined)
      throw new BrambleError("BAD_INPUT", `two volumes have the same ${key}: ${twice}`);
  }
  return volumes;
}
