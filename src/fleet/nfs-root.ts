// NFS roots as nodes are told of them: mount options, the kernel's nfsroot=, and whether a kernel can do it by itself.
import { BrambleError } from "../base/errors.ts";

/** Who mounts an NFS root: the kernel by itself, the agent, or whoever can. */
export const NFS_BOOTS = ["auto", "kernel", "agent"] as const;
export type NfsBoot = (typeof NFS_BOOTS)[number];

/** When a change in a node's tree is answered: when it is on the disk, or up to a second before (spec nfs-root.md 5.4). */
export const NFS_DURABILITIES = ["durable", "fast"] as const;
export type NfsDurability = (typeof NFS_DURABILITIES)[number];

/** A root on a server that is not ours. `{node}` and `{id}` in the path stand for the node's name and id. */
export interface ExternalRoot {
  type: "nfs";
  server: string;
  path: string;
  /** Mount options of a person's choice, behind ours. */
  options?: string;
}

/**
 * Of our own server: one port for MOUNT and NFS, no portmapper, no lock daemon; each root has one client, so that nothing needs to be
 * asked twice (spec nfs-root.md 2, 5).
 */
export const nfsOptions = (port: number): string =>
  [
    ...["vers=3", "tcp", `port=${port}`, `mountport=${port}`, "mountproto=tcp"],
    ...["nolock", "nocto", "actimeo=600", "rsize=1048576", "wsize=1048576"],
  ].join(",");

/** What MOUNT is asked for. */
export const exportPath = (nodeId: string, token: string): string => `/nodes/${nodeId}/${token}`;

/** The other way round, with what lies below the tree's root (U-Boot mounts the folder of a file); undefined: no path of ours. */
export function parseExportPath(path: string): { nodeId: string; token: string; below: string } | undefined {
  const [, nodeId, token, below = ""] =
    /^\/nodes\/([0-9A-Za-z-]{1,64})\/([0-9a-f]{64})(?:\/(.*))?$/.exec(path) ?? [];
  return nodeId !== undefined && token !== undefined ? { nodeId, token, below } : undefined;
}

/** fs/nfs/nfsroot.c: nfs_root_options holds so much. */
const NFSROOT_LIMIT = 256;

/**
 * A kernel that has NFS root and ip=dhcp built in mounts its root with these words (Documentation/admin-guide/nfs/nfsroot.rst).
 * Throws BAD_INPUT where the kernel would cut them off.
 */
export function nfsRootWords(root: {
  server: string;
  port: number;
  nodeId: string;
  token: string;
}): string[] {
  const nfsroot = `${root.server}:${exportPath(root.nodeId, root.token)},${nfsOptions(root.port)}`;
  if (nfsroot.length > NFSROOT_LIMIT) {
    throw new BrambleError("BAD_INPUT", `nfsroot= would have ${nfsroot.length} characters`, {
      hint: `a kernel takes ${NFSROOT_LIMIT}: bramble node set NODE --nfs-boot agent`,
    });
  }
  return ["root=/dev/nfs", `nfsroot=${nfsroot}`, "ip=dhcp", "rw"];
}

/** What a kernel has built in, by what its image says of it. */
export interface KernelSays {
  /** Its .config. */
  config?: string;
  /** modules.builtin of its modules. */
  builtin?: string;
}

/** Why a kernel cannot mount its root over NFS by itself; undefined: it can. */
export function whyNoNfsRoot({ config, builtin }: KernelSays): string | undefined {
  if (config !== undefined) {
    const lacks = ["ROOT_NFS", "IP_PNP", "IP_PNP_DHCP", "NFS_V3"].filter(
      (name) => !new RegExp(`^CONFIG_${name}=y$`, "m").test(config),
    );
    return lacks.length > 0 ? `its kernel lacks CONFIG_${lacks.join(", CONFIG_")}` : undefined;
  }
  if (builtin === undefined) return "nothing in the image says what its kernel has built in";
  // ROOT_NFS and IP_PNP are no modules, so they do not stand there; kernels that build these two in do so for their sake
  const has = (name: string) => new RegExp(`/${name}\\.ko$`, "m").test(builtin);
  return has("nfs") && has("nfsv3") ? undefined : "its kernel has NFS as modules";
}

/** `nfs:SERVER:/PATH[,OPTIONS]`, e.g. `nfs:10.0.0.9:/srv/nodes/{node},vers=4.2`. Throws BAD_INPUT. */
export function parseExternal(text: string): ExternalRoot {
  const [, server, path, options] =
    /^nfs:(\[[0-9a-fA-F:]+\]|[^:/,\s]+):(\/[^,]*)(?:,(.+))?$/.exec(text) ?? [];
  if (server === undefined || path === undefined) {
    throw new BrambleError("BAD_INPUT", `"${text}" is no external root`, {
      hint: "nfs:SERVER:/PATH[,OPTIONS], such as nfs:10.0.0.9:/srv/nodes/{node},vers=4.2",
    });
  }
  return checkExternal({ type: "nfs", server, path, ...(options !== undefined && { options }) });
}

export const externalWords = ({ type, server, path, options }: ExternalRoot): string =>
  `${type}:${server}:${path}${options === undefined ? "" : `,${options}`}`;

/** An external root as it may be: it becomes words of the agent's shell. Throws BAD_INPUT. */
export function checkExternal(root: ExternalRoot): ExternalRoot {
  const refuse = (words: string, hint: string) => new BrambleError("BAD_INPUT", words, { hint });
  if (root.type !== "nfs") throw refuse(`${root.type} is no kind of external root`, "nfs");
  if (!/^(\[[0-9a-fA-F:]+\]|[A-Za-z0-9][A-Za-z0-9.-]{0,252})$/.test(root.server))
    throw refuse(`"${root.server}" is no server`, "a name or an address");
  if (!/^(\/[A-Za-z0-9._{}@+-]+)*\/?$/.test(root.path) || root.path === "" || root.path.length > 512)
    throw refuse(
      `"${root.path}" is no path`,
      "an absolute path of letters, digits and . _ - + @; {node} is the node's name",
    );
  if (root.options !== undefined && !/^[A-Za-z0-9_.:=/-]+(,[A-Za-z0-9_.:=/-]+)*$/.test(root.options))
    throw refuse(`"${root.options}" are no mount options`, "as in fstab: vers=4.2,hard");
  return root;
}

/** Where a node's external root is, for the agent. */
export function externalMount(root: ExternalRoot, node: { id: string; name: string }) {
  return {
    server: root.server,
    path: root.path.replaceAll("{node}", node.name).replaceAll("{id}", node.id),
    options: ["nolock", ...(/(^|,)(nfs)?vers=/.test(root.options ?? "") ? [] : ["vers=3"]), root.options]
      .filter((one) => one !== undefined)
      .join(","),
  };
}
