import { mkdir, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Need, Stage } from "../scenario.ts";
import { output, type Running, sh, start } from "./commands.ts";

export const TGT: Need = { tool: "tgtd", package: "tgt" };

export interface Tgt {
  portal: string;
  target: string;
  /** Starts it again with the same disks, after a stop. */
  again(): Promise<void>;
  server: Running;
}

export interface Account {
  user: string;
  secret: string;
}

/** Somebody else's iSCSI target: LUN 0 is its controller, `disks` are LUN 1, 2, … of raw files. */
export async function startTgt(
  t: Stage,
  options: { address: string; disks: readonly string[]; chap?: Account; mutual?: Account },
): Promise<Tgt> {
  const { address, disks, chap, mutual } = options;
  // its control socket lies at a fixed place: one of this scenario's own
  await mkdir("/run/tgtd", { recursive: true });
  await sh("mount -t tmpfs tmpfs /run/tgtd");
  const portal = `${address}:3260`;
  const target = "iqn.2003-01.org.example:card";
  const tell = (line: string) => output("tgtadm", ["--lld", "iscsi", ...line.split(" ")]);
  const launch = async () => {
    const server = start("tgtd", ["-f", "--iscsi", `portal=${portal}`]);
    t.atEnd(() => server.stop());
    for (let tries = 0; ; tries++) {
      const up = await tell("--op show --mode target").then(
        () => true,
        () => false,
      );
      if (up) break;
      if (tries === 100) throw new Error(`tgtd does not answer: ${server.text()}`);
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    await tell(`--op new --mode target --tid 1 -T ${target}`);
    for (const [i, path] of disks.entries())
      await tell(`--op new --mode logicalunit --tid 1 --lun ${i + 1} -b ${path}`);
    for (const [account, more] of [[chap, ""] as const, [mutual, " --outgoing"] as const]) {
      if (!account) continue;
      await tell(`--op new --mode account --user ${account.user} --password ${account.secret}`);
      await tell(`--op bind --mode account --tid 1 --user ${account.user}${more}`);
    }
    await tell("--op bind --mode target --tid 1 -I ALL");
    return server;
  };
  const tgt: Tgt = {
    portal,
    target,
    server: await launch(),
    async again() {
      tgt.server = await launch();
    },
  };
  return tgt;
}

/** A disk of zeros. */
export async function blankDisk(t: Stage, name: string, bytes: number): Promise<string> {
  const path = join(t.folder, name);
  await writeFile(path, "");
  await truncate(path, bytes);
  return path;
}
