import type { SeedSettings } from "./node.ts";
import type { RenderedSeed } from "./profiles.ts";

export interface SeedFile {
  path: string;
  mode: number;
  text: string;
}

export interface Seed extends SeedSettings {
  hostname: string;
  /** Stable for the life of a clone: cloud-init runs its per-instance modules once per value. */
  instanceId: string;
}

const NOCLOUD = "var/lib/cloud/seed/nocloud";

/**
 * cloud-init's NoCloud seed folder, always all four files: one that is missing costs 10 s of boot time
 * (spec metadata-security.md 5.1). JSON is YAML, so nothing a person types can break out of its value. A profile's user-data comes
 * second in an archive, where its keys replace ours (cloud-init, "Cloud config archive" and "Merging user-data sections").
 */
export function cloudInitSeed(seed: Seed, profile: Partial<RenderedSeed> = {}): SeedFile[] {
  const cloud = (value: object) => `#cloud-config\n${JSON.stringify(value, undefined, 2)}\n`;
  const user = seed.user
    ? {
        name: seed.user,
        gecos: seed.user,
        groups: ["sudo", "adm"],
        shell: "/bin/bash",
        sudo: "ALL=(ALL) NOPASSWD:ALL",
        lock_passwd: seed.passwordHash === undefined,
        ...(seed.passwordHash !== undefined && { passwd: seed.passwordHash }),
        ssh_authorized_keys: seed.sshKeys ?? [],
      }
    : undefined;
  const ours = cloud({
    hostname: seed.hostname,
    manage_etc_hosts: true,
    ...(user ? { users: [user] } : { ssh_authorized_keys: seed.sshKeys ?? [] }),
    ssh_pwauth: seed.passwordHash !== undefined,
    growpart: { mode: "off" },
    resize_rootfs: false,
  });
  const archive = (more: string) =>
    `#cloud-config-archive\n${JSON.stringify([{ type: "text/cloud-config", content: ours }, { content: more }], undefined, 2)}\n`;
  const meta = [
    `instance-id: ${JSON.stringify(seed.instanceId)}`,
    `local-hostname: ${JSON.stringify(seed.hostname)}`,
  ];
  return [
    {
      path: `${NOCLOUD}/meta-data`,
      mode: 0o644,
      text:
        profile.metaData === undefined
          ? `${JSON.stringify({ "instance-id": seed.instanceId, "local-hostname": seed.hostname })}\n`
          : `${[...meta, profile.metaData.trimEnd()].join("\n")}\n`,
    },
    {
      path: `${NOCLOUD}/user-data`,
      mode: 0o600,
      text: profile.userData === undefined ? ours : archive(profile.userData),
    },
    { path: `${NOCLOUD}/vendor-data`, mode: 0o644, text: cloud({}) },
    {
      path: `${NOCLOUD}/network-config`,
      mode: 0o644,
      // The agent has set the root's interface up: whoever sets it up again cuts the root off.
      text: profile.networkConfig ?? `${JSON.stringify({ config: "disabled" })}\n`,
    },
  ];
}

/** For images without cloud-init: lines that the agent's shell applies to the root's own files. Values are base64, so quoting is no matter. */
export function plainSeed(seed: Seed, base64: (text: string) => string): SeedFile[] {
  const rows: [string, string | undefined][] = [
    ["hostname", seed.hostname],
    ["user", seed.user],
    ["password_hash", seed.passwordHash],
    ["ssh_keys", seed.sshKeys && seed.sshKeys.length > 0 ? `${seed.sshKeys.join("\n")}\n` : undefined],
  ];
  const lines = rows.flatMap(([name, value]) => (value === undefined ? [] : [`${name}=${base64(value)}`]));
  return [{ path: "bramble-seed", mode: 0o600, text: `${lines.join("\n")}\n` }];
}
