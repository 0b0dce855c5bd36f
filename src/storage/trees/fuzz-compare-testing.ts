// For tests: a tree and its model side by side.
import assert from "node:assert/strict";
import { type Attributes, FILE_KIND as K } from "../../wire/nfs/tree.ts";
import type { MemoryTree } from "./keep-testing.ts";
import { Model, ModelNode } from "./model-testing.ts";
import type { Upper } from "./upper.ts";

export function same(found: Attributes, node: ModelNode): void {
  const size =
    node.kind === K.file ? node.bytes.length : node.kind === K.symlink ? node.target.length : found.size;
  assert.deepEqual(
    { ino: found.ino, kind: found.kind, mode: found.mode.toString(8), nlink: found.nlink, uid: found.uid, gid: found.gid, size: found.size },
    { ino: node.ino, kind: node.kind, mode: node.mode.toString(8), nlink: node.nlink, uid: node.uid, gid: node.gid, size },
  ); // biome-ignore format: two rows
}

/** All that matters of the changes in memory. */
export function contents(upper: Upper): object {
  const byKey = <V>(map: Iterable<[number, V]>) => [...map].sort(([a], [b]) => a - b);
  return {
    inodes: byKey(upper.inodes),
    entries: byKey(upper.entries).flatMap(([directory, { names }]) =>
      [...names.values()].map(({ name, ino, cookie }) => [directory, name, ino, cookie]).sort(),
    ),
    maps: byKey(upper.maps)
      .map(([ino, blocks]) => [ino, [...blocks.runs()]] as const)
      .filter(([, runs]) => runs.length > 0),
    ownBytes: upper.ownBytes,
  };
}

/** The model of a tree as it is at first. */
export async function modelOf({ tree }: MemoryTree): Promise<Model> {
  const found = new Map<number, ModelNode>();
  const nodeOf = async (attributes: Attributes & { target?: string }) => {
    const known = found.get(attributes.ino);
    if (known) return known;
    const node = new ModelNode(attributes.kind, attributes.mode, attributes.uid, attributes.gid);
    ({ ino: node.ino, nlink: node.nlink } = attributes);
    node.target = attributes.target ?? "";
    const file = await tree.inside.open(node.ino);
    if (file) {
      node.bytes = new Uint8Array(file.size);
      await file.read(node.bytes, 0);
      node.kept = node.bytes.slice();
    }
    found.set(node.ino, node);
    return node;
  };
  const root = await tree.inside.look("");
  assert.ok(root);
  const model = new Model(await nodeOf(root));
  const fill = async (directory: ModelNode) => {
    for (const { name, inode } of await tree.inside.list(directory.ino)) {
      const fresh = !found.has(inode.ino);
      const node = await nodeOf(inode);
      directory.names.set(name, node);
      if (fresh) model.nodes.push(node);
      if (!node.isDir) continue;
      node.parent = directory;
      await fill(node);
    }
  };
  await fill(model.root);
  return model;
}
