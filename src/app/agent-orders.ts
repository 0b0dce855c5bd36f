// Where a boot's root and volumes are, as lines of the answer to hello (docs/agent.md). Secrets go to the node with the answer, and nowhere else.
import { BrambleError } from "../base/errors.ts";
import { type ExternalRoot, externalMount } from "../fleet/nfs-root.ts";
import type { Node } from "../fleet/node.ts";
import type { HttpRequest } from "../serve/http.ts";
import type { AgentHooks } from "./agent-api.ts";
import type { IscsiSession } from "./node-disks.ts";
import { type AttachedVolume, nodeVolumes } from "./volumes.ts";

export type Line = [key: string, value: string | number];

/** Opens what the node is set to, and says how to get there. */
export async function diskOrders(
  hooks: Pick<AgentHooks, "core" | "exportNbd" | "exportIscsi" | "exportVolumes" | "exportNfs" | "ramRoot">,
  node: Node,
  {
    bootId,
    address,
    localAddress,
    own,
  }: Pick<HttpRequest, "address" | "localAddress"> & {
    /** The boot whose token was shown. */
    bootId: string;
    /** It boots its own system: else no disk that is not asked for is opened to it. */
    own: boolean;
  },
): Promise<Line[]> {
  const { core } = hooks;
  const { root, guard, external } = core.registry.resolve(node);
  const overNfs = root === "nfs" || root === "external";
  const lines: Line[] = [["root", overNfs ? "nfs" : root]];
  // those that its settings give it are made now: what is exported comes from the book
  const volumes = !own || root === "inventory" || root === "shell" ? [] : await nodeVolumes(core, node);
  const target = async (session: IscsiSession) =>
    lines.push(...sessionLines(session, localAddress), ...volumeLines(volumes));
  // it watches connections to disks: an NFS root has none
  if (guard && !overNfs) lines.push(["guard", `${guard.shutdown},${guard.down}`]);
  if (root === "iscsi") {
    await target(await hooks.exportIscsi(node, bootId, address));
    lines.push(["iscsi_lun", 0], ...(await partitionLines(core, node)));
    return lines;
  }
  if (root === "nbd") {
    const { port, name, size } = await hooks.exportNbd(node, bootId, address);
    lines.push(["nbd_host", localAddress], ["nbd_port", port], ["nbd_export", name], ["nbd_size", size]);
    lines.push(...(await partitionLines(core, node)));
  } else if (root === "nfs") {
    const { path, options } = await hooks.exportNfs(node, bootId, address);
    lines.push(["nfs_host", localAddress], ["nfs_path", path], ["nfs_options", options]);
  } else if (root === "external") {
    lines.push(...externalLines(node, external));
  } else if (root === "ram") {
    const { format } = await hooks.ramRoot(node);
    lines.push(["ram_url", "/agent/root"], ["ram_format", format]);
  }
  if (volumes.length > 0) await target(await hooks.exportVolumes(node, bootId, address));
  return lines;
}

/** The node's disks for its rescue: a target that is logged in to, and nothing that is mounted. Who had them before loses them. */
export async function rescueDisks(
  hooks: Pick<AgentHooks, "core" | "exportDisks">,
  node: Node,
  { bootId, address, localAddress }: Pick<HttpRequest, "address" | "localAddress"> & { bootId: string },
): Promise<Line[]> {
  const session = await hooks.exportDisks(node, bootId, address);
  const words = session
    ? `its rescue has its disks, unmounted: ${session.luns.map(({ lun, product }) => `LUN ${lun} ${product.toLowerCase()}`).join(", ")}`
    : "its rescue was to have its disks: it has no clone and no volume";
  hooks.core.journal.event("disk", node.id, words);
  return session ? sessionLines(session, localAddress) : [];
}

function sessionLines({ port, target, initiator, chap }: IscsiSession, host: string): Line[] {
  const { user, secret, mutual } = chap;
  const lines: Line[] = [
    ["iscsi_portal", `${host.includes(":") ? `[${host}]` : host}:${port}`],
    ["iscsi_target", target],
    ["iscsi_initiator", initiator],
    ["iscsi_user", user],
    ["iscsi_secret", secret],
  ];
  if (mutual) lines.push(["iscsi_mutual_user", mutual.user], ["iscsi_mutual_secret", mutual.secret]);
  return lines;
}

async function partitionLines(core: AgentHooks["core"], node: Node): Promise<Line[]> {
  const { facts } = (await core.ensureClone(node)).image;
  const partition = facts.partitions.find((p) => p.number === facts.rootPartition);
  return [
    ["root_partition", facts.rootPartition ?? 2],
    ["root_fstype", partition?.filesystem ?? "ext4"],
  ];
}

function externalLines(node: Node, external: ExternalRoot | undefined): Line[] {
  if (!external)
    throw new BrambleError(
      "BAD_INPUT",
      `${node.name} is set to root external, and nothing says where that is`,
      {
        hint: `bramble node set ${node.name} --external nfs:SERVER:/PATH`,
      },
    );
  const { server, path, options } = externalMount(external, node);
  return [
    ["nfs_host", server],
    ["nfs_path", path],
    ["nfs_options", options],
  ];
}

/** By LUN; what has no file system is there, and not the agent's business. */
const volumeLines = (volumes: readonly AttachedVolume[]): Line[] =>
  volumes.flatMap(({ lun, fstype, mountpoint, label }, i): Line[] =>
    fstype === "none" || !mountpoint ? [] : [[`volume_${i + 1}`, `${lun} ${fstype} ${mountpoint} ${label}`]],
  );
