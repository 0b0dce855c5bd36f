// Roots over NFS: which boot of a node may use its tree, and from where. The book knows, so that a restart of ours takes nobody's root.
import type { Boot, BootStage, Fact } from "../fleet/boots.ts";
import { exportPath, type NfsDurability, nfsOptions, parseExportPath } from "../fleet/nfs-root.ts";
import type { Node } from "../fleet/node.ts";
import { unsettleReporter } from "../fleet/settle-seed.ts";
import { throttled } from "../serve/throttle.ts";
import type { AgentHooks } from "./agent-api.ts";
import { openSession } from "./agent-session.ts";
import { sha256 } from "./boot-files.ts";
import type { Core } from "./core.ts";
import { seedTree } from "./nfs-seed.ts";
import { treeByMessage } from "./node-trees.ts";
import type { MountAnswer, MountWish, NfsNews } from "./planes/nfs-calls.ts";

/** Where the agent mounts the node's tree. */
export interface NfsRoot {
  path: string;
  options: string;
}

export interface NfsRootsOptions
  extends Pick<AgentHooks, "tokens" | "sessions" | "current" | "seen" | "used" | "heard" | "ended" | "now"> {
  core: Core;
  /** Opens our door where it is not open yet: the port. */
  door(): Promise<number>;
  /** Where a node reaches us. */
  serverUrl(nodeId: string): Promise<string>;
  /** The node that was last heard at this address. */
  whose(address: string): Node | undefined;
  step(node: Node, words: string, more?: { fact?: Fact; reached?: BootStage }): void;
}

/** What a boot may use. */
interface Open {
  bootId: string;
  address: string;
  /** sha256 of the secret in its path. */
  secretHash: string;
}

const NEWER = "a newer boot of this node has mounted its root";

export function nfsRoots(options: NfsRootsOptions) {
  const { core } = options;
  const { book, registry, journal, trees } = core;
  const open = new Map<string, Open>();
  /** Boots whose kernel mounts by itself, and whether their system will report. */
  const byKernel = new Map<string, { reports: boolean }>();
  const arming = new Map<string, Promise<MountAnswer>>();

  /** On the owner's page, and on the page of the one who came. */
  function both(owner: Node | undefined, address: string, words: string): void {
    journal.event("nfs", owner?.id, words);
    const other = options.whose(address);
    if (other && other.id !== owner?.id)
      journal.event("nfs", other.id, `it asked for the root of ${owner?.name ?? "nobody"}: ${words}`);
  }

  const refusal = throttled<{
    kind: "refused";
    client: { address: string };
    owner?: Node;
    why: string;
    more?: number;
    at: number;
  }>(({ client: { address }, owner, why, more }) => {
    both(owner, address, `${address} asked for a root over NFS and was refused: ${why}${moreWords(more)}`);
    if (owner && options.current(owner.id))
      options.step(owner, `${address} was refused its root: ${why}`, { fact: "root-refused" });
  }, []);

  function refuse(owner: Node | undefined, address: string, why: string): MountAnswer {
    refusal({ kind: "refused", client: { address }, why, ...(owner && { owner }) });
    return { refused: owner ? "not-allowed" : "no-such" };
  }

  async function drop(node: Node, why: string): Promise<void> {
    await book.deleteFrom("openTree").where("nodeId", "=", node.id).execute();
    if (!open.delete(node.id)) return;
    await trees.call("unbind", { id: node.id, why });
  }

  /** The boot has shown its secret: an ephemeral node's old tree goes now, and every boot before loses it. */
  async function prepared(node: Node, bootId: string): Promise<{ number: number; salt: number }> {
    if (await core.freshTree(node, bootId, () => drop(node, `${NEWER}, which gets a fresh tree`)))
      journal.event("tree", node.id, "a fresh tree was made for this boot");
    return core.ensureTree(node);
  }

  /** First the book, then the plane: what the plane lets in is known after a restart. */
  async function give(node: Node, tree: { number: number; salt: number }, to: Open): Promise<void> {
    const durability = await core.applyTreeDurability(node);
    const row = { nodeId: node.id, ...to, atMs: options.now() };
    await book
      .insertInto("openTree")
      .values(row)
      .onConflict((conflict) => conflict.column("nodeId").doUpdateSet(row))
      .execute();
    const before = open.get(node.id);
    open.set(node.id, to);
    const { number, salt } = tree;
    const { bootId, address } = to;
    await trees.call("bind", {
      ...{ id: node.id, number, salt, bootId, address },
      ...(durability !== undefined && { durability }),
    });
    if (before && before.bootId !== to.bootId)
      journal.event("nfs", node.id, `${NEWER}: the one before lost it`);
  }

  /** Its kernel has come with the boot's token: the tree is made ready for it, then opened to this address alone. */
  async function arm(node: Node, boot: Boot, secretHash: string, address: string): Promise<MountAnswer> {
    const bootId = boot.id;
    const seen = options.seen(node, bootId);
    if (registry.resolve(seen).root !== "nfs")
      return refuse(node, address, "this boot's root is not to be had over NFS");
    options.step(node, `its kernel asks for its root from ${address}`);
    await options.used(node, bootId);
    const tree = await prepared(seen, bootId);
    // whoever ran from the tree until now ends before anything in it changes
    await drop(node, NEWER);
    const { told, reports } = await seedTree(core, {
      ...{ node: seen, bootId, address },
      serverUrl: await options.serverUrl(node.id),
      session: () => openSession(options, { node, bootId, address }),
    });
    if (told.length > 0) options.step(node, `written into its root: ${told.join("; ")}`);
    byKernel.set(bootId, { reports });
    await give(seen, tree, { bootId, address, secretHash });
    const known = options.tokens.get(bootId);
    if (known) known.used = { address, atMs: options.now(), answer: undefined };
    return { number: tree.number };
  }

  async function answer({ path, address }: MountWish): Promise<MountAnswer> {
    const asked = parseExportPath(path);
    const node = asked && registry.byId(asked.nodeId);
    if (!asked || !node) return refuse(undefined, address, "there is no such tree");
    const secretHash = sha256(asked.token);
    const below = asked.below === "" ? {} : { below: asked.below };
    const has = open.get(node.id);
    if (has?.secretHash === secretHash) {
      if (has.address !== address)
        return refuse(node, address, `this boot's token was used by ${has.address}`);
      const { number } = await core.ensureTree(node);
      return { number, ...below };
    }
    const boot = options.current(node.id);
    const known = boot && options.tokens.get(boot.id);
    if (!boot || !known?.hashes.includes(secretHash))
      return refuse(node, address, "the token in the path is not this boot's");
    if (known.used || (known.onlyFrom !== undefined && known.onlyFrom !== address))
      return refuse(node, address, "this boot's token was used already");
    const armed = arming.get(node.id) ?? arm(node, boot, secretHash, address);
    arming.set(node.id, armed);
    const answered = await armed.finally(() => arming.delete(node.id));
    if ("refused" in answered || open.get(node.id)?.address === address) return { ...answered, ...below };
    return refuse(node, address, "this boot's token was used by another address");
  }

  /** A kernel's MOUNT was answered: its system starts now. */
  function mounted(node: Node, address: string): void {
    const boot = options.current(node.id);
    journal.event("nfs", node.id, `its root was mounted from ${address}`);
    if (!boot) return;
    const kernel = open.get(node.id)?.bootId === boot.id ? byKernel.get(boot.id) : undefined;
    const words = `its root was mounted from ${address} over NFS`;
    options.step(node, words, { fact: "root-opened", ...(kernel && { reached: "switched-root" }) });
    if (!kernel) return;
    byKernel.delete(boot.id);
    if (kernel.reports) return;
    options.ended(node);
    const booted = {
      fact: "booted" as const,
      words: "its kernel mounted its root; nothing in it can report",
    };
    options
      .heard(node, boot.id, booted)
      .catch((error: Error) => journal.event("life", node.id, error.message));
  }

  return {
    mount: answer,
    drop,

    /** A newer boot is surely under way: the one before has no root any more, whatever the newer one's is. */
    async endBefore(node: Node, bootId: string): Promise<void> {
      const has = open.get(node.id);
      if (has && has.bootId !== bootId) await drop(node, "a newer boot of this node is under way");
    },

    /** Opens a node's tree to the agent of one boot, by a secret path; the boot before loses it. */
    async exportNfs(node: Node, bootId: string, address: string): Promise<NfsRoot> {
      const port = await options.door();
      const tree = await prepared(node, bootId);
      const { steps } = await unsettleReporter(treeByMessage(trees, node.id));
      if (steps.length > 0) await trees.call("settleTree", { id: node.id, steps });
      const secret = core.newSecret();
      await give(node, tree, { bootId, address, secretHash: sha256(secret) });
      return { path: exportPath(node.id, secret), options: nfsOptions(port) };
    },

    /** What the NFS plane tells. */
    news({ kind, address = "?", id, why, more }: NfsNews): void {
      const node = registry.byId(id ?? "");
      const times = moreWords(more);
      if (kind === "mounted") {
        if (node) mounted(node, address);
      } else if (kind === "denied") {
        both(node, address, `${address} used a file handle of a tree that is not its own: refused${times}`);
      } else if (kind !== "unmounted") {
        const from = address === "?" ? "" : `${address}: `;
        journal.event("nfs", (node ?? options.whose(address))?.id, `${from}${why ?? kind}${times}`);
      }
    },

    /** After a start of ours: what running nodes have mounted is opened to them again, before anybody can knock. */
    async restore(): Promise<number> {
      const rows = await book
        .selectFrom("openTree")
        .innerJoin("tree", "tree.nodeId", "openTree.nodeId")
        .selectAll("openTree")
        .select(["tree.number", "tree.salt", "tree.durability"])
        .where("tree.settled", "=", 1)
        .execute();
      for (const { nodeId, bootId, address, secretHash, number, salt, durability } of rows) {
        if (!registry.byId(nodeId)) continue;
        open.set(nodeId, { bootId, address, secretHash });
        await trees.call("bind", {
          ...{ id: nodeId, number, salt, bootId, address },
          ...(durability !== null && { durability: durability as NfsDurability }),
        });
      }
      return rows.length;
    },
  };
}

const moreWords = (more: number | undefined): string => (more ? ` (and ${more} times more)` : "");
