// What the CLI and the page may ask about profiles, templates, secrets and seeds: a part of the contract.
import Type, { type Static } from "typebox";
import { Place } from "./model-contract.ts";
import { PROFILE } from "./profile-settings-contract.ts";
import { type CommandsOf, route } from "./route.ts";
import { args, MS, NAME, NamedView, NO_ARGS, NODE, orNull, view } from "./schema.ts";

/** Texts of templates; together they may have 1 MiB (fleet/profiles.ts). */
const TEXT = Type.String({ maxLength: 1 << 20 });
const LINES = Type.Array(Type.String({ maxLength: 64 * 1024 }), { maxItems: 200 });
const MODE = Type.Integer({ minimum: 0, maximum: 0o7777, description: "file mode" });
const File = args({ path: Type.String({ minLength: 1, maxLength: 4096 }), mode: MODE, text: TEXT });
const optional = Type.Optional;

const Templates = view("Templates", {
  userData: optional(TEXT),
  metaData: optional(TEXT),
  networkConfig: optional(TEXT),
  ipxe: optional(TEXT),
  files: Type.Array(File),
  packages: LINES,
  commands: LINES,
  cmdline: LINES,
  config: LINES,
  values: Type.Record(Type.String(), orNull(Type.String()), {
    description: "value.NAME in templates; null: to be given before a node can boot",
  }),
  cluster: Type.Boolean({ description: "its nodes form one cluster" }),
});

const TemplatesPatch = args({
  userData: optional(orNull(TEXT)),
  metaData: optional(orNull(TEXT)),
  networkConfig: optional(orNull(TEXT)),
  ipxe: optional(orNull(TEXT)),
  files: optional(
    orNull(
      Type.Array(args({ path: Type.String({ maxLength: 4096 }), mode: MODE, text: orNull(TEXT) }), {
        maxItems: 200,
        description: "by path; a null text takes the file away",
      }),
    ),
  ),
  packages: optional(orNull(LINES)),
  commands: optional(orNull(LINES)),
  cmdline: optional(orNull(LINES)),
  config: optional(orNull(LINES)),
  values: optional(Type.Record(Type.String(), orNull(Type.String()), { description: "null takes one away" })),
  cluster: optional(Type.Boolean()),
});
export type TemplatesPatch = Static<typeof TemplatesPatch>;

const SecretView = view("SecretView", { name: Type.String(), setMs: MS });

const ProfileDetail = view("ProfileDetail", {
  ...PROFILE,
  templates: Templates,
  templatesVersion: Type.Integer({ description: "the newest version of its templates; 0: it never had any" }),
  secrets: Type.Array(SecretView, { description: "names only: what they are, nobody is told" }),
  nodes: Type.Array(Type.String(), { description: "by their numbers in the profile" }),
  cluster: optional(
    Type.Object(
      { first: Type.String(), address: Type.String(), atMs: MS },
      { description: "who made its cluster, and where the others join it" },
    ),
  ),
});
export type ProfileDetail = Static<typeof ProfileDetail>;

const VersionView = view("TemplateVersionView", {
  version: Type.Integer(),
  atMs: MS,
  by: Type.String(),
  note: Type.String({ description: "what was changed" }),
  current: Type.Boolean(),
});

const SeedView = view("SeedView", {
  node: Type.String(),
  profile: Type.String(),
  files: Type.Array(File, {
    description: "as they would lie in the node's root; words stand where secrets are",
  }),
  cmdline: Type.Array(Type.String()),
  config: Type.Array(Type.String()),
});

export type SeedView = Static<typeof SeedView>;

const AppliedView = view("AppliedView", {
  profile: Type.String(),
  made: Type.Boolean({ description: "it was made from the one that Bramble ships" }),
  nodes: Type.Array(Type.Object({ node: Type.String(), number: Type.Integer(), does: Type.String() })),
});

export type AppliedView = Static<typeof AppliedView>;

/** A board that need not be there. */
const Board = args({
  name: optional(NAME),
  serial: optional(Type.String({ pattern: "^[0-9a-fA-F]{8,16}$" })),
  mac: optional(Type.String({ maxLength: 17 })),
  model: optional(NAME),
  address: optional(Type.String({ maxLength: 15 })),
  management: optional(Type.String({ maxLength: 15 })),
  group: optional(NAME),
  labels: optional(Type.Record(Type.String(), Type.String())),
  place: optional(Place),
  values: optional(Type.Record(Type.String(), Type.String())),
  number: optional(Type.Integer({ minimum: 0, maximum: 100_000, description: "its number in the profile" })),
});
export type PreviewBoard = Static<typeof Board>;

const PreviewView = view("PreviewView", {
  profile: Type.String(),
  version: Type.Integer({ description: "of the templates; of a draft, the one that it changes" }),
  board: Type.String({ description: "whom it is for, in words" }),
  parts: Type.Array(
    Type.Object({
      part: Type.String({ description: "cmdline, config, ipxe, user-data, file /etc/motd …" }),
      text: optional(Type.String({ description: "what it becomes; words stand where secrets are" })),
      error: optional(
        Type.Object({
          line: Type.Integer(),
          column: Type.Integer(),
          message: Type.String(),
          hint: optional(Type.String()),
        }),
      ),
    }),
  ),
  ok: Type.Boolean({ description: "false: this board would not be booted" }),
});
export type PreviewView = Static<typeof PreviewView>;

const operator = { role: "operator" } as const;
const PROFILE_ARG = args({ profile: NAME });

export const PROFILE_ROUTES = {
  profile: route({
    ...operator,
    method: "GET",
    path: "/profiles/:profile",
    summary: "One profile with its templates, its nodes and the names of its secrets",
    args: PROFILE_ARG,
    result: ProfileDetail,
  }),
  addProfile: route({
    ...operator,
    method: "POST",
    path: "/profiles",
    summary: "A new profile: like `from`, else as Bramble ships it where it does, else empty",
    args: args({ profile: NAME, from: optional(NAME) }),
    result: ProfileDetail,
  }),
  removeProfile: route({
    ...operator,
    method: "DELETE",
    path: "/profiles/:profile",
    summary: "Remove a profile that no node has, with its templates and secrets",
    args: PROFILE_ARG,
    result: NamedView,
  }),
  setTemplates: route({
    ...operator,
    method: "PATCH",
    path: "/profiles/:profile/templates",
    summary: "Change a profile's templates, which makes a version; running nodes get it at their next boot",
    args: args({ profile: NAME, patch: TemplatesPatch }),
    result: ProfileDetail,
  }),
  previewProfile: route({
    ...operator,
    method: "POST",
    path: "/profiles/:profile/preview",
    summary: "What a node, or a board that is not there, would get from a profile, or from a draft of it",
    args: args({
      profile: NAME,
      node: optional(NODE),
      board: optional(Board),
      version: optional(Type.Integer({ minimum: 0 })),
      patch: optional(TemplatesPatch),
    }),
    result: PreviewView,
  }),
  templateVersions: route({
    ...operator,
    method: "GET",
    path: "/profiles/:profile/versions",
    summary: "The versions of a profile's templates that are kept, newest first",
    args: PROFILE_ARG,
    result: Type.Array(VersionView),
  }),
  templateVersion: route({
    ...operator,
    method: "GET",
    path: "/profiles/:profile/versions/:version",
    summary: "A profile's templates as they were",
    args: args({ profile: NAME, version: Type.Integer({ minimum: 0 }) }),
    result: Templates,
  }),
  rollbackTemplates: route({
    ...operator,
    method: "POST",
    path: "/profiles/:profile/rollback",
    summary: "Take a profile's templates back to a version, which makes a new one",
    args: args({ profile: NAME, version: Type.Integer({ minimum: 0 }) }),
    result: ProfileDetail,
  }),
  setSecret: route({
    ...operator,
    method: "PUT",
    path: "/profiles/:profile/secrets/:name",
    summary: "Set a secret, which nobody is shown again",
    args: args({ profile: NAME, name: NAME, value: Type.String({ minLength: 1, maxLength: 64 * 1024 }) }),
    result: SecretView,
  }),
  removeSecret: route({
    ...operator,
    method: "DELETE",
    path: "/profiles/:profile/secrets/:name",
    summary: "Remove a secret; templates that print it fail from then on",
    args: args({ profile: NAME, name: NAME }),
    result: NamedView,
  }),
  applyProfile: route({
    ...operator,
    method: "POST",
    path: "/profiles/:profile/nodes",
    summary: "Set nodes to a profile, numbered in the order given",
    args: args({ profile: NAME, nodes: Type.Array(NODE, { minItems: 1, maxItems: 20_000 }) }),
    result: AppliedView,
  }),
  forgetCluster: route({
    ...operator,
    method: "DELETE",
    path: "/profiles/:profile/cluster",
    summary: "Its first node makes a new cluster at its next boot",
    args: PROFILE_ARG,
    result: NamedView,
  }),
  readyProfiles: route({
    method: "GET",
    path: "/ready-profiles",
    summary: "The profiles that Bramble ships",
    role: "viewer",
    tenant: "shared",
    args: NO_ARGS,
    result: Type.Array(view("ReadyProfile", { name: Type.String(), about: Type.String() })),
  }),
  nodeSeed: route({
    method: "GET",
    path: "/nodes/:node/seed",
    summary: "The files that its profile would write into a node's root now",
    role: "tenant",
    args: args({ node: NODE, cloudInit: optional(Type.Boolean()) }),
    result: SeedView,
  }),
};
export type ProfileCommands = CommandsOf<typeof PROFILE_ROUTES>;
