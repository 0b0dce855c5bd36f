import type { Boot } from "../fleet/boots.ts";
import type { Node } from "../fleet/node.ts";
import type { Core } from "./core.ts";

/** The disks that nodes have open over NBD: one each, the newest boot's. */
export function nodeDisks(core: Core, nbdPort: () => number) {
  const exported = new Map<string, string>();
  return {
    /** Opens a node's clone to one address under a secret name; the boot before loses it. */
    async export(node: Node, boot: Boot | undefined, address: string) {
      const name = `${node.id}/${boot?.id ?? "?"}`;
      const before = exported.get(node.id);
      if (before) {
        await core.disks.call("drop", { name: before, why: "a newer boot of this node has logged in" });
        core.journal.event("disk", node.id, "a newer boot has logged in: the one before lost its disk");
      }
      const { path } = await core.ensureClone(node);
      const secret = core.newSecret();
      await core.disks.call("export", { secret, name, path, address });
      exported.set(node.id, name);
      const { size } = await core.disks.call<{ size: number }>("facts", { path });
      return { port: nbdPort(), name: secret, size };
    },
    /** Ends every use of a node's disk: it was forgotten, or its clone is to be reset. */
    async drop(node: Node, why: string): Promise<void> {
      const name = exported.get(node.id);
      if (name) await core.disks.call("drop", { name, why });
      exported.delete(node.id);
    },
  };
}
