// What the CLI and the page may ask of Bramble, running or not: one table of routes, from which server and client are both made.

import type { WalkedFile } from "../fleet/boot-walk.ts";
import type { BootStage, Outcome, Step } from "../fleet/boots.ts";
import type { Guard, VolumeFilesystem, VolumeSpec } from "../fleet/disk-settings.ts";
import type { NodeState, RootMode } from "../fleet/node.ts";
import { PROFILE_ROUTES, type ProfileCommands } from "./profile-contract.ts";
import type { CallsOf, Context, DescribedRoute, RouteFacts } from "./route.ts";

export interface NodeView extends DiskSettingsView {
  id: string;
  name: string;
  state: NodeState;
  serial?: string;
  mac?: string;
  model?: string;
  revision?: number;
  profile: string;
  image?: string;
  root: string;
  firmware?: string;
  address?: string;
  user?: string;
  /** A password is set; what it is, nobody is told. */
  hasPassword: boolean;
  sshKeys: number;
  /** Names of the settings that are the node's own, not its profile's. */
  own: string[];
  firstSeenMs: number;
  lastSeenMs: number;
  boot?: BootView;
}

export interface BootView {
  id: string;
  node: string;
  startedMs: number;
  endedMs?: number;
  stage: BootStage;
  /** Absent: it is on its way. */
  outcome?: Outcome;
  verdict?: string;
  root?: string;
  image?: string;
}
export interface BootDetail extends BootView {
  steps: Step[];
}

export interface EventView {
  id: number;
  atMs: number;
  node?: string;
  kind: string;
  words: string;
}

export interface ImageView {
  sha256: string;
  sourceSha256: string;
  name: string;
  version: string;
  aliases: string[];
  size: number;
  allocated: number;
  source: string;
  addedAt: string;
  facts: {
    scheme: string;
    diskId: string;
    partitions: {
      number: number;
      offset: number;
      size: number;
      filesystem: string;
      label?: string;
      partUuid: string;
    }[];
    bootPartition?: number;
    rootPartition?: number;
    distribution?: { id: string; version?: string; prettyName: string };
    kernels: { file: string; version?: string; modulesPath?: string }[];
    models: { model: string; boots: boolean; missing: string[] }[];
    cmdline?: string;
    notes: string[];
  };
}

export interface FirmwareView {
  name: string;
  version: string;
  source: string;
  addedAt: string;
  files: number;
  size: number;
}

export interface CloneView {
  node: string;
  image: string;
  path: string;
  size: number;
  ownBytes: number;
  createdMs: number;
  /** Bytes that its snapshots hold, apart from its own. */
  sharedBytes: number;
  snapshots: number;
  /** Bytes that it and its snapshots may take. */
  quota?: number;
  /** Made anew at every boot. */
  ephemeral: boolean;
  /** A node, or a tool, has it open now. */
  inUse: boolean;
}

export interface SnapshotView {
  name: string;
  createdMs: number;
  ownBytes: number;
}

export type ExportFormat = "raw" | "qcow2" | "xz";

export interface PromotedView {
  image: ImageView;
  snapshot?: string;
  /** What was cleaned, in words. */
  cleaned: string[];
  notes: string[];
}

export interface VolumeView {
  id: string;
  name: string;
  size: number;
  fstype: VolumeFilesystem;
  mountpoint?: string;
  /** Absent: it is attached to none. */
  node?: string;
  lun?: number;
  /** The node's settings gave it to it. */
  bySettings: boolean;
  path: string;
  ownBytes: number;
  createdMs: number;
  inUse: boolean;
}

/** What a node is given about disks; its own or its profile's. */
export interface DiskSettingsView {
  ephemeral: boolean;
  quota?: number;
  guard?: Guard;
  volumes: VolumeSpec[];
}

export interface ProfileView extends DiskSettingsView {
  name: string;
  image?: string;
  root: RootMode;
  firmware?: string;
  user?: string;
  hasPassword: boolean;
  sshKeys: number;
}

export interface TreeView {
  node: string;
  model: string;
  image: string;
  files: WalkedFile[];
  /** Everything else that the tree holds in its root folder. */
  others: { path: string; size: number; origin: string }[];
  kernel?: string;
  missing: string[];
  changes: string[];
  notes: { line: number; text: string; why: string; file: string }[];
}

export interface StatusView {
  version: string;
  pid: number;
  data: string;
  startedMs: number;
  /** Empty where no server runs. */
  listening: string[];
  bootsInFlight: number;
  /** The threads of disks and boot files: how often each was started anew after a failure, and why the last time. */
  planes: { name: string; restarts: number; lastMs?: number; lastWhy?: string }[];
  enrol: string;
  capabilities: string[];
  rssBytes: number;
}

/** Null takes a setting back to the profile's (or to none). */
export interface SettingsPatch {
  image?: string | null;
  root?: RootMode | null;
  firmware?: string | null;
  user?: string | null;
  passwordHash?: string | null;
  sshKeys?: string[] | null;
  ephemeral?: boolean | null;
  quota?: number | null;
  guard?: Guard | null;
  volumes?: VolumeSpec[] | null;
}
export interface NodeSettingsPatch extends SettingsPatch {
  name?: string;
  profile?: string;
  address?: string | null;
}

type Long = [context: Context];

export interface Commands extends CloneCommands, VolumeCommands, ProfileCommands {
  status(args: object): Promise<StatusView>;
  nodes(args: object): Promise<NodeView[]>;
  node(args: { node: string }): Promise<NodeView>;
  setNode(args: { node: string; patch: NodeSettingsPatch }): Promise<NodeView>;
  enrolNode(args: { node: string }): Promise<NodeView>;
  /** Its volumes are detached and stay. */
  forgetNode(args: { node: string }): Promise<{ name: string; volumes: string[] }>;
  nodeTree(args: { node: string; model?: string }): Promise<TreeView>;
  nodeFile(args: { node: string; path: string }): Promise<{ base64: string; origin: string }>;
  explain(args: { node: string }): Promise<{ node: NodeView; boot?: BootDetail; events: EventView[] }>;
  boots(args: { node?: string; limit?: number }): Promise<BootView[]>;
  boot(args: { boot: string }): Promise<BootDetail>;
  events(args: { node?: string; limit?: number }): Promise<EventView[]>;
  images(args: object): Promise<ImageView[]>;
  image(args: { image: string }): Promise<ImageView>;
  addImage(args: { source: string; name?: string; sha256?: string }, context: Context): Promise<ImageView>;
  removeImage(args: { image: string }): Promise<{ name: string }>;
  firmwares(args: object): Promise<FirmwareView[]>;
  addFirmware(args: { source: string; name?: string }): Promise<FirmwareView>;
  removeFirmware(args: { firmware: string }): Promise<{ name: string }>;
  profiles(args: object): Promise<ProfileView[]>;
  setProfile(args: { profile: string; patch: SettingsPatch }): Promise<ProfileView>;
  setEnrol(args: { rule: string }): Promise<{ rule: string }>;
}

/** The commands as the CLI and tests call them. */
export type Calls = CallsOf<Commands>;

export interface CloneCommands {
  clones(args: object): Promise<CloneView[]>;
  clone(args: { node: string }): Promise<CloneView>;
  /** `force`: also while the node runs, which loses its disk. So for rollback and rebase. Snapshots stay unless they are to go, too. */
  resetClone(args: { node: string; force?: boolean; dropSnapshots?: boolean }): Promise<{ node: string }>;
  serveClone(args: { node: string }): Promise<{ uri: string }>;
  snapshots(args: { node: string }): Promise<SnapshotView[]>;
  snapshotClone(args: { node: string; name: string }): Promise<SnapshotView>;
  dropSnapshot(args: { node: string; snapshot: string }): Promise<{ name: string }>;
  rollbackClone(args: { node: string; snapshot: string; force?: boolean }): Promise<CloneView>;
  exportClone(
    args: { node: string; to: string; format: ExportFormat; snapshot?: string; force?: boolean },
    ...long: Long
  ): Promise<{ path: string; bytes: number }>;
  promoteClone(
    args: { node: string; name?: string; snapshot?: string; keep?: string[]; clean?: boolean },
    ...long: Long
  ): Promise<PromotedView>;
  rebaseClone(args: {
    node: string;
    image?: string;
    discardChanges?: boolean;
    force?: boolean;
  }): Promise<CloneView>;
  resizeClone(args: { node: string; size: number }): Promise<CloneView>;
  /** Null takes it back to the profile's. */
  setCloneQuota(args: { node: string; quota: number | null }): Promise<CloneView>;
  mergeClone(args: { node: string }, ...long: Long): Promise<CloneView>;
}

export interface VolumeCommands {
  volumes(args: object): Promise<VolumeView[]>;
  volume(args: { volume: string }): Promise<VolumeView>;
  createVolume(args: {
    name: string;
    size: number;
    fstype?: string;
    mountpoint?: string;
  }): Promise<VolumeView>;
  attachVolume(args: { volume: string; node: string; mountpoint?: string }): Promise<VolumeView>;
  detachVolume(args: { volume: string; force?: boolean }): Promise<VolumeView>;
  resizeVolume(args: { volume: string; size: number }): Promise<VolumeView>;
  removeVolume(args: { volume: string }): Promise<{ name: string }>;
}

export const ROUTES: { [C in keyof Commands]: RouteFacts | DescribedRoute } = {
  status: { method: "GET", path: "/status" },
  nodes: { method: "GET", path: "/nodes" },
  node: { method: "GET", path: "/nodes/:node" },
  setNode: { method: "PATCH", path: "/nodes/:node" },
  enrolNode: { method: "POST", path: "/nodes/:node/enrol" },
  forgetNode: { method: "DELETE", path: "/nodes/:node" },
  nodeTree: { method: "GET", path: "/nodes/:node/tree" },
  nodeFile: { method: "GET", path: "/nodes/:node/file" },
  explain: { method: "GET", path: "/nodes/:node/explain" },
  boots: { method: "GET", path: "/boots" },
  boot: { method: "GET", path: "/boots/:boot" },
  events: { method: "GET", path: "/events" },
  images: { method: "GET", path: "/images" },
  image: { method: "GET", path: "/images/:image" },
  addImage: { method: "POST", path: "/images", long: true },
  removeImage: { method: "DELETE", path: "/images/:image" },
  firmwares: { method: "GET", path: "/firmware" },
  addFirmware: { method: "POST", path: "/firmware" },
  removeFirmware: { method: "DELETE", path: "/firmware/:firmware" },
  clones: { method: "GET", path: "/clones" },
  clone: { method: "GET", path: "/clones/:node" },
  resetClone: { method: "POST", path: "/clones/:node/reset" },
  serveClone: { method: "POST", path: "/clones/:node/serve" },
  snapshots: { method: "GET", path: "/clones/:node/snapshots" },
  snapshotClone: { method: "POST", path: "/clones/:node/snapshots" },
  dropSnapshot: { method: "DELETE", path: "/clones/:node/snapshots/:snapshot" },
  rollbackClone: { method: "POST", path: "/clones/:node/rollback" },
  exportClone: { method: "POST", path: "/clones/:node/export", long: true },
  promoteClone: { method: "POST", path: "/clones/:node/promote", long: true },
  rebaseClone: { method: "POST", path: "/clones/:node/rebase" },
  resizeClone: { method: "POST", path: "/clones/:node/resize" },
  setCloneQuota: { method: "PUT", path: "/clones/:node/quota" },
  mergeClone: { method: "POST", path: "/clones/:node/merge", long: true },
  volumes: { method: "GET", path: "/volumes" },
  volume: { method: "GET", path: "/volumes/:volume" },
  createVolume: { method: "POST", path: "/volumes" },
  attachVolume: { method: "POST", path: "/volumes/:volume/attach" },
  detachVolume: { method: "POST", path: "/volumes/:volume/detach" },
  resizeVolume: { method: "POST", path: "/volumes/:volume/resize" },
  removeVolume: { method: "DELETE", path: "/volumes/:volume" },
  profiles: { method: "GET", path: "/profiles" },
  setProfile: { method: "PATCH", path: "/profiles/:profile" },
  ...PROFILE_ROUTES,
  setEnrol: { method: "PUT", path: "/enrol" },
};
