// The commands about clones, for nodes whose clone is a tree: root mode nfs.
import { rm } from "node:fs/promises";
import { isAbsolute, join } from "node:path";
import type { CloneCommands, CloneView } from "../api/contract.ts";
import { BrambleError } from "../base/errors.ts";
import { toLatin1, utf8 } from "../base/text.ts";
import type { Node } from "../fleet/node.ts";
import type { Tables } from "../storage/book.ts";
import { diskOfTar, FROM_TAR_WORK } from "../storage/images/from-tar.ts";
import { findImage } from "../storage/images.ts";
import { FILE_KIND, type FileKind } from "../wire/nfs/tree.ts";
import { exportTo, needSnapshot } from "./clone-commands.ts";
import type { Running } from "./commands.ts";
import type { Core } from "./core.ts";
import { promote } from "./promote.ts";

/** Lines that a comparison gives at most; all are counted. */
const MOST_DIFFERENCES = 10_000;

const KINDS = new Map<FileKind, string>(Object.entries(FILE_KIND).map(([name, kind]) => [kind, name]));

export function treeCommands(
  core: Core,
  running?: Running,
): Omit<CloneCommands, "clones"> & {
  view(row: Pick<Tables["tree"], "nodeId" | "imageSha" | "createdMs">): Promise<CloneView>;
} {
  const { book, registry, data, journal, trees } = core;
  const list = (id: string) => trees.call("treeSnapshots", { id });

  async function view(row: Pick<Tables["tree"], "nodeId" | "imageSha" | "createdMs">): Promise<CloneView> {
    const { nodeId, imageSha, createdMs } = row;
    const node = registry.byId(nodeId);
    const { ownBytes, sharedBytes, snapshots, quota, isUsed } = await trees.call("treeSpace", { id: nodeId });
    const image = await findImage(data.root, imageSha).catch(() => undefined); // its image was removed by hand
    return {
      kind: "tree",
      node: node?.name ?? nodeId,
      image: image ? `${image.name}:${image.version}` : `missing (${imageSha.slice(0, 12)})`,
      path: join(data.trees, nodeId),
      size: image?.size ?? 0,
      ...{ ownBytes, createdMs, sharedBytes, snapshots, inUse: isUsed },
      ephemeral: node ? registry.resolve(node).ephemeral : false,
      ...(quota !== undefined && { quota }),
    };
  }

  async function need(reference: string) {
    const node = registry.need(reference);
    const row = await book.selectFrom("tree").selectAll().where("nodeId", "=", node.id).executeTakeFirst();
    if (row) return { node, row, id: node.id };
    throw new BrambleError("CLONE_UNKNOWN", `${node.name} has no tree yet`, {
      hint: "it gets one at its first boot",
    });
  }
  const again = async (node: Node) => view((await need(node.id)).row);

  /** The node must be off, or its tree is taken from it. */
  async function idle(node: Node, force: boolean, doing: string): Promise<void> {
    if (!force && (await trees.call("treeSpace", { id: node.id })).isUsed)
      throw new BrambleError("CLONE_BUSY", `${node.name} has used its root in the last five minutes`, {
        hint: `shut it down first and wait, or take its root from it with --force: what it has not written yet is lost (${doing})`,
      });
    await running?.dropDisk(node, doing);
  }

  const not = (what: string, hint: string) => async (): Promise<never> => {
    throw new BrambleError("NOT_AVAILABLE", `a node with an NFS root has files, not a disk: ${what}`, {
      hint,
    });
  };

  return {
    view,
    clone: async ({ node }) => view((await need(node)).row),
    async resetClone({ node, force = false, dropSnapshots = false }) {
      const { node: found, id } = await need(node);
      await idle(found, force, "its tree was reset");
      if (dropSnapshots || (await list(id)).length === 0) await core.removeTree(found);
      else await core.resetTree(found);
      journal.event("clone", id, "its tree was reset: the next boot begins with the image as it is");
      return { node: found.name };
    },
    async snapshots({ node }) {
      return (await list((await need(node)).id)).map(({ name, createdMs, ownBytes }) => ({
        ...{ name, createdMs, ownBytes },
      }));
    },
    async snapshotClone({ node, name }) {
      const { node: found, id } = await need(node);
      await trees.call("snapshotTree", { id, name });
      const { isUsed } = await trees.call("treeSpace", { id });
      journal.event("clone", id, `snapshot ${name} was taken${isUsed ? " while it runs" : ""}`);
      const { createdMs, ownBytes } = needSnapshot(found, await list(id), name);
      return { name, createdMs, ownBytes };
    },
    async dropSnapshot({ node, snapshot }) {
      const { node: found, id } = await need(node);
      const { name } = needSnapshot(found, await list(id), snapshot);
      await trees.call("dropTreeSnapshot", { id, name });
      journal.event("clone", id, `snapshot ${name} was dropped`);
      return { name };
    },
    async rollbackClone({ node, snapshot, force = false }) {
      const { node: found, id } = await need(node);
      const { name } = needSnapshot(found, await list(id), snapshot);
      await idle(found, force, `its tree goes back to snapshot ${name}`);
      const { image } = await trees.call("rollbackTree", { id, name });
      await book.updateTable("tree").set({ imageSha: image }).where("nodeId", "=", id).execute();
      journal.event("clone", id, `its tree went back to snapshot ${name}; what came after is gone`);
      return again(found);
    },
    async exportClone({ node, to, format, snapshot, force = false }, { progress, signal }) {
      const { node: found, id } = await need(node);
      if (!isAbsolute(to)) throw new BrambleError("BAD_INPUT", `${to} is no whole path`);
      if (format !== "tar")
        throw new BrambleError("BAD_INPUT", `the files of ${found.name} cannot be exported as ${format}`, {
          hint: `--format tar; a disk image is made of them by \`bramble clone promote ${found.name}\``,
        });
      if (snapshot !== undefined) needSnapshot(found, await list(id), snapshot);
      const bytes = await exportTo(to, force, (part) =>
        tar(id, part, snapshot, signal, (done, total) => progress({ phase: "export", bytes: done, total })),
      );
      const what = `its tree${snapshot ? `'s snapshot ${snapshot}` : ""}`;
      journal.event("clone", id, `${what} was exported as tar`);
      return { path: to, bytes };
    },
    async promoteClone({ node, name, snapshot, keep, clean = true }, { progress, signal }) {
      const { node: found, row, id } = await need(node);
      if (snapshot !== undefined) needSnapshot(found, await list(id), snapshot);
      const base = await findImage(data.root, row.imageSha);
      const told = (phase: string) => (bytes: number, total: number) => progress({ phase, bytes, total });
      const { diskId, scheme } = base.facts;
      const promoted = await promote(core, {
        ...{ node: found, base, name, snapshot, progress, signal },
        busy: false, // of one moment, and whole: files, not a disk
        keep: clean ? (keep ?? []) : undefined,
        works: [".tar", FROM_TAR_WORK],
        async copy(raw) {
          const from = `${raw}.tar`;
          try {
            await tar(id, from, snapshot, signal, told("copy"));
            return await diskOfTar({
              ...{ tar: from, to: raw, signal, onProgress: told("make") },
              ...(scheme === "mbr" && { diskId: Number.parseInt(diskId, 16) }),
            });
          } finally {
            await rm(from, { force: true });
          }
        },
      });
      const { image } = promoted;
      journal.event("clone", id, `its tree became the image ${image.name}:${image.version}`);
      await running?.imagesChanged();
      return promoted;
    },
    async diffClone({ node, snapshot }, { signal }) {
      const { node: found, row, id } = await need(node);
      if (snapshot !== undefined) needSnapshot(found, await list(id), snapshot);
      const image = await findImage(data.root, row.imageSha);
      const { entries, totals } = await core.job(
        signal,
        (job) =>
          trees.call("diffTree", {
            id,
            job,
            most: MOST_DIFFERENCES,
            ...(snapshot !== undefined && { snapshot }),
          }),
        "trees",
      );
      return {
        node: found.name,
        image: `${image.name}:${image.version}`,
        entries: entries.map(({ path, what, kind, size, before }) => ({
          ...{ path: `/${utf8(toLatin1(path))}`, what, kind: KINDS.get(kind) ?? "file", size, before },
        })),
        totals,
        ...(snapshot !== undefined && { snapshot }),
      };
    },
    async setCloneQuota({ node, quota }) {
      const { node: found, id } = await need(node);
      await registry.patch(found, { quota });
      await core.applyTreeQuota(found);
      const words = quota === null ? "its quota is its profile's" : `its quota is ${quota} bytes`;
      journal.event("clone", id, words);
      return again(found);
    },
    serveClone: not("there is nothing that could be opened as one", "bramble clone export NODE FILE.tar"),
    rebaseClone: not(
      "what it has changed fits its own image only",
      "bramble node set NODE --image NAME:VERSION, then bramble clone reset NODE",
    ),
    resizeClone: not("it has as much room as its quota says", "bramble clone quota NODE SIZE"),
    mergeClone: not("there are no layers to be merged", "bramble clone drop NODE SNAPSHOT gives space back"),
  };

  function tar(
    id: string,
    to: string,
    snapshot: string | undefined,
    signal: AbortSignal,
    told: (done: number, total: number) => void,
  ): Promise<void> {
    return core.job(
      signal,
      (job) => trees.call("exportTree", { id, to, job, ...(snapshot !== undefined && { snapshot }) }, told),
      "trees",
    );
  }
}
