// Volumes: extra disks.
import Type, { type Static } from "typebox";
import { type CommandsOf, route } from "./route.ts";
import { args, BYTES, MS, NAME, NamedView, NO_ARGS, NODE, oneOf, view } from "./schema.ts";

const VolumeView = view("VolumeView", {
  id: Type.String(),
  name: Type.String(),
  size: BYTES,
  fstype: oneOf("ext4", "none"),
  mountpoint: Type.Optional(Type.String()),
  node: Type.Optional(Type.String({ description: "absent: it is attached to none" })),
  lun: Type.Optional(Type.Integer()),
  bySettings: Type.Boolean({ description: "the node's settings gave it to it" }),
  path: Type.String(),
  ownBytes: BYTES,
  createdMs: MS,
  inUse: Type.Boolean(),
});
export type VolumeView = Static<typeof VolumeView>;

const one = args({ volume: NAME });
const mountpoint = Type.Optional(NAME);

export const VOLUME_ROUTES = {
  volumes: route({
    method: "GET",
    path: "/volumes",
    summary: "Volumes",
    role: "viewer",
    tenant: "filtered",
    args: NO_ARGS,
    result: Type.Array(VolumeView),
  }),
  volume: route({
    method: "GET",
    path: "/volumes/:volume",
    summary: "One volume",
    role: "viewer",
    tenant: "filtered",
    args: one,
    result: VolumeView,
  }),
  createVolume: route({
    method: "POST",
    path: "/volumes",
    summary: "Make a volume",
    role: "operator",
    args: args({ name: NAME, size: Type.Integer(), fstype: Type.Optional(NAME), mountpoint }),
    result: VolumeView,
  }),
  attachVolume: route({
    method: "POST",
    path: "/volumes/:volume/attach",
    summary: "Give a volume to a node, from its next boot on",
    role: "operator",
    args: args({ volume: NAME, node: NODE, mountpoint }),
    result: VolumeView,
  }),
  detachVolume: route({
    method: "POST",
    path: "/volumes/:volume/detach",
    summary: "Take a volume from its node",
    role: "operator",
    args: args({ volume: NAME, force: Type.Optional(Type.Boolean()) }),
    result: VolumeView,
  }),
  resizeVolume: route({
    method: "POST",
    path: "/volumes/:volume/resize",
    summary: "Make a volume bigger",
    role: "operator",
    args: args({ volume: NAME, size: Type.Integer() }),
    result: VolumeView,
  }),
  removeVolume: route({
    method: "DELETE",
    path: "/volumes/:volume",
    summary: "Remove a volume with all that is on it",
    role: "operator",
    args: one,
    result: NamedView,
  }),
};
export type VolumeCommands = CommandsOf<typeof VOLUME_ROUTES>;
