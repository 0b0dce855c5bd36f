// What the CLI and the page may ask about profiles, templates, secrets and seeds: a part of the contract.
import type { ProfileFile, ProfileTemplates } from "../fleet/profiles.ts";
import type { PatchOfTemplates } from "../fleet/templates-patch.ts";
import type { ProfileView } from "./contract.ts";
import type { RouteFacts } from "./route.ts";

export interface SecretView {
  name: string;
  setMs: number;
}

export interface ProfileDetail extends ProfileView {
  templates: ProfileTemplates;
  /** Names only: what they are, nobody is told. */
  secrets: SecretView[];
  /** By their numbers in the profile. */
  nodes: string[];
  /** Who made its cluster, and where the others join it. */
  cluster?: { first: string; address: string; atMs: number };
}

export type TemplatesPatch = PatchOfTemplates;

export interface SeedView {
  node: string;
  profile: string;
  /** As they would lie in the node's root; words stand where secrets are. */
  files: ProfileFile[];
  cmdline: string[];
  config: string[];
}

export interface AppliedView {
  profile: string;
  /** True: it was made from the one that Bramble ships. */
  made: boolean;
  nodes: { node: string; number: number; does: string }[];
}

export interface ProfileCommands {
  profile(args: { profile: string }): Promise<ProfileDetail>;
  /** `from`: another profile, or one that Bramble ships; default: a shipped one of that name, else an empty one. */
  addProfile(args: { profile: string; from?: string }): Promise<ProfileDetail>;
  removeProfile(args: { profile: string }): Promise<{ name: string }>;
  setTemplates(args: { profile: string; patch: TemplatesPatch }): Promise<ProfileDetail>;
  setSecret(args: { profile: string; name: string; value: string }): Promise<SecretView>;
  removeSecret(args: { profile: string; name: string }): Promise<{ name: string }>;
  applyProfile(args: { profile: string; nodes: string[] }): Promise<AppliedView>;
  forgetCluster(args: { profile: string }): Promise<{ name: string }>;
  readyProfiles(args: object): Promise<{ name: string; about: string }[]>;
  nodeSeed(args: { node: string; cloudInit?: boolean }): Promise<SeedView>;
}

export const PROFILE_ROUTES: { [C in keyof ProfileCommands]: RouteFacts } = {
  profile: { method: "GET", path: "/profiles/:profile" },
  addProfile: { method: "POST", path: "/profiles" },
  removeProfile: { method: "DELETE", path: "/profiles/:profile" },
  setTemplates: { method: "PATCH", path: "/profiles/:profile/templates" },
  setSecret: { method: "PUT", path: "/profiles/:profile/secrets/:name" },
  removeSecret: { method: "DELETE", path: "/profiles/:profile/secrets/:name" },
  applyProfile: { method: "POST", path: "/profiles/:profile/nodes" },
  forgetCluster: { method: "DELETE", path: "/profiles/:profile/cluster" },
  readyProfiles: { method: "GET", path: "/ready-profiles" },
  nodeSeed: { method: "GET", path: "/nodes/:node/seed" },
};
