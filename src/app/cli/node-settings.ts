import { readFileSync } from "node:fs";
import { type Command, InvalidArgumentError, Option } from "commander";
import type { NodeSettingsPatch } from "../../api/contract.ts";
import { parseGuard, parseSize, parseVolumeSpec } from "../../fleet/disk-settings.ts";
import {
  NFS_BOOTS,
  NFS_DURABILITIES,
  type NfsBoot,
  type NfsDurability,
  parseExternal,
} from "../../fleet/nfs-root.ts";
import { ROOT_MODES } from "../../fleet/node.ts";

/** What the options of `settings()` give. */
export interface SettingOptions {
  image?: string;
  root?: string;
  firmware?: string;
  user?: string;
  passwordHash?: string;
  sshKey?: string[];
  name?: string;
  profile?: string;
  address?: string;
  ephemeral?: string;
  quota?: string;
  guard?: string;
  volume?: string[];
  nfsBoot?: string;
  nfsDurability?: string;
  external?: string;
}

/** Adds the settings that nodes and profiles share. */
export function settings(command: Command): Command {
  return command
    .option("--image <name:version>", "image to clone")
    .addOption(new Option("--root <mode>", "where the root lives").choices([...ROOT_MODES, "-"]))
    .addOption(
      new Option("--nfs-boot <by>", "who mounts an NFS root: the kernel, the agent, or whoever can").choices([
        ...NFS_BOOTS,
        "-",
      ]),
    )
    .addOption(
      new Option(
        "--nfs-durability <mode>",
        "when changes in an NFS root are answered: on the disk, or up to a second before",
      ).choices([...NFS_DURABILITIES, "-"]),
    )
    .option(
      "--external <root>",
      "for root external: nfs:SERVER:/PATH[,OPTIONS], {node} in the path is its name",
    )
    .option("--firmware <name:version>", "boot files laid under the image's own")
    .option("--user <name>", "user to make on the node")
    .option("--password-hash <hash>", "its password as crypt(3) hash: openssl passwd -6")
    .option("--ssh-key <key or file>", "public key that may log in; repeat for more", collectKey)
    .addOption(
      new Option("--ephemeral <on or off>", "a fresh clone at every boot").choices(["on", "off", "-"]),
    )
    .option("--quota <size>", "how much the clone and its snapshots may hold of their own: 8G")
    .option(
      "--guard <shut,down>",
      "seconds without a disk before the node is reset: while it shuts down, else; 0: never",
    )
    .option(
      "--volume <name:size:fstype:mount>",
      "an extra disk for each node: containers:20G:ext4:/var/lib/containers; repeat for more",
      (value: string, before: string[] | undefined) => (value === "-" ? [] : [...(before ?? []), value]),
    );
}

function collectKey(value: string, before: string[] | undefined): string[] {
  if (value === "-") return [];
  if (value.includes(" ")) return [...(before ?? []), value.trim()];
  let text: string;
  try {
    text = readFileSync(value, "utf8");
  } catch (error) {
    throw new InvalidArgumentError(`${value}: ${(error as Error).message}`);
  }
  return [
    ...(before ?? []),
    ...text
      .split("\n")
      .map((line) => line.trim())
      .filter((line) => line !== ""),
  ];
}

/** "-" takes a setting back. */
export const orNull = (value: string): string | null => (value === "-" ? null : value);

export function settingsPatch(given: SettingOptions): NodeSettingsPatch {
  return {
    ...(given.image !== undefined && { image: orNull(given.image) }),
    ...(given.root !== undefined && {
      root: orNull(given.root) as NonNullable<NodeSettingsPatch["root"]> | null,
    }),
    ...(given.nfsBoot !== undefined && { nfsBoot: orNull(given.nfsBoot) as NfsBoot | null }),
    ...(given.nfsDurability !== undefined && {
      nfsDurability: orNull(given.nfsDurability) as NfsDurability | null,
    }),
    ...(given.external !== undefined && {
      external: given.external === "-" ? null : parseExternal(given.external),
    }),
    ...(given.firmware !== undefined && { firmware: orNull(given.firmware) }),
    ...(given.user !== undefined && { user: orNull(given.user) }),
    ...(given.passwordHash !== undefined && { passwordHash: orNull(given.passwordHash) }),
    ...(given.ephemeral !== undefined && {
      ephemeral: given.ephemeral === "-" ? null : given.ephemeral === "on",
    }),
    ...(given.quota !== undefined && { quota: given.quota === "-" ? null : parseSize(given.quota) }),
    ...(given.guard !== undefined && { guard: given.guard === "-" ? null : parseGuard(given.guard) }),
    ...(given.volume !== undefined && {
      volumes: given.volume.length > 0 ? given.volume.map(parseVolumeSpec) : null,
    }),
    ...(given.sshKey !== undefined && { sshKeys: given.sshKey.length > 0 ? given.sshKey : null }),
  };
}
