// Who mounts a node's NFS root: its kernel, where that can, else the agent.
import { BrambleError } from "../base/errors.ts";
import { nfsRootWords, whyNoNfsRoot } from "../fleet/nfs-root.ts";
import type { Node } from "../fleet/node.ts";
import { textOf } from "../fleet/settle.ts";
import type { BootSource } from "./boot-source.ts";
import type { Core } from "./core.ts";
import { frozenNow } from "./node-seed.ts";

/** `words`: of the kernel's command line; absent: the agent does it. `why`: a line for the boot's timeline. */
export interface RootPlan {
  words?: string[];
  why: string;
}

export interface PlannedRoot {
  server: string;
  port: number;
  token: string;
}

/** Undefined for nodes without an NFS root of ours. Throws NFS_KERNEL where the kernel is told to do what it cannot. */
export async function planNfsRoot(
  core: Pick<Core, "registry" | "profiles">,
  node: Node,
  source: BootSource,
  root: PlannedRoot,
): Promise<RootPlan | undefined> {
  const { root: mode, nfsBoot } = core.registry.resolve(node);
  if (mode !== "nfs") return undefined;
  if (nfsBoot === "agent") return { why: "its root is mounted by the agent, as it is set" };
  const unable = await whyNotByKernel(source);
  if (nfsBoot === "kernel" && unable !== undefined)
    throw new BrambleError("NFS_KERNEL", `its root is to be mounted by its kernel, but ${unable}`, {
      hint: `bramble node set ${node.name} --nfs-boot auto`,
    });
  const missed = onlyByAgent(core, node);
  if (nfsBoot === "auto" && (unable ?? missed) !== undefined)
    return { why: `its root is mounted by the agent: ${unable ?? missed}` };
  return {
    words: nfsRootWords({ ...root, nodeId: node.id }),
    why: `its kernel mounts its root by itself${missed === undefined ? "" : `; what only the agent does is left out: ${missed}`}`,
  };
}

/** What the node is set to that no kernel does. */
function onlyByAgent(core: Pick<Core, "registry" | "profiles">, node: Node): string | undefined {
  const { volumes } = core.registry.resolve(node);
  if (volumes.length > 0) return "it has volumes";
  const { templates } = frozenNow(core, node, true);
  const once = templates.packages.length > 0 || templates.commands.length > 0;
  return once ? "its profile does things once" : undefined;
}

/** Which kernel its board takes is the firmware's business, so all of them must be able to. */
async function whyNotByKernel(source: BootSource): Promise<string | undefined> {
  const root = await source.rootTree();
  const kernels = await source.kernels();
  if (kernels.length === 0) return "its boot files have no kernel";
  const whys = await Promise.all(
    kernels.map(async ({ version, modulesPath }) => {
      if (version === undefined) return "its kernel does not say its version";
      const config = await textOf(root, `boot/config-${version}`);
      const builtin = modulesPath && (await textOf(root, `${modulesPath}/modules.builtin`));
      return whyNoNfsRoot({ ...(config !== undefined && { config }), ...(builtin && { builtin }) });
    }),
  );
  return whys.find((why) => why !== undefined);
}
