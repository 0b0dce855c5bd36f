// What nodes and profiles say about disks and seeds: parts of their views and patches.
import Type, { type Static } from "typebox";
import { NFS_DURABILITIES } from "../fleet/nfs-root.ts";
import { ROOT_MODES } from "../fleet/node.ts";
import { args, NAME, oneOf, orNull } from "./schema.ts";

export const RootMode = oneOf(...ROOT_MODES);
const Guard = args({ shutdown: Type.Number({ minimum: 0 }), down: Type.Number({ minimum: 0 }) });
const VolumeSpec = args({
  name: NAME,
  size: Type.Integer({ description: "bytes, whole MiB" }),
  fstype: oneOf("ext4", "none"),
  mountpoint: Type.Optional(NAME),
});
const NfsBoot = oneOf("auto", "kernel", "agent");
const NfsDurability = oneOf(...NFS_DURABILITIES);
const ExternalRoot = args({
  type: oneOf("nfs"),
  server: Type.String({ maxLength: 253 }),
  path: Type.String({ maxLength: 512, description: "{node} and {id} stand for the node's" }),
  options: Type.Optional(Type.String({ maxLength: 256, description: "mount options, after vers=3,nolock" })),
});

/** What a node is given about disks; its own or its profile's. */
export const DISK_SETTINGS = {
  ephemeral: Type.Boolean({ description: "a fresh clone at every boot" }),
  quota: Type.Optional(Type.Integer({ description: "bytes that its clone and snapshots may take" })),
  guard: Type.Optional(Guard),
  volumes: Type.Array(VolumeSpec),
  nfsBoot: Type.Optional(NfsBoot),
  nfsDurability: Type.Optional(NfsDurability),
  external: Type.Optional(ExternalRoot),
};
const DiskSettingsView = Type.Object(DISK_SETTINGS);
export type DiskSettingsView = Static<typeof DiskSettingsView>;

/** Null takes a setting back to the profile's (or to none). */
export const SETTINGS_PATCH = {
  image: Type.Optional(orNull(NAME)),
  root: Type.Optional(orNull(RootMode)),
  firmware: Type.Optional(orNull(NAME)),
  user: Type.Optional(orNull(NAME)),
  passwordHash: Type.Optional(
    orNull(Type.String({ maxLength: 512, description: "crypt(3) form; write-only" })),
  ),
  sshKeys: Type.Optional(orNull(Type.Array(Type.String({ maxLength: 16_384 }), { maxItems: 256 }))),
  ephemeral: Type.Optional(orNull(Type.Boolean())),
  quota: Type.Optional(orNull(Type.Integer())),
  guard: Type.Optional(orNull(Guard)),
  volumes: Type.Optional(orNull(Type.Array(VolumeSpec, { maxItems: 64 }))),
  nfsBoot: Type.Optional(orNull(NfsBoot)),
  nfsDurability: Type.Optional(orNull(NfsDurability)),
  external: Type.Optional(orNull(ExternalRoot)),
};
export const SettingsPatch = args(SETTINGS_PATCH);
export type SettingsPatch = Static<typeof SettingsPatch>;
