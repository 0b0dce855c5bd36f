import { randomUUID } from "node:crypto";
import { constants, existsSync } from "node:fs";
import { access, rm, stat } from "node:fs/promises";
import { dirname, isAbsolute } from "node:path";
import type { CloneCommands, CloneView, SnapshotView } from "../api/contract.ts";
import { BrambleError } from "../base/errors.ts";
import { parseSize } from "../fleet/disk-settings.ts";
import type { Node } from "../fleet/node.ts";
import type { Tables } from "../storage/book.ts";
import { publish } from "../storage/images/durable.ts";
import { type ImageManifest, imageFile } from "../storage/images/manifest.ts";
import { findImage } from "../storage/images.ts";
import type { Running } from "./commands.ts";
import type { Core } from "./core.ts";
import { promote } from "./promote.ts";

const FORMATS = ["raw", "qcow2", "xz"] as const;

/** The commands about clones that are disks. */
export function diskCommands(core: Core, running?: Running): CloneCommands {
  const { book, registry, data, journal, disks } = core;
  const factsOf = (path: string) => disks.call("facts", { path });
  const list = (path: string) => disks.call("listSnapshots", { path });
  const resolved = (node: Node) => registry.resolve(node);

  async function view(row: Pick<Tables["clone"], "nodeId" | "imageSha" | "createdMs">): Promise<CloneView> {
    const node = registry.byId(row.nodeId);
    const path = data.clone(row.nodeId);
    const { size, ownBytes, sharedBytes, layers, quota, busy } = await factsOf(path);
    const image = await findImage(data.root, row.imageSha).catch(() => undefined); // its image was removed by hand
    return {
      kind: "disk",
      node: node?.name ?? row.nodeId,
      image: image ? `${image.name}:${image.version}` : `missing (${row.imageSha.slice(0, 12)})`,
      path,
      size,
      ownBytes,
      createdMs: row.createdMs,
      sharedBytes,
      snapshots: layers > 0 ? (await list(path)).length : 0,
      ephemeral: node ? resolved(node).ephemeral : false,
      inUse: busy,
      ...(quota !== undefined && { quota }),
    };
  }

  async function need(reference: string) {
    const node = registry.need(reference);
    const row = await book.selectFrom("clone").selectAll().where("nodeId", "=", node.id).executeTakeFirst();
    if (row) return { node, row, path: data.clone(node.id) };
    throw new BrambleError("CLONE_UNKNOWN", `${node.name} has no clone yet`, {
      hint: "it gets one at its first boot",
    });
  }
  const again = async (node: Node) => view((await need(node.id)).row);

  /** The node must be off, or its disk is taken from it. Afterwards nobody has a way to the clone until the next boot. */
  async function idle(node: Node, path: string, force: boolean, doing: string): Promise<void> {
    if (!force && (await factsOf(path)).busy) {
      throw new BrambleError("CLONE_BUSY", `${node.name} runs from this clone`, {
        hint: `shut it down first, or take its disk from it with --force: what it has not written yet is lost (${doing})`,
      });
    }
    await running?.dropDisk(node, doing);
  }

  /** Nothing of its own, over this image; its snapshots stay. A kill in between is put right by the next look at the clone (core.ts). */
  async function over(node: Node, image: ImageManifest) {
    await disks.call("rebaseClone", {
      path: data.clone(node.id),
      image: { path: imageFile(data.root, image.sha256), size: image.size, sha256: image.sha256 },
    });
    const next = { nodeId: node.id, imageSha: image.sha256, createdMs: Date.now() };
    await book.updateTable("clone").set(next).where("nodeId", "=", node.id).execute();
    return next;
  }

  return {
    async clones() {
      return Promise.all((await book.selectFrom("clone").selectAll().execute()).map(view));
    },
    clone: async ({ node }) => view((await need(node)).row),
    async resetClone({ node, force = false, dropSnapshots = false }) {
      const { node: found, path } = await need(node);
      const { layers } = await factsOf(path);
      await idle(found, path, force, "its clone was reset");
      if (layers === 0 || dropSnapshots) await core.removeClone(found);
      else await over(found, await core.imageOf(found));
      journal.event("clone", found.id, "its clone was reset: the next boot begins with the image as it is");
      return { node: found.name };
    },
    async serveClone({ node }) {
      const { node: found, path } = await need(node);
      const secret = core.newSecret();
      await disks.call("export", { secret, name: `${found.id}/tools`, path, address: "127.0.0.1" });
      const { port } = await disks.call("listen", { host: "127.0.0.1", port: 0 });
      journal.event("clone", found.id, "its disk was opened on loopback for tools");
      return { uri: `nbd://127.0.0.1:${port}/${secret}` };
    },
    async snapshots({ node }) {
      return list((await need(node)).path);
    },
    async snapshotClone({ node, name }) {
      const { node: found, path } = await need(node);
      await disks.call("snapshotClone", { path, name });
      const { busy } = await factsOf(path);
      journal.event("clone", found.id, `snapshot ${name} was taken${busy ? " while it runs" : ""}`);
      return needSnapshot(found, await list(path), name);
    },
    async dropSnapshot({ node, snapshot }) {
      const { node: found, path } = await need(node);
      const { name } = needSnapshot(found, await list(path), snapshot);
      await disks.call("dropSnapshot", { path, name });
      journal.event("clone", found.id, `snapshot ${name} was dropped`);
      return { name };
    },
    async rollbackClone({ node, snapshot, force = false }) {
      const { node: found, path } = await need(node);
      const { name } = needSnapshot(found, await list(path), snapshot);
      await idle(found, path, force, `its clone goes back to snapshot ${name}`);
      const { image } = await disks.call("rollbackClone", { path, name });
      if (image)
        await book.updateTable("clone").set({ imageSha: image }).where("nodeId", "=", found.id).execute();
      journal.event("clone", found.id, `its clone went back to snapshot ${name}; what came after is gone`);
      return again(found);
    },
    async exportClone({ node, to, format, snapshot, force = false }, { progress, signal }) {
      const { node: found, path } = await need(node);
      if (!isAbsolute(to)) throw new BrambleError("BAD_INPUT", `${to} is no whole path`);
      if (format === "tar" || !FORMATS.includes(format)) {
        throw new BrambleError("BAD_INPUT", `a disk cannot be exported as ${format}`, {
          hint: `one of ${FORMATS.join(", ")}; tar is for nodes with an NFS root`,
        });
      }
      if (snapshot !== undefined) needSnapshot(found, await list(path), snapshot);
      const bytes = await exportTo(to, force, (part) =>
        core.job(signal, (job) =>
          disks.call(
            "exportClone",
            { path, to: part, format, job, ...(snapshot !== undefined && { snapshot }) },
            (done, total) => progress({ phase: "export", bytes: done, total }),
          ),
        ),
      );
      journal.event(
        "clone",
        found.id,
        `its clone${snapshot ? `'s snapshot ${snapshot}` : ""} was exported as ${format}`,
      );
      return { path: to, bytes };
    },
    async promoteClone({ node, name, snapshot, keep, clean = true }, { progress, signal }) {
      const { node: found, row, path } = await need(node);
      if (snapshot !== undefined) needSnapshot(found, await list(path), snapshot);
      const { busy } = await factsOf(path);
      const base = await findImage(data.root, row.imageSha);
      const promoted = await promote(core, {
        node: found,
        base,
        works: [],
        async copy(to) {
          await core.job(signal, (job) =>
            disks.call(
              "promoteClone",
              { path, to, job, ...(snapshot !== undefined && { snapshot }) },
              (done, total) => progress({ phase: "copy", bytes: done, total }),
            ),
          );
          return { notes: [], rootPartition: base.facts.rootPartition };
        },
        busy: busy && snapshot === undefined,
        name,
        snapshot,
        keep: clean ? (keep ?? []) : undefined,
        progress,
        signal,
      });
      const { image } = promoted;
      journal.event("clone", found.id, `its disk became the image ${image.name}:${image.version}`);
      await running?.imagesChanged();
      return promoted;
    },
    async diffClone({ node }) {
      const { node: found } = await need(node);
      throw new BrambleError(
        "NOT_AVAILABLE",
        `${found.name} has a disk, whose files Bramble does not compare`,
        {
          hint: "files are compared for nodes with an NFS root; `bramble clone export` and `guestfish` or a loop mount show a disk's",
        },
      );
    },
    async rebaseClone({ node, image: wish, discardChanges = false, force = false }) {
      const { node: found, row, path } = await need(node);
      const { root, ephemeral } = resolved(found);
      const image = wish === undefined ? await core.imageOf(found) : await findImage(data.root, wish);
      const name = `${image.name}:${image.version}`;
      const { ownBytes } = await factsOf(path);
      if (image.sha256 === row.imageSha) return view(row);
      if (!(discardChanges || ephemeral || root === "ram" || root === "inventory")) {
        throw new BrambleError(
          "BAD_INPUT",
          `${found.name} has ${ownBytes} bytes of its own, which fit its old image only`,
          {
            hint: "a rebase is for roots without a state (--root ram, --ephemeral on); to throw its changes away say --discard-changes",
          },
        );
      }
      await idle(found, path, force, `its clone is put over ${name}`);
      const next = await over(found, image);
      journal.event("clone", found.id, `its clone now stands on ${name}; changes of its own were discarded`);
      return view(next);
    },
    async resizeClone({ node, size }) {
      const { node: found, path } = await need(node);
      const bytes = parseSize(String(size));
      await disks.call("resizeClone", { path, size: bytes });
      journal.event("clone", found.id, `its disk now has ${bytes} bytes`);
      return again(found);
    },
    async setCloneQuota({ node, quota }) {
      const { node: found } = await need(node);
      await registry.patch(found, { quota });
      await core.applyQuota(found);
      journal.event(
        "clone",
        found.id,
        quota === null ? "its quota is its profile's" : `its quota is ${quota} bytes`,
      );
      return again(found);
    },
    async mergeClone({ node }, { progress }) {
      const { node: found, path } = await need(node);
      await disks.call("mergeClone", { path }, (done, total) =>
        progress({ phase: "merge", bytes: done, total }),
      );
      return again(found);
    },
  };
}

/** SNAPSHOT_UNKNOWN with what there is. */
export function needSnapshot<T extends SnapshotView>(node: Node, all: readonly T[], name: string): T {
  const found = all.find((one) => one.name === name);
  if (found) return found;
  throw new BrambleError("SNAPSHOT_UNKNOWN", `${node.name} has no snapshot ${name}`, {
    hint:
      all.length > 0
        ? `there are: ${all.map((one) => one.name).join(", ")}`
        : `it has none: bramble clone snapshot ${node.name} NAME`,
  });
}

/** Written beside its place and then put there whole. Says how many bytes it has. */
export async function exportTo(
  to: string,
  force: boolean,
  write: (part: string) => Promise<unknown>,
): Promise<number> {
  if (!force && existsSync(to)) {
    throw new BrambleError("BAD_INPUT", `${to} is there already`, { hint: "--force replaces it" });
  }
  const place = dirname(to);
  await access(place, constants.W_OK).catch((cause) => {
    throw new BrambleError("BAD_INPUT", `nothing can be written to ${place}: ${(cause as Error).message}`, {
      hint: "Bramble itself writes it: choose a folder that is there and that its user may write to",
      cause,
    });
  });
  const part = `${to}.${randomUUID().slice(0, 8)}`;
  try {
    await write(part);
    const { size } = await stat(part);
    await publish(part, to);
    return size;
  } finally {
    await rm(part, { force: true });
  }
}
