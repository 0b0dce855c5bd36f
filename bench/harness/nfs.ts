// What the cases about NFS share: our server over trees, nfs-ganesha on a folder, and the storm of clients.
import { execFile } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import type { Bench } from "./case.ts";
import { freePort, type Server } from "./server.ts";

export interface NfsServed {
  server: Server;
  /** How to start nfsstorm for it, with these arguments after those that say where. */
  storm(args: readonly string[]): { program: string; args: string[] };
  stop(): Promise<void>;
}

/** One run of nfsstorm. */
export async function storm(
  ctx: Bench,
  served: NfsServed,
  args: readonly (string | number)[],
): Promise<{ requests: number; bytes: number; seconds: number }> {
  ctx.compile("nfsstorm.c", ["nfs"]);
  const { program, args: all } = served.storm(args.map(String));
  return JSON.parse((await promisify(execFile)(program, all)).stdout);
}

/** Our server over `nodes` trees of one image (an ext4), in `folder`. */
export async function treesOf(
  ctx: Bench,
  options: { folder: string; durability: "durable" | "fast"; image: string; nodes: number },
): Promise<NfsServed> {
  const { folder, durability, image, nodes } = options;
  const server = await ctx.ours("nfs", [folder, durability, image, String(nodes)]);
  const { port } = server.ready as { port: number };
  const path = nodes === 1 ? "/nodes/0" : "/nodes/%d";
  return {
    server,
    storm: (args) => ({
      program: ctx.compile("nfsstorm.c", ["nfs"]),
      args: ["-p", String(port), "-e", path, ...args],
    }),
    stop: () => server.stop(),
  };
}

/** How to start ganesha on a folder; undefined, and said, where it is not installed or we are not root. It asks for a portmapper: both have a network of their own. */
export function ganeshaOf(
  ctx: Bench,
): ((folder: string, exported: string) => Promise<NfsServed>) | undefined {
  const ganesha = ctx.tool("ganesha.nfsd", "nfs-ganesha-vfs");
  const rpcbind = ctx.tool("rpcbind", "rpcbind");
  const [unshare, nsenter] = [ctx.tool("unshare", "util-linux"), ctx.tool("nsenter", "util-linux")];
  if (!ganesha || !rpcbind || !unshare || !nsenter) return undefined;
  if (process.getuid?.() !== 0) {
    ctx.lacks("nfs-ganesha needs root, and is left out");
    return undefined;
  }
  return async (folder, exported) => {
    const [port, mountPort] = [await freePort(), await freePort()];
    const settings = join(folder, "ganesha.conf");
    writeFileSync(settings, configuration(exported, port, mountPort));
    const keeper = await ctx.start({
      command: unshare,
      args: ["--net", "--mount", "sh", "-c", KEEPER, "sh", rpcbind],
    });
    const inside = ["-t", String(keeper.pid), "-n", "-m"];
    const daemon = [
      ganesha,
      "-F",
      "-f",
      settings,
      "-p",
      "/run/ganesha.pid",
      "-L",
      join(folder, "ganesha.log"),
    ];
    const server = await ctx.start({
      command: nsenter,
      args: [...inside, "sh", "-c", 'echo ready; exec "$@"', "sh", ...daemon],
    });
    const served: NfsServed = {
      server,
      storm: (args) => ({
        program: nsenter,
        args: [
          ...inside,
          ctx.compile("nfsstorm.c", ["nfs"]),
          "-p",
          String(port),
          "-m",
          String(mountPort),
          "-e",
          exported,
          ...args,
        ],
      }),
      async stop() {
        await server.stop();
        await keeper.stop();
      },
    };
    await answers(ctx, served);
    return served;
  };
}

const KEEPER = 'ip link set lo up; mount -t tmpfs tmpfs /run; mkdir /run/rpcbind; echo ready; exec "$1" -f';

const configuration = (exported: string, port: number, mountPort: number): string => `
NFS_CORE_PARAM { NFS_Port = ${port}; MNT_Port = ${mountPort}; Protocols = 3; Enable_NLM = false; Enable_RQUOTA = false; Enable_UDP = false; }
EXPORT {
  Export_Id = 1; Path = ${exported}; Pseudo = /exported; Access_Type = RW; Squash = None; SecType = sys; Protocols = 3; Transports = TCP;
  FSAL { Name = VFS; }
}
LOG { Default_Log_Level = WARN; }
`;

async function answers(ctx: Bench, served: NfsServed): Promise<void> {
  for (const end = Date.now() + 20_000; ; ) {
    try {
      return void (await storm(ctx, served, ["-o", "lookup", "-c", 1, "-n", 1, "-t", 0]));
    } catch (error) {
      if (Date.now() > end) throw error;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }
}
