import type { Model } from "../formats/boards.ts";
import type { Planned } from "./address-plan.ts";
import type { BootOverride } from "./boot-answer.ts";
import { allVolumes, type Guard, type VolumeSpec } from "./disk-settings.ts";
import type { NodeState } from "./lifecycle-table.ts";
import type { ExternalRoot, NfsBoot, NfsDurability } from "./nfs-root.ts";
import type { Place } from "./places.ts";

/**
 * How a node gets its root. `auto` follows the release: iSCSI. `nfs`: a tree of its own over its image. `external`: on a server that is not
 * ours. `inventory`: none, it tells what it is and powers off. `shell`: none, a person at its console looks around.
 */
export const ROOT_MODES = ["auto", "iscsi", "nbd", "nfs", "ram", "external", "inventory", "shell"] as const;
export type RootMode = (typeof ROOT_MODES)[number];

/** What a person wants to find on a node: written into its root at boot, never into the image. */
export interface SeedSettings {
  user?: string;
  /** crypt(3) form, `$6$…` or `$y$…`: write-only, never shown. */
  passwordHash?: string;
  sshKeys?: string[];
}

/** What nodes and profiles say about disks. */
export interface DiskSettings {
  /** A fresh clone at every boot. */
  ephemeral?: boolean;
  /** Bytes that the clone may have of its own, snapshots included. */
  quota?: number;
  guard?: Guard;
  volumes?: VolumeSpec[];
  /** Who mounts an NFS root. */
  nfsBoot?: NfsBoot;
  /** Of its tree; absent: as the server was started. */
  nfsDurability?: NfsDurability;
  /** Where the root of mode `external` is. */
  external?: ExternalRoot;
}

/** What only the life cycle changes (app/life). */
export interface NodeLife {
  state: NodeState;
  /** One more with each change of what stands here. */
  version: number;
  /** A tenant's name; absent: nobody's. */
  owner?: string;
  /** Why it is in maintenance: nothing is done to it by itself. */
  maintenance?: string;
  stateSinceMs: number;
  /** When the try that is under way is over. */
  deadlineMs?: number;
  /** Tries that this state has had; 0 where it needs none. */
  attempt: number;
  override?: BootOverride;
}

export interface Node extends DiskSettings, NodeLife {
  /** The serial when the node was first heard with one, else its MAC with dashes. Never changes. */
  id: string;
  serial?: string;
  mac?: string;
  model?: Model;
  revision?: number;
  /** Also its host name. */
  name: string;
  profile: string;
  /** Overrides of the profile. */
  image?: string;
  root?: RootMode;
  firmware?: string;
  /** A fixed address in full mode. */
  address?: string;
  labels?: Record<string, string>;
  group?: string;
  place?: Place;
  /** Address and MAC of its second way in, such as a BMC. */
  management?: string;
  managementMac?: string;
  /** Addresses that pools of the plan gave it. */
  planned?: Planned;
  /** What templates call `value.NAME`, in place of its group's and profile's. */
  values?: Record<string, string>;
  seed: SeedSettings;
  firstSeenMs: number;
  lastSeenMs: number;
}

export interface Profile extends DiskSettings {
  name: string;
  /** Reference `name:version` of an image; the first image that is added becomes the default profile's. */
  image?: string;
  root: RootMode;
  /** Boot files laid under the clone's own, `name:version`. */
  firmware?: string;
  seed: SeedSettings;
  /** One more after each change. */
  version?: number;
}

export const DEFAULT_PROFILE = "default";

/** What a node is set to after its profile: the node's own values win. */
export function resolveNode(node: Node, profile: Profile) {
  const root = node.root ?? profile.root;
  return {
    image: node.image ?? profile.image,
    root: root === "auto" ? ("iscsi" as const) : root,
    firmware: node.firmware ?? profile.firmware,
    seed: { ...profile.seed, ...node.seed },
    ephemeral: node.ephemeral ?? profile.ephemeral ?? false,
    quota: node.quota ?? profile.quota,
    guard: node.guard ?? profile.guard,
    volumes: allVolumes(profile.volumes, node.volumes),
    nfsBoot: node.nfsBoot ?? profile.nfsBoot ?? ("auto" as const),
    nfsDurability: node.nfsDurability ?? profile.nfsDurability,
    external: node.external ?? profile.external,
  };
}

/** RFC 1123 host name from anything, e.g. "My Pi #3" → "my-pi-3". */
export const hostName = (text: string): string =>
  text
    .toLowerCase()
    .replace(/[^a-z0-9-]+/g, "-")
    .replace(/^-+|-+$/g, "")
    .slice(0, 63) || "pi";
