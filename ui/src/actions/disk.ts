// What can be done with a node's disk, and with extra ones.
import type { CloneView, VolumeView } from "../../../src/api/contract.ts";
import { imageOptions } from "../choices.ts";
import { size } from "../format.ts";
import { nodeList } from "../nodes.ts";
import { action, type Field } from "./action.ts";

const FORCE: Field = {
  name: "force",
  label: "Also while the node runs",
  kind: "tick",
  hint: "it loses its disk at once, as when a card is pulled out",
};
/** As with FORCE: "runs" is what has used its root of late. */
const forceOf = ({ kind }: Pick<CloneView, "kind">): Field =>
  kind === "tree"
    ? {
        ...FORCE,
        hint: "running is what has used its root in the last five minutes; it loses its files at once",
      }
    : FORCE;
/** What it is called on buttons and in sentences. */
const nounOf = ({ kind }: Pick<CloneView, "kind">): string => (kind === "tree" ? "root" : "disk");
const SNAPSHOTS = (names: readonly string[]): Field => ({
  name: "snapshot",
  label: "Snapshot",
  kind: "select",
  required: true,
  options: names.map((name) => ({ value: name, text: name })),
});

export const snapshot = (clone: CloneView) =>
  action({
    verb: "snapshotClone",
    title: "Take a snapshot",
    words: `Keeps the ${nounOf(clone)} as it is now, in an instant, also while the node runs.`,
    fields: [{ name: "name", label: "Name", required: true, example: "before-upgrade" }],
    fixed: { node: clone.node },
    done: ({ name }) => `Snapshot ${name} is kept`,
  });

export const rollback = (clone: CloneView, names: readonly string[]) =>
  action({
    verb: "rollbackClone",
    title: "Roll back",
    words: `The ${nounOf(clone)} becomes what the snapshot holds; what was written since is lost.`,
    danger: true,
    why: names.length === 0 ? "it has no snapshot" : undefined,
    fields: [SNAPSHOTS(names), forceOf(clone)],
    fixed: { node: clone.node },
    done: () => `${clone.node} is back where the snapshot was`,
  });

export const dropSnapshot = ({ node }: CloneView, names: readonly string[]) =>
  action({
    verb: "dropSnapshot",
    title: "Drop a snapshot",
    danger: true,
    why: names.length === 0 ? "it has no snapshot" : undefined,
    fields: [SNAPSHOTS(names)],
    fixed: { node },
    done: ({ name }) => `Snapshot ${name} is dropped`,
  });

export const reset = (clone: CloneView) =>
  action({
    verb: "resetClone",
    title: `Reset the ${nounOf(clone)}`,
    words: "The next boot begins with the image as it is. All that the node wrote is lost.",
    danger: true,
    fields: [{ name: "dropSnapshots", label: "Drop its snapshots, too", kind: "tick" }, forceOf(clone)],
    fixed: { node: clone.node },
    done: () => `${clone.node} begins anew at its next boot`,
  });

/** Why a verb for whole disks is not to be had of files over NFS, and what is instead. */
const noTree = ({ kind }: Pick<CloneView, "kind">, instead: string): string | undefined =>
  kind === "tree" ? `its root is files over NFS, no disk: ${instead}` : undefined;

export const rebase = (clone: CloneView) =>
  action({
    verb: "rebaseClone",
    why: noTree(clone, "set another image (More, Change settings), then reset the root"),
    title: "Put over another image",
    words:
      "What the node wrote stays where the new image agrees; discard its changes to take the image as it is.",
    danger: true,
    fields: [
      {
        name: "image",
        label: "Image",
        kind: "select",
        required: true,
        options: imageOptions,
        value: clone.image,
      },
      { name: "discardChanges", label: "Discard what the node wrote", kind: "tick" },
      FORCE,
    ],
    fixed: { node: clone.node },
    done: ({ image }) => `${clone.node} stands on ${image}`,
  });

export const promote = (clone: CloneView, names: readonly string[]) =>
  action({
    verb: "promoteClone",
    title: "Make an image of it",
    words: `The ${nounOf(clone)} becomes a new image that other nodes can boot. Host keys, machine id and logs are cleaned out of it.`,
    long: true,
    fields: [
      { name: "name", label: "Name", hint: "name:version; by default the image's name and the date" },
      {
        ...SNAPSHOTS(names),
        label: "From a snapshot",
        required: false,
        hint: `by default as the ${nounOf(clone)} is now`,
      },
      { name: "keep", label: "Paths that must not be cleaned", kind: "list", hint: "one a line" },
    ],
    fixed: { node: clone.node },
    done: ({ image }) => `Image ${image.name}:${image.version} is in`,
  });

export const exportDisk = ({ node, kind }: CloneView, names: readonly string[]) =>
  action({
    verb: "exportClone",
    title: "Export to a file",
    words:
      kind === "tree"
        ? "Packs its files into a tar file of the server's: owners, times, links and extended attributes, too."
        : "Writes the disk to a file of the server's.",
    long: true,
    fields: [
      {
        name: "to",
        label: "File on the server",
        required: true,
        example: `/srv/${node}.${kind === "tree" ? "tar" : "img"}`,
      },
      {
        name: "format",
        label: "Format",
        kind: "select",
        required: true,
        value: kind === "tree" ? "tar" : "raw",
        options: (kind === "tree" ? ["tar"] : ["raw", "qcow2", "xz"]).map((one) => ({
          value: one,
          text: one,
        })),
      },
      { ...SNAPSHOTS(names), label: "From a snapshot", required: false },
      { name: "force", label: "Write over a file that is there", kind: "tick" },
    ],
    fixed: { node },
    done: ({ path, bytes }) => `${path}: ${size(bytes)}`,
  });

export const resize = (clone: CloneView) =>
  action({
    verb: "resizeClone",
    why: noTree(clone, "it has the room that its quota says"),
    title: "Make it bigger",
    words: "The root file system grows into it at the next boot. A disk never becomes smaller.",
    fields: [
      {
        name: "size",
        label: `Size (now ${size(clone.size)})`,
        kind: "size",
        required: true,
        example: "32G",
      },
    ],
    fixed: { node: clone.node },
    done: (next) => `${next.node}: ${size(next.size)}`,
  });

export const quota = (clone: CloneView) =>
  action({
    verb: "setCloneQuota",
    title: "Set a quota",
    words:
      clone.kind === "tree"
        ? "How much its own files may take on the server, snapshots not counted. Beyond it the node is told: disk quota exceeded (EDQUOT)."
        : "How much it may take on the server, its snapshots included. A full quota answers the node with ENOSPC.",
    fields: [
      {
        name: "quota",
        label: "Quota",
        kind: "size",
        emptyIsNull: true,
        example: "10G",
        hint: "empty: the profile's",
        ...(clone.quota !== undefined && { value: `${Math.round(clone.quota / 2 ** 20)}M` }),
      },
    ],
    fixed: { node: clone.node },
    done: (next) => `${next.node}: ${next.quota === undefined ? "no quota" : size(next.quota)}`,
  });

export const merge = (clone: CloneView) =>
  action({
    verb: "mergeClone",
    why: noTree(clone, "a snapshot that is dropped gives its space back"),
    title: "Merge dropped snapshots",
    words: "Writes the files of dropped snapshots together now; it also happens by itself.",
    long: true,
    fields: [],
    fixed: { node: clone.node },
    done: () => `${clone.node}: merged`,
  });

export const serveDisk = (clone: CloneView) =>
  action({
    verb: "serveClone",
    why: noTree(clone, "export its files instead"),
    title: "Open for tools",
    words:
      "Opens the disk over NBD on the server's loopback, for qemu-io, nbdcopy and the like, while the node is off.",
    fields: [],
    fixed: { node: clone.node },
    done: ({ uri }) => uri,
  });

export const createVolume = () =>
  action({
    verb: "createVolume",
    title: "Make a volume",
    words: "An extra disk, for example for /var/lib/containers.",
    fields: [
      { name: "name", label: "Name", required: true, example: "containers" },
      { name: "size", label: "Size", kind: "size", required: true, example: "20G" },
      {
        name: "fstype",
        label: "File system",
        kind: "select",
        required: true,
        value: "ext4",
        options: ["ext4", "none"].map((one) => ({ value: one, text: one })),
      },
      {
        name: "mountpoint",
        label: "Mount point",
        example: "/var/lib/containers",
        hint: "needed for ext4",
      },
    ],
    done: ({ name }) => `Volume ${name} is there`,
  });

const NODES: Field = {
  name: "node",
  label: "Node",
  kind: "select",
  required: true,
  options: () => nodeList.value.map(({ name }) => ({ value: name, text: name })),
};

export const attachVolume = (volume: VolumeView) =>
  action({
    verb: "attachVolume",
    title: "Attach",
    words: "The node sees it from its next boot on.",
    why: volume.node === undefined ? undefined : `it is attached to ${volume.node}`,
    fields: [NODES, { name: "mountpoint", label: "Mount point", hint: "by default its own" }],
    fixed: { volume: volume.name },
    done: (next) => `${next.name} belongs to ${next.node}`,
  });

export const detachVolume = (volume: VolumeView) =>
  action({
    verb: "detachVolume",
    title: "Detach",
    why: volume.node === undefined ? "it is attached to none" : undefined,
    fields: [FORCE],
    fixed: { volume: volume.name },
    done: (next) => `${next.name} is attached to none`,
  });

export const resizeVolume = (volume: VolumeView) =>
  action({
    verb: "resizeVolume",
    title: "Make bigger",
    fields: [{ name: "size", label: `Size (now ${size(volume.size)})`, kind: "size", required: true }],
    fixed: { volume: volume.name },
    done: (next) => `${next.name}: ${size(next.size)}`,
  });

export const removeVolume = (volume: VolumeView) =>
  action({
    verb: "removeVolume",
    title: "Remove",
    danger: true,
    words: `${volume.name} and all that is on it are removed.`,
    why: volume.node === undefined ? undefined : `it is attached to ${volume.node}: detach it first`,
    fields: [],
    fixed: { volume: volume.name },
    done: ({ name }) => `${name} is removed`,
  });
