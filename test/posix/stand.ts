// Trees of ours over an ext4, as the cases see them: called in this process, or asked over TCP.
import { statSync } from "node:fs";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { serveNfs } from "../../src/serve/nfs.ts";
import { connectNfs } from "../../src/serve/nfs-client-testing.ts";
import { openImageLower } from "../../src/storage/trees/lower-image.ts";
import { openTrees } from "../../src/storage/trees/trees.ts";
import { HANDLE_BYTES, type HandleFacts, writeHandle } from "../../src/wire/nfs/handle.ts";
import { STATUS } from "../../src/wire/nfs/status.ts";
import type { Ino, NfsTree } from "../../src/wire/nfs/tree.ts";
import { XdrWriter } from "../../src/wire/xdr.ts";
import { scratch } from "../readers.ts";
import { type Calls, wireTree } from "./wire.ts";

/** A node's tree over an ext4, in a folder of its own. */
export async function openTree(t: TestContext, image: string): Promise<NfsTree> {
  const { lower, close } = await openImageLower(image, { root: { offset: 0, size: statSync(image).size } });
  t.after(close);
  const trees = await openTrees({
    folder: join(scratch(t), "trees"),
    durability: "fast", // what is promised of a disk is tested where the disk is
    openLower: async () => lower,
    trouble: (error) => t.diagnostic(error.message),
  });
  t.after(() => trees.close());
  await trees.create({ id: "node", image: "0".repeat(64) });
  return trees.tree("node");
}

/** After each call, what it has changed is made to last. */
export function called(tree: NfsTree): Calls {
  const get = (target: NfsTree, name: string | symbol) => {
    const method = Reflect.get(target, name);
    if (typeof method !== "function") return method;
    return async (...args: unknown[]) => {
      const answer = await Reflect.apply(method, target, args);
      await target.settled();
      return answer;
    };
  };
  return new Proxy(tree, { get });
}

/** By a server and a client over TCP. */
export async function asked(t: TestContext, tree: NfsTree): Promise<Calls> {
  const handles = { export: 7, generation: 1, salt: 0x1234_5678 };
  const exported = { handles, tree, name: "node" };
  const server = await serveNfs({
    host: "127.0.0.1",
    port: 0,
    mount: (path) => (path === "/nodes/node/token" ? { exported } : STATUS.ACCES),
    treeOf: (number) => (number === handles.export ? exported : STATUS.STALE),
  });
  t.after(() => server.close());
  const client = await connectNfs(server.port);
  t.after(() => client.close());
  return wireTree(client, await client.mnt("/nodes/node/token"), (ino) => handleOf(handles, ino));
}

function handleOf(facts: HandleFacts, ino: Ino): Uint8Array {
  const w = new XdrWriter().into(new Uint8Array(4 + HANDLE_BYTES));
  writeHandle(w, facts, ino);
  return w.bytes.slice(4);
}
