// Trees of ours over NFS without the rest of Bramble: a process that can be killed, and started again on the same folder.
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Stage } from "../scenario.ts";
import { output, type Running, start } from "./commands.ts";

export interface TreesOrder {
  folder: string;
  /** An ext4 and nothing around it. */
  image: string;
  host: string;
  port: number;
  nodes: number;
  durability: "durable" | "fast";
  /** MOUNT over UDP and a port mapper's answers, for U-Boot. */
  old: boolean;
  /** On a host's disk in memory, which can lose its power. */
  memory: boolean;
}

export interface NfsTrees {
  host: string;
  port: number;
  /** Of the node with this number. */
  path(node: number): string;
  server(): Running;
  /** kill -9, and after so many seconds a new start. `meanwhile` is given the folder of the trees. */
  killed(downSeconds: number, meanwhile?: (folder: string) => Promise<void>): Promise<void>;
  /** With `memory`: what was not synced is lost, in any part; every connection breaks off. */
  powerCut(downSeconds: number): Promise<void>;
  /** With `memory`: from now on syncs of this do nothing and say that they are done. For tests of the test. */
  lie(about: Lie): Promise<void>;
}

/** What of a house of trees: the journal, or the files' data. */
export type Lie = "journal" | "data";

const MAIN = fileURLToPath(new URL(`./nfs-trees-main${import.meta.url.slice(-3)}`, import.meta.url));
/** Its MOUNT paths are told in docs/nfs.md: /nodes/<id>/<token>. */
export const treePath = (node: number): string => `/nodes/node-${node}/token`;

export async function startTrees(
  t: Stage,
  options: Partial<TreesOrder> & { image: string; host: string },
): Promise<NfsTrees> {
  const order: TreesOrder = {
    folder: join(t.folder, "trees"),
    port: 2049,
    nodes: 1,
    durability: "durable",
    old: false,
    memory: false,
    ...options,
  };
  await mkdir(order.folder, { recursive: true });
  const launch = async () => {
    const args = [...process.execArgv, MAIN, JSON.stringify(order)];
    const running = start(process.execPath, args, { stdio: ["pipe", "pipe", "pipe"] });
    t.atEnd(() => running.stop());
    await running.saw(/^READY$/m, 60);
    return running;
  };
  let now = await launch();
  let cuts = 0;
  return {
    host: order.host,
    port: order.port,
    path: treePath,
    server: () => now,
    async killed(downSeconds, meanwhile) {
      await now.stop("SIGKILL");
      await meanwhile?.(order.folder);
      await new Promise((resolve) => setTimeout(resolve, downSeconds * 1000));
      now = await launch();
    },
    async powerCut(downSeconds) {
      now.process.stdin?.write(`${downSeconds}\n`);
      cuts += 1;
      await now.saw(new RegExp(`^UP AGAIN ${cuts}$`, "m"), 60);
    },
    async lie(about) {
      now.process.stdin?.write(`${about}\n`);
      await now.saw(new RegExp(`^LIES ABOUT ${about}$`, "m"), 10);
    },
  };
}

/** An ext4 of a folder. */
export async function treeImage(t: Stage, folder: string, megabytes = 64): Promise<string> {
  const image = join(t.folder, "tree.ext4");
  const made = ["-q", "-F", "-t", "ext4", "-b", "4096", "-O", "^has_journal", "-d", folder, image];
  await output("mke2fs", [...made, `${megabytes}m`]);
  return image;
}
