// What the NFS tests play with: a server over a tree in memory, with one export.
import type { TestContext } from "node:test";
import type { HandleFacts } from "../wire/nfs/handle.ts";
import { STATUS } from "../wire/nfs/status.ts";
import { type NfsEvent, type NfsOptions, type NfsServer, serveNfs } from "./nfs.ts";
import { connectNfs, type Fh, type NfsTestClient } from "./nfs-client-testing.ts";
import { type Hooks, type TestTree, testTree } from "./nfs-tree-testing.ts";

export const PATH = "/nodes/pi01/secret";
export const HANDLES: HandleFacts = { export: 7, generation: 1, salt: 0x1234_5678 };

export interface House {
  server: NfsServer;
  port: number;
  tree: TestTree;
  events: NfsEvent[];
  /** Another connection, ended with the test. */
  connect(options?: Parameters<typeof connectNfs>[1]): Promise<NfsTestClient>;
  /** Waits for events of this kind. */
  event(kind: NfsEvent["kind"], count?: number): Promise<NfsEvent>;
}

export async function house(
  t: TestContext,
  { hooks, ...more }: Partial<NfsOptions> & { hooks?: Hooks } = {},
): Promise<House> {
  const tree = testTree(hooks);
  const exported = { handles: HANDLES, tree, name: "pi01" };
  const events: NfsEvent[] = [];
  let heard = () => {};
  const server = await serveNfs({
    host: "127.0.0.1",
    port: 0,
    mount(path) {
      if (path !== PATH && !path.startsWith(`${PATH}/`)) return STATUS.ACCES;
      return { exported, below: path.slice(PATH.length) };
    },
    treeOf: (number) => (number === HANDLES.export ? exported : STATUS.STALE),
    on(event) {
      events.push(event);
      heard();
    },
    ...more,
  });
  t.after(() => server.close());
  return {
    server,
    port: server.port,
    tree,
    events,
    async connect(options) {
      const client = await connectNfs(server.port, options);
      t.after(() => client.close());
      return client;
    },
    async event(kind, count = 1) {
      const found = () => events.filter((event) => event.kind === kind);
      while (found().length < count)
        await new Promise<void>((resolve) => {
          heard = resolve;
        });
      return found()[count - 1] as NfsEvent;
    },
  };
}

/** A house, a client, and the root that it has mounted. */
export async function mounted(
  t: TestContext,
  more?: Parameters<typeof house>[1],
): Promise<House & { client: NfsTestClient; root: Fh }> {
  const all = await house(t, more);
  const client = await all.connect();
  return { ...all, client, root: await client.mnt(PATH) };
}
