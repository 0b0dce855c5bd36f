// Clones are disks, or trees for nodes with an NFS root: the same commands for both.
import type { CloneCommands } from "../api/contract.ts";
import { diskCommands } from "./clone-commands.ts";
import type { Running } from "./commands.ts";
import type { Core } from "./core.ts";
import { treeCommands } from "./tree-commands.ts";

/** The commands about clones. A node that has both, since its root mode was changed, is asked for what it boots from now. */
export function cloneCommands(core: Core, running?: Running): CloneCommands {
  const { book, registry } = core;
  const disks = diskCommands(core, running);
  const trees = treeCommands(core, running);
  const has = async (table: "tree" | "clone", nodeId: string) =>
    (await book.selectFrom(table).select("nodeId").where("nodeId", "=", nodeId).executeTakeFirst()) !==
    undefined;

  async function of(reference: string) {
    const node = registry.need(reference);
    if (registry.resolve(node).root === "nfs")
      return (await has("clone", node.id)) && !(await has("tree", node.id)) ? disks : trees;
    return (await has("tree", node.id)) && !(await has("clone", node.id)) ? trees : disks;
  }

  return {
    async clones(...args) {
      const rows = await book.selectFrom("tree").selectAll().execute();
      return [...(await disks.clones(...args)), ...(await Promise.all(rows.map(trees.view)))];
    },
    clone: async (args, ...more) => (await of(args.node)).clone(args, ...more),
    resetClone: async (args, ...more) => (await of(args.node)).resetClone(args, ...more),
    serveClone: async (args, ...more) => (await of(args.node)).serveClone(args, ...more),
    snapshots: async (args, ...more) => (await of(args.node)).snapshots(args, ...more),
    snapshotClone: async (args, ...more) => (await of(args.node)).snapshotClone(args, ...more),
    dropSnapshot: async (args, ...more) => (await of(args.node)).dropSnapshot(args, ...more),
    rollbackClone: async (args, ...more) => (await of(args.node)).rollbackClone(args, ...more),
    exportClone: async (args, ...more) => (await of(args.node)).exportClone(args, ...more),
    promoteClone: async (args, ...more) => (await of(args.node)).promoteClone(args, ...more),
    diffClone: async (args, ...more) => (await of(args.node)).diffClone(args, ...more),
    rebaseClone: async (args, ...more) => (await of(args.node)).rebaseClone(args, ...more),
    resizeClone: async (args, ...more) => (await of(args.node)).resizeClone(args, ...more),
    setCloneQuota: async (args, ...more) => (await of(args.node)).setCloneQuota(args, ...more),
    mergeClone: async (args, ...more) => (await of(args.node)).mergeClone(args, ...more),
  };
}
