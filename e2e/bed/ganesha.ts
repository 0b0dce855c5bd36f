// nfs-ganesha on a computer of its own: somebody else's NFS server, versions 3 and 4, over folders as they lie.
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Need, Stage } from "../scenario.ts";
import { makeHost } from "./host.ts";
import type { Network } from "./network.ts";

export const GANESHA: Need[] = [
  { tool: "ganesha.nfsd", package: "nfs-ganesha-vfs" },
  { tool: "rpcbind", package: "rpcbind" },
  { tool: "rpcinfo", package: "rpcbind" },
];

/** Exports `folder` by its own path to everybody, roots stay root. It opens files by handle: only the machine's own root may. */
export async function startGanesha(
  t: Stage,
  network: Network,
  folder: string,
): Promise<{ address: string; pid: number }> {
  const address = network.host(9);
  const host = await makeHost(t);
  await host.plug(network, "eth0", { address: `${address}/24` });
  const own = join(t.folder, "ganesha");
  await mkdir(own, { recursive: true });
  const [settings, log] = [join(own, "ganesha.conf"), join(own, "ganesha.log")];
  await writeFile(settings, configuration(folder, own));
  const daemon = ["ganesha.nfsd", "-F", "-f", settings, "-p", "/run/ganesha.pid", "-L", log];
  const server = host.start("unshare", "--mount", "sh", "-c", BEGIN, "sh", ...daemon);
  t.atEnd(() => server.stop("SIGKILL"));
  const answers = (version: string, program: string) =>
    host.run("rpcinfo", "-T", "tcp", address, program, version);
  for (const end = Date.now() + 30_000; ; ) {
    try {
      await Promise.all([answers("3", "mountd"), answers("3", "nfs"), answers("4", "nfs")]);
      return { address, pid: Number(server.process.pid) };
    } catch (error) {
      if (Date.now() > end) throw new Error(`ganesha does not answer (see ${log})`, { cause: error });
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
  }
}

/** It asks for a port mapper: both have a /run of their own. */
const BEGIN = `PATH=$PATH:/usr/sbin:/sbin
mount -t tmpfs tmpfs /run; mkdir /run/rpcbind; rpcbind -f > /dev/null 2>&1 & exec "$@"`;

const configuration = (folder: string, own: string): string => `
NFS_CORE_PARAM { Protocols = 3, 4; Enable_NLM = false; Enable_RQUOTA = false; }
NFSV4 { Graceless = true; Only_Numeric_Owners = true; RecoveryRoot = ${own}; }
EXPORT {
  Export_Id = 1; Path = ${folder}; Pseudo = ${folder}; Access_Type = RW; Squash = None; SecType = sys; Protocols = 3, 4; Transports = TCP;
  FSAL { Name = VFS; }
}
LOG { Default_Log_Level = WARN; }
`;
