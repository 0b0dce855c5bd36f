// Profiles and their settings; what else they have is in profile-contract.ts.
import Type, { type Static } from "typebox";
import { DISK_SETTINGS, RootMode, SettingsPatch } from "./disk-settings-contract.ts";
import { type CommandsOf, route } from "./route.ts";
import { args, NAME, NO_ARGS, view } from "./schema.ts";

export const PROFILE = {
  name: Type.String(),
  image: Type.Optional(Type.String()),
  root: RootMode,
  firmware: Type.Optional(Type.String()),
  user: Type.Optional(Type.String()),
  hasPassword: Type.Boolean(),
  sshKeys: Type.Integer(),
  ...DISK_SETTINGS,
};
const ProfileView = view("ProfileView", PROFILE);
export type ProfileView = Static<typeof ProfileView>;

export const PROFILE_SETTINGS_ROUTES = {
  profiles: route({
    method: "GET",
    path: "/profiles",
    summary: "Profiles",
    role: "viewer",
    tenant: "shared",
    args: NO_ARGS,
    result: Type.Array(ProfileView),
  }),
  setProfile: route({
    method: "PATCH",
    path: "/profiles/:profile",
    summary: "Change a profile's settings; null drops one",
    role: "operator",
    args: args({ profile: NAME, patch: SettingsPatch }),
    result: ProfileView,
  }),
};
export type ProfileSettingsCommands = CommandsOf<typeof PROFILE_SETTINGS_ROUTES>;
