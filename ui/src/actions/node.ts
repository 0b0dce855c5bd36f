// What can be done with one node.
import type { NodeView } from "../../../src/api/contract.ts";
import {
  firmwareOptions,
  imageOptions,
  NFS_BOOT_OPTIONS,
  NFS_DURABILITY_OPTIONS,
  profileOptions,
  ROOT_OPTIONS,
} from "../choices.ts";
import { go } from "../place.ts";
import { action, type Field, type Values } from "./action.ts";

export const enrol = (node: NodeView) =>
  action({
    verb: "enrolNode",
    title: "Enrol",
    words: `${node.name} may then boot with the profile ${node.profile}. Its firmware asks again by itself; nothing needs to be switched off and on.`,
    fields: [],
    fixed: { node: node.name },
    why:
      node.state === "discovered" ? undefined : `it is ${node.state}: only a discovered node can be enrolled`,
    done: (next) => `${next.name} is ${next.state}`,
  });

export const rename = (node: NodeView) =>
  action({
    verb: "setNode",
    title: "Rename",
    words: "The name is also its host name, from its next boot on.",
    fields: [{ name: "name", label: "Name", required: true, value: node.name }],
    args: ({ name }) => ({ node: node.name, patch: { name: String(name) } }),
    done: (next) => `It is ${next.name} now`,
    after: (next) => go(`/nodes/${next.name}`),
  });

/** Fields of what nodes and profiles are set to; empty means "as it is inherited". */
export const settingFields = (now: {
  image?: string | undefined;
  root?: string | undefined;
  firmware?: string | undefined;
  user?: string | undefined;
  ephemeral?: boolean | undefined;
  nfsBoot?: string | undefined;
  nfsDurability?: string | undefined;
  external?: NodeView["external"] | undefined;
}): Field[] => [
  {
    name: "image",
    label: "Image",
    kind: "select",
    options: imageOptions,
    emptyIsNull: true,
    ...(now.image !== undefined && { value: now.image }),
  },
  {
    name: "root",
    label: "Root disk",
    kind: "select",
    options: ROOT_OPTIONS,
    emptyIsNull: true,
    ...(now.root !== undefined && { value: now.root }),
  },
  {
    name: "nfsBoot",
    label: "Who mounts an NFS root",
    kind: "select",
    options: NFS_BOOT_OPTIONS,
    emptyIsNull: true,
    ...(now.nfsBoot !== undefined && { value: now.nfsBoot }),
  },
  {
    name: "nfsDurability",
    label: "When a change in an NFS root is answered",
    kind: "select",
    options: NFS_DURABILITY_OPTIONS,
    emptyIsNull: true,
    hint: "empty: as Bramble was started (--nfs-durability)",
    ...(now.nfsDurability !== undefined && { value: now.nfsDurability }),
  },
  {
    name: "external",
    label: "Where an external root is",
    kind: "json",
    emptyIsNull: true,
    hint: "{node} in the path is the node's name",
    example: '{ "type": "nfs", "server": "10.0.0.9", "path": "/srv/nodes/{node}" }',
    ...(now.external !== undefined && { value: JSON.stringify(now.external) }),
  },
  {
    name: "firmware",
    label: "Boot files laid under the clone's own",
    kind: "select",
    options: firmwareOptions,
    emptyIsNull: true,
    ...(now.firmware !== undefined && { value: now.firmware }),
  },
  {
    name: "user",
    label: "User",
    emptyIsNull: true,
    hint: "made at the next boot, with the keys below",
    ...(now.user !== undefined && { value: now.user }),
  },
  {
    name: "passwordHash",
    label: "Password hash",
    hint: "crypt(3) form, as mkpasswd makes it; empty leaves the present one",
    example: "$6$…",
    kind: "secret",
  },
  { name: "sshKeys", label: "SSH keys", kind: "list", hint: "one a line; empty leaves the present ones" },
];

const own = (node: NodeView, key: string) => node.own.includes(key);

export const settings = (node: NodeView) =>
  action({
    verb: "setNode",
    title: "Change settings",
    words: "What is left empty comes from the profile. Changes hold from the next boot on.",
    fields: [
      {
        name: "profile",
        label: "Profile",
        kind: "select",
        required: true,
        options: profileOptions,
        value: node.profile,
      },
      ...settingFields({
        ...(own(node, "image") && { image: node.image }),
        ...(own(node, "root") && { root: node.root }),
        ...(own(node, "firmware") && { firmware: node.firmware }),
        ...(own(node, "user") && { user: node.user }),
        ...(own(node, "nfsBoot") && { nfsBoot: node.nfsBoot ?? "auto" }),
        ...(own(node, "nfsDurability") && { nfsDurability: node.nfsDurability }),
        ...(own(node, "external") && { external: node.external }),
      }),
      {
        name: "address",
        label: "Fixed address",
        emptyIsNull: true,
        hint: "given by our DHCP server in full mode",
        ...(own(node, "address") && node.address !== undefined && { value: node.address }),
      },
      {
        name: "ephemeral",
        label: "A fresh disk at every boot",
        kind: "tick",
        hint: "what the node writes is gone at its next boot",
        value: node.ephemeral,
      },
    ],
    args: (values) => ({ node: node.name, patch: patchOf(values, node) }),
    done: (next) => `${next.name}: changed, from its next boot on`,
  });

/** Null only where there was something of its own: so that a save without changes changes nothing. */
function patchOf(values: Values, node: NodeView): Values {
  const patch = Object.fromEntries(
    Object.entries(values).filter(([key, value]) => value !== null || own(node, key)),
  );
  if (patch["profile"] === node.profile) delete patch["profile"];
  if (patch["ephemeral"] === node.ephemeral) delete patch["ephemeral"];
  return patch;
}

export const forget = (node: NodeView) =>
  action({
    verb: "forgetNode",
    title: "Forget",
    words: `${node.name} and its disk are removed, with all that was written to it. Its volumes are detached and stay. If the board asks again it begins anew.`,
    danger: true,
    fields: [{ name: "sure", label: `Type ${node.name} to be sure`, required: true }],
    args: ({ sure }) => {
      if (sure !== node.name) throw new Error(`"${sure}" is not ${node.name}`);
      return { node: node.name };
    },
    done: ({ name, volumes }) =>
      `${name} is forgotten${volumes.length > 0 ? `; detached: ${volumes.join(", ")}` : ""}`,
    after: () => go("/nodes"),
  });
