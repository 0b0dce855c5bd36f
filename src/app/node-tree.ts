import type { TreeView } from "../api/contract.ts";
import { BrambleError } from "../base/errors.ts";
import { type AgentFile, type BootTree, bootTree, memoryFile } from "../fleet/boot-tree.ts";
import { walkBoot } from "../fleet/boot-walk.ts";
import type { Node } from "../fleet/node.ts";
import { MODELS, modelNamed } from "../formats/boards.ts";
import { agentShelf } from "./agent-shelf.ts";
import { agentParameters, board, originWords } from "./boot-files.ts";
import type { BootSource } from "./boot-source.ts";
import type { Core } from "./core.ts";
import { planNfsRoot } from "./nfs-kernel.ts";
import { bootLinesOf } from "./node-seed.ts";

/** Makes the agent for a clone's kernels. */
export type AgentOf = (clone: BootSource, untouched: boolean) => Promise<AgentFile>;

/** Without a server: the agent as it was built, or as the packages at hand make it; none is downloaded only to be looked at. */
export function agentToLookAt(core: Core): AgentOf {
  const shelf = agentShelf(core, { offline: true, say: () => {} });
  return (clone, untouched) =>
    shelf
      .forClone(clone, untouched)
      .catch(() => ({ ...memoryFile(new Uint8Array(0)), identity: "not built" })); // a size of 0 says so
}

/** The boot tree that a node would get now. Boot id and token are drawn at each boot, so they stand as words here. */
export async function treeOf(
  core: Core,
  node: Node,
  agentOf: AgentOf,
): Promise<{ tree: BootTree; image: string }> {
  const clone = await core.bootSource(node);
  const [own, firmware] = await Promise.all([clone.bootFiles(), core.firmwareOf(node)]);
  const { root } = core.registry.resolve(node);
  const plan = await planNfsRoot(core, node, clone, { server: "SERVER", port: 0, token: "ONE-TIME-TOKEN" });
  const tree = await bootTree({
    clone: own.tree,
    parameters: agentParameters("BOOT-ID", "ONE-TIME-TOKEN", "http://SERVER", root),
    ...(plan?.words ? { kernelRoot: plan.words } : { agent: await agentOf(clone, own.untouched) }),
    lines: bootLinesOf(core, node, "http://SERVER"),
    ...(firmware && { firmware }),
  });
  return { tree, image: `${clone.image.name}:${clone.image.version}` };
}

/** What a board of this node's model (or of another) would fetch, file by file, and why. */
export async function treeView(
  core: Core,
  node: Node,
  modelName: string | undefined,
  agentOf: AgentOf,
): Promise<TreeView> {
  const model = modelName ? modelNamed(modelName.replace(/^pi\s*/i, "")) : (node.model ?? "4B");
  if (!model) {
    throw new BrambleError("BAD_INPUT", `${modelName} is no model`, { hint: `one of ${MODELS.join(", ")}` });
  }
  const { tree, image } = await treeOf(core, node, agentOf);
  const walk = await walkBoot(tree, { ...board(node), model });
  const walked = new Set(walk.files.map((file) => file.path.toLowerCase()));
  const others = (await tree.list(""))
    .filter(({ entry }) => entry.kind === "file" && !walked.has(entry.name.toLowerCase()))
    .map(({ entry, origin }) => ({ path: entry.name, size: entry.size, origin: originWords(origin) }));
  return {
    node: node.name,
    model,
    image,
    files: walk.files,
    others,
    missing: walk.missing,
    changes: tree.changes,
    notes: walk.notes,
    ...(walk.kernel !== undefined && { kernel: walk.kernel }),
  };
}
