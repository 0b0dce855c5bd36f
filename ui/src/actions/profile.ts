// What can be done with profiles.
import type { ProfileDetail } from "../../../src/api/profile-contract.ts";
import { tagOf } from "../api.ts";
import { profileNames } from "../choices.ts";
import { count } from "../format.ts";
import { go } from "../place.ts";
import { action, entry, type Option, type Values } from "./action.ts";
import { settingFields } from "./node.ts";

export const addProfile = (ready: readonly Option[]) =>
  action({
    verb: "addProfile",
    title: "Make a profile",
    words: "Out of nothing, as a copy of another one, or of one that Bramble ships.",
    fields: [
      { name: "profile", label: "Name", required: true, example: "web" },
      {
        name: "from",
        label: "From",
        kind: "select",
        options: () => [...profileNames.value.map((name) => ({ value: name, text: name })), ...ready],
      },
    ],
    done: ({ name }) => `Profile ${name} is there`,
    after: ({ name }) => go(`/profiles/${name}`),
  });

export const setProfile = (profile: ProfileDetail) =>
  action({
    verb: "setProfile",
    title: "Change settings",
    words: "For all its nodes, from their next boot on. An image that is left empty: none.",
    fields: settingFields(profile),
    args: (values) => ({ profile: profile.name, patch: patchOf(values, profile) }),
    ifMatch: tagOf(profile),
    done: ({ name }) => `${name}: changed`,
  });

const patchOf = (values: Values, profile: ProfileDetail): Values =>
  Object.fromEntries(
    Object.entries(values).filter(([key, value]) => value !== null || Object.hasOwn(profile, key)),
  );

/** Makes an image the default profile's. */
export const useDefaultImage = (image: string) => [
  entry(
    action({
      verb: "setProfile",
      title: "Use by default",
      words: `Nodes of the profile default boot ${image} from their next boot on; a disk that is there stays on its image until it is put over the new one.`,
      fields: [
        {
          name: "profile",
          label: "Profile",
          kind: "select",
          required: true,
          value: "default",
          options: () => profileNames.value.map((name) => ({ value: name, text: name })),
        },
      ],
      args: ({ profile }) => ({ profile: String(profile), patch: { image } }),
      done: ({ name }) => `${name} boots ${image}`,
    }),
  ),
];

export const applyProfile = (profile: string) =>
  action({
    verb: "applyProfile",
    title: "Apply to nodes",
    words: "In the given order: the first is number 1 of the profile, which templates may use.",
    fields: [{ name: "nodes", label: "Nodes", kind: "list", required: true, hint: "one name a line" }],
    fixed: { profile },
    done: ({ nodes }) =>
      `${count(nodes.length, "node")}: ${nodes.map(({ node, does }) => `${node} ${does}`).join(", ")}`,
  });

export const setSecret = (profile: string) =>
  action({
    verb: "setSecret",
    title: "Set a secret",
    words:
      "Templates use it as secret.NAME. It reaches the node's own session only, and is never shown again.",
    fields: [
      { name: "name", label: "Name", required: true },
      { name: "value", label: "Value", kind: "secret", required: true },
    ],
    fixed: { profile },
    done: ({ name }) => `Secret ${name} is set`,
  });

export const removeSecret = (profile: string, name: string) =>
  action({
    verb: "removeSecret",
    title: "Remove",
    danger: true,
    words: `The secret ${name}.`,
    fields: [],
    fixed: { profile, name },
    done: () => `${name} is removed`,
  });

export const forgetCluster = (profile: ProfileDetail) =>
  action({
    verb: "forgetCluster",
    title: "Forget its cluster",
    danger: true,
    words: "The next node of the profile that boots makes a new cluster.",
    why: profile.cluster ? undefined : "it has none",
    fields: [],
    fixed: { profile: profile.name },
    done: () => "Forgotten",
  });

export const removeProfile = (profile: ProfileDetail) =>
  action({
    verb: "removeProfile",
    title: "Remove",
    danger: true,
    why:
      profile.name === "default"
        ? "new nodes get it"
        : profile.nodes.length > 0
          ? `${count(profile.nodes.length, "node")} have it`
          : undefined,
    fields: [],
    fixed: { profile: profile.name },
    done: ({ name }) => `${name} is removed`,
    after: () => go("/profiles"),
  });

export const rollbackTemplates = (profile: ProfileDetail) =>
  action({
    verb: "rollbackTemplates",
    title: "Go back to a version",
    words: "Makes a new version that is like the old one. Versions are listed below.",
    why: profile.templatesVersion < 2 ? "there is no earlier version" : undefined,
    fields: [
      {
        name: "version",
        label: "Version",
        kind: "number",
        required: true,
        value: Math.max(1, profile.templatesVersion - 1),
      },
    ],
    fixed: { profile: profile.name },
    done: ({ templatesVersion }) => `Version ${templatesVersion}`,
  });
