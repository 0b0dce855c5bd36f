// A node of the browser's world gets an NFS root, mounts it with a client of ours, and changes it as a node would.
import { toUtf8 } from "../src/base/text.ts";
import { connectNfs } from "../src/serve/nfs-client-testing.ts";
import type { World } from "./ui-browser.ts";

const AT = "127.0.0.1";

/** Files made, changed, given away and removed, each of them once; the node is off afterwards, its root let go of. */
export async function changedTree({ server }: World, name: string): Promise<void> {
  const { commands, core, desk } = server;
  await commands.setNode({ node: name, patch: { root: "nfs" } });
  const node = core.registry.need(name);
  const { path } = await desk.agentHooks.exportNfs(node, "b-tree", AT);
  const nfs = await connectNfs(server.nfsPort() ?? 0, { host: "127.0.0.1", localAddress: AT });
  try {
    const root = await nfs.mnt(path);
    const etc = await nfs.walk(root, "etc");
    const motd = await nfs.create(etc, "motd");
    await nfs.write(motd.fh, 0, toUtf8("Welcome to the node.\n"));
    await nfs.write(await nfs.walk(etc, "hosts"), 0, toUtf8("127.0.0.1 localhost db\n"));
    await nfs.setattr(await nfs.walk(etc, "passwd"), { mode: 0o600 });
    await nfs.remove(etc, "group");
    const { fh: lib } = await nfs.mkdir(await nfs.walk(root, "var/lib"), "app");
    const { fh: big } = await nfs.create(lib, "journal-of-the-database-with-a-long-name.db");
    for (let i = 0; i < 4; i++) await nfs.write(big, i << 18, new Uint8Array(1 << 18).fill(1 + i));
    await nfs.symlink(lib, "current", "journal-of-the-database-with-a-long-name.db");
  } finally {
    nfs.close();
  }
  await desk.dropDisk(node, "it was switched off");
}
