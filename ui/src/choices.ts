// What selects offer: names of what there is, from lists that are live.
import { signal } from "@preact/signals";
import type { Option } from "./actions/action.ts";
import { call } from "./api.ts";
import { onChange } from "./live.ts";

const plain = (names: readonly string[]): Option[] => names.map((name) => ({ value: name, text: name }));
export const imageNames = signal<readonly string[]>([]);
export const profileNames = signal<readonly string[]>([]);
export const groupNames = signal<readonly string[]>([]);
export const firmwareNames = signal<readonly string[]>([]);
export const imageOptions = (): readonly Option[] => plain(imageNames.value);
export const profileOptions = (): readonly Option[] => plain(profileNames.value);
export const groupOptions = (): readonly Option[] => plain(groupNames.value);
export const firmwareOptions = (): readonly Option[] => plain(firmwareNames.value);
export const ROOT_OPTIONS: readonly Option[] = [
  { value: "auto", text: "auto: what suits this release (iSCSI)" },
  { value: "iscsi", text: "iscsi: its own disk over iSCSI" },
  { value: "nbd", text: "nbd: its own disk over NBD" },
  { value: "nfs", text: "nfs: its own tree of files over NFS" },
  { value: "external", text: "external: on another server" },
  { value: "ram", text: "ram: the image in memory, nothing is kept" },
  { value: "inventory", text: "inventory: it tells what it is and powers off" },
  { value: "shell", text: "shell: no root, a person at its console looks around" },
];

export const NFS_BOOT_OPTIONS: readonly Option[] = [
  { value: "auto", text: "auto: its kernel, where that can; else the agent" },
  { value: "kernel", text: "kernel: by itself, without an initramfs" },
  { value: "agent", text: "agent" },
];

export const NFS_DURABILITY_OPTIONS: readonly Option[] = [
  { value: "durable", text: "durable: when it is on the disk" },
  { value: "fast", text: "fast: up to a second before; a power cut of the server may take that" },
];

/** Loads the names, and again when one of their lists changes. */
export function startChoices(): () => void {
  const images = async () => {
    imageNames.value = (await call("images", {})).map(({ name, version }) => `${name}:${version}`);
  };
  const profiles = async () => {
    profileNames.value = (await call("profiles", {})).map(({ name }) => name);
  };
  const groups = async () => {
    groupNames.value = (await call("groups", {})).map(({ name }) => name);
  };
  const firmwares = async () => {
    firmwareNames.value = (await call("firmwares", {})).map(({ name, version }) => `${name}:${version}`);
  };
  // Without these names a select is empty; the pages of these things say why they cannot be read.
  const quietly = (load: () => Promise<void>) => void load().catch(() => undefined);
  for (const load of [images, profiles, groups, firmwares]) quietly(load);
  return onChange(({ about }) => {
    if (about === "image" || about === "all") quietly(images);
    if (about === "profile" || about === "all") quietly(profiles);
    if (about === "group" || about === "all") quietly(groups);
  });
}
