// What profiles and nodes say about disks: sizes, quotas, volumes that a node gets by itself, and the guard of an iSCSI root.
import { BrambleError } from "../base/errors.ts";

/** What a volume is formatted with at its first boot; `none`: nothing, the node's own system does what it likes with it. */
export const VOLUME_FILESYSTEMS = ["ext4", "none"] as const;
export type VolumeFilesystem = (typeof VOLUME_FILESYSTEMS)[number];

/** An extra disk that each node of a profile gets. */
export interface VolumeSpec {
  name: string;
  /** Bytes, whole MiB. */
  size: number;
  fstype: VolumeFilesystem;
  /** An absolute path; absent for `none`. */
  mountpoint?: string;
}

/** Seconds without the root's session before the node is reset; 0: never. */
export interface Guard {
  /** While the system shuts down. */
  shutdown: number;
  /** At any other time. */
  down: number;
}

const UNITS = "KMGT";
const MIB = 1 << 20;
/** 64 TiB: more than a clone's tables are made for. */
const LARGEST = 2 ** 46;
const NAME = /^[a-z0-9][a-z0-9-]{0,31}$/;

/** "512M", "10G", "1.5T" (1024 each), or bytes; up to whole MiB. Throws BAD_INPUT. */
export function parseSize(text: string): number {
  const [, digits, unit] = /^(\d+(?:\.\d+)?)(?:([KMGT])(?:i?B)?)?$/i.exec(text.trim()) ?? [];
  const bytes = Number(digits) * 1024 ** (unit ? UNITS.indexOf(unit.toUpperCase()) + 1 : 0);
  if (bytes >= 1 && bytes <= LARGEST) return Math.ceil(bytes / MIB) * MIB;
  throw new BrambleError("BAD_INPUT", `"${text}" is no size`, {
    hint: "a number with K, M, G or T behind it: 512M, 10G; 64T at most",
  });
}

/** NAME:SIZE[:FSTYPE[:MOUNT]], e.g. `containers:20G:ext4:/var/lib/containers`. Throws BAD_INPUT. */
export function parseVolumeSpec(text: string): VolumeSpec {
  const [name = "", size = "", fstype = "ext4", ...mount] = text.split(":");
  return checkVolume({ name, size: parseSize(size), fstype, mountpoint: mount.join(":") || undefined });
}

/** A volume as it may be; throws BAD_INPUT. */
export function checkVolume(wish: {
  name: string;
  size: number;
  fstype: string;
  mountpoint?: string | undefined;
}): VolumeSpec {
  const { name, size, mountpoint } = wish;
  const fstype = VOLUME_FILESYSTEMS.find((known) => known === wish.fstype);
  const refuse = (words: string, hint: string) => new BrambleError("BAD_INPUT", words, { hint });
  if (!NAME.test(name)) {
    throw refuse(`"${name}" is no name of a volume`, "up to 32 lower-case letters, digits and -: containers");
  }
  if (!(Number.isSafeInteger(size) && size >= MIB && size <= LARGEST && size % 512 === 0)) {
    throw refuse(`${size} bytes are no size of a volume`, "at least 1M, at most 64T");
  }
  if (!fstype) {
    throw refuse(`a volume cannot be made as ${wish.fstype}`, `one of ${VOLUME_FILESYSTEMS.join(", ")}`);
  }
  if (fstype === "none") {
    if (mountpoint === undefined) return { name, size, fstype };
    throw refuse("what has no file system cannot be mounted", "leave the mount point out, or say ext4");
  }
  if (mountpoint !== undefined && isMountpoint(mountpoint)) return { name, size, fstype, mountpoint };
  throw refuse(
    `"${mountpoint ?? ""}" is no mount point for ${name}`,
    "an absolute path below /, of letters, digits and / . _ -: /var/lib/containers",
  );
}

/** It becomes a line of the agent's and a word of its shell: nothing in it may mean more than itself. */
const isMountpoint = (path: string): boolean =>
  /^(\/[A-Za-z0-9._-]+)+$/.test(path) &&
  path.length <= 200 &&
  !path.split("/").some((part) => part === "." || part === "..") &&
  !/^\/(proc|sys|dev|run|etc|usr|bin|sbin|lib|boot)$/.test(path);

/** "SHUT,DOWN" in seconds, e.g. `60,0`. Throws BAD_INPUT. */
export function parseGuard(text: string): Guard {
  const [, shutdown, down] = /^(\d{1,7}),(\d{1,7})$/.exec(text.trim()) ?? [];
  if (shutdown !== undefined && down !== undefined) {
    return { shutdown: Number(shutdown), down: Number(down) };
  }
  throw new BrambleError("BAD_INPUT", `"${text}" is no guard`, {
    hint: "SHUT,DOWN in seconds, 0 for never: 60,0 resets a node whose shutdown waits 60 s for a disk that is gone",
  });
}

/** The profile's volumes and the node's own; of two of one name the node's. */
export const allVolumes = (
  profile: readonly VolumeSpec[] = [],
  own: readonly VolumeSpec[] = [],
): VolumeSpec[] => [...profile.filter((one) => !own.some(({ name }) => name === one.name)), ...own];
