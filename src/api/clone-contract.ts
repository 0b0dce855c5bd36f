// Clones: each node's own disk over an image.
import Type, { type Static } from "typebox";
import { ImageView } from "./image-contract.ts";
import { type CommandsOf, route } from "./route.ts";
import { args, BYTES, MS, NAME, NamedView, NO_ARGS, NODE, oneOf, orNull, view } from "./schema.ts";

const CloneView = view("CloneView", {
  kind: oneOf("disk", "tree"),
  node: Type.String(),
  image: Type.String(),
  path: Type.String(),
  size: BYTES,
  ownBytes: BYTES,
  createdMs: MS,
  sharedBytes: Type.Integer({ description: "bytes that its snapshots hold, apart from its own" }),
  snapshots: Type.Integer(),
  quota: Type.Optional(Type.Integer({ description: "bytes that it and its snapshots may take" })),
  ephemeral: Type.Boolean({ description: "made anew at every boot" }),
  inUse: Type.Boolean({ description: "a node, or a tool, has it open now" }),
});
export type CloneView = Static<typeof CloneView>;

const SnapshotView = view("SnapshotView", { name: Type.String(), createdMs: MS, ownBytes: BYTES });
export type SnapshotView = Static<typeof SnapshotView>;

const ExportFormat = oneOf("raw", "qcow2", "xz", "tar");
export type ExportFormat = Static<typeof ExportFormat>;

const PromotedView = view("PromotedView", {
  image: ImageView,
  snapshot: Type.Optional(Type.String()),
  cleaned: Type.Array(Type.String(), { description: "what was cleaned, in words" }),
  notes: Type.Array(Type.String()),
});
export type PromotedView = Static<typeof PromotedView>;

const COUNT = Type.Integer();
const DiffView = view("DiffView", {
  node: Type.String(),
  image: Type.String({ description: "that it is compared with" }),
  snapshot: Type.Optional(Type.String()),
  entries: Type.Array(
    view("DiffEntry", {
      path: Type.String(),
      what: oneOf("added", "changed", "attributes", "removed"),
      kind: Type.String({ description: "file, directory, symlink, …" }),
      size: BYTES,
      before: Type.Integer({ description: "bytes that it has in the image" }),
    }),
    { description: "the first 10000" },
  ),
  totals: view("DiffTotals", {
    ...{ added: COUNT, changed: COUNT, attributes: COUNT, removed: COUNT },
    bytes: Type.Integer({ description: "of what is new or changed" }),
  }),
});
export type DiffView = Static<typeof DiffView>;

const one = args({ node: NODE });
const flag = Type.Optional(Type.Boolean());
const force = Type.Optional(Type.Boolean({ description: "also while the node runs, which loses its disk" }));

export const CLONE_ROUTES = {
  clones: route({
    method: "GET",
    path: "/clones",
    summary: "Clones",
    role: "viewer",
    tenant: "filtered",
    args: NO_ARGS,
    result: Type.Array(CloneView),
  }),
  clone: route({
    method: "GET",
    path: "/clones/:node",
    summary: "A node's clone",
    role: "viewer",
    args: one,
    result: CloneView,
  }),
  resetClone: route({
    method: "POST",
    path: "/clones/:node/reset",
    summary: "The node's next boot begins with its image as it is; snapshots stay unless they are to go, too",
    role: "tenant",
    args: args({ node: NODE, force, dropSnapshots: flag }),
    result: view("NodeNamed", { node: Type.String() }),
  }),
  serveClone: route({
    method: "POST",
    path: "/clones/:node/serve",
    summary: "Open the disk over NBD on the server's loopback, for tools",
    role: "admin",
    args: one,
    result: view("Served", { uri: Type.String() }),
  }),
  snapshots: route({
    method: "GET",
    path: "/clones/:node/snapshots",
    summary: "What there is to go back to",
    role: "viewer",
    args: one,
    result: Type.Array(SnapshotView),
  }),
  snapshotClone: route({
    method: "POST",
    path: "/clones/:node/snapshots",
    summary: "Keep the disk as it is now, also while the node runs",
    role: "tenant",
    args: args({ node: NODE, name: NAME }),
    result: SnapshotView,
  }),
  dropSnapshot: route({
    method: "DELETE",
    path: "/clones/:node/snapshots/:snapshot",
    summary: "Forget a snapshot",
    role: "tenant",
    args: args({ node: NODE, snapshot: NAME }),
    result: NamedView,
  }),
  rollbackClone: route({
    method: "POST",
    path: "/clones/:node/rollback",
    summary: "The disk becomes what the snapshot holds",
    role: "tenant",
    args: args({ node: NODE, snapshot: NAME, force }),
    result: CloneView,
  }),
  exportClone: route({
    method: "POST",
    path: "/clones/:node/export",
    summary: "Write the disk to a file of the server's",
    role: "admin",
    long: true,
    args: args({
      node: NODE,
      to: Type.String({ minLength: 1, maxLength: 4096 }),
      format: ExportFormat,
      snapshot: Type.Optional(NAME),
      force: flag,
    }),
    result: view("Exported", { path: Type.String(), bytes: BYTES }),
  }),
  promoteClone: route({
    method: "POST",
    path: "/clones/:node/promote",
    summary: "The disk becomes a new image",
    role: "operator",
    long: true,
    args: args({
      node: NODE,
      name: Type.Optional(NAME),
      snapshot: Type.Optional(NAME),
      keep: Type.Optional(Type.Array(NAME, { maxItems: 64 })),
      clean: flag,
    }),
    result: PromotedView,
  }),
  diffClone: route({
    method: "GET",
    path: "/clones/:node/diff",
    summary: "What a node with an NFS root has changed of its image, file by file",
    role: "viewer",
    args: args({ node: NODE, snapshot: Type.Optional(NAME) }),
    result: DiffView,
  }),
  rebaseClone: route({
    method: "POST",
    path: "/clones/:node/rebase",
    summary: "Put the clone over another image version",
    role: "operator",
    args: args({ node: NODE, image: Type.Optional(NAME), discardChanges: flag, force }),
    result: CloneView,
  }),
  resizeClone: route({
    method: "POST",
    path: "/clones/:node/resize",
    summary: "Make the disk bigger",
    role: "operator",
    args: args({ node: NODE, size: Type.Integer() }),
    result: CloneView,
  }),
  setCloneQuota: route({
    method: "PUT",
    path: "/clones/:node/quota",
    summary: "How many bytes it and its snapshots may take; null takes it back to the profile's",
    role: "operator",
    args: args({ node: NODE, quota: orNull(Type.Integer()) }),
    result: CloneView,
  }),
  mergeClone: route({
    method: "POST",
    path: "/clones/:node/merge",
    summary: "Write files of dropped snapshots together now",
    role: "operator",
    long: true,
    args: one,
    result: CloneView,
  }),
};
export type CloneCommands = CommandsOf<typeof CLONE_ROUTES>;
