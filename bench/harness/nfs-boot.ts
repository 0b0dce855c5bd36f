// Starts the bed of nfs-boot (bench/servers/nfs-boot.ts) in its namespaces, and asks it for boots.
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { ASSET_NEEDS, prepare } from "../../e2e/assets.ts";
import { start } from "../../e2e/bed/commands.ts";
import { GANESHA } from "../../e2e/bed/ganesha.ts";
import { SSH } from "../../e2e/bed/ssh.ts";
import { NAMESPACES } from "../../e2e/namespaces.ts";
import { type AssetName, QEMU } from "../../e2e/scenario.ts";
import { which } from "../../test/tools.ts";
import type { Bench } from "./case.ts";
import type { Asked } from "./mountstats.ts";

/** One boot as the guest tells it. */
export interface BootTaken {
  /** From the kernel's start to multi-user.target, by the guest's clock. */
  seconds: number;
  /** Of the NFS server's process, until the node said that it was up. */
  cpuSeconds: number;
  /** Of Bramble's, meanwhile: it is asked for the node's page each second, and leads the boot from ganesha, too. */
  brambleSeconds: number;
  /** How the guest had its root mounted. */
  options: string;
  /** What its kernel asked for, by procedure. */
  requests: Record<string, Asked>;
}

export interface BootBed {
  boot(who: "ours" | "ours-fast" | "ganesha"): Promise<BootTaken>;
  close(): Promise<void>;
}

const ASSETS: AssetName[] = ["pi-image", "agent-packages"];
const BED = ["unshare", "nsenter"].map((tool) => ({ tool, package: "util-linux" }));
const ENDING = import.meta.url.slice(-3);
const MAIN = fileURLToPath(new URL(`../servers/nfs-boot${ENDING}`, import.meta.url));
const [STAND_UP_SECONDS, BOOT_SECONDS, STOP_SECONDS] = [400, 1200, 15];

/** Undefined, and what it lacks is said: root, programs, or the image (made once, with a network). */
export async function bootBed(ctx: Bench): Promise<BootBed | undefined> {
  const needs = [...BED, QEMU, SSH, ...GANESHA, { tool: "ip", package: "iproute2" }];
  needs.push({ tool: "tar", package: "tar" }, ...ASSETS.flatMap((name) => ASSET_NEEDS[name]));
  const missing = needs.filter(({ tool }) => !which(tool));
  for (const { tool, package: from } of missing)
    ctx.lacks(`${tool} is not installed (apt install ${from}): no nfs-boot`);
  if (process.getuid?.() !== 0) ctx.lacks("nfs-boot needs root, for ganesha's sake");
  if (missing.length > 0 || process.getuid?.() !== 0) return undefined;
  const assets = await prepare(new Set(ASSETS)).catch((error: Error) => {
    ctx.lacks(`the image of nfs-boot is not in the cache and could not be made: ${error.message}`);
  });
  if (!assets) return undefined;
  const folder = join(ctx.folder, "nfs-boot");
  mkdirSync(join(folder, "shared"), { recursive: true });
  const main = [
    process.execPath,
    ...process.execArgv,
    MAIN,
    folder,
    JSON.stringify(Object.fromEntries(assets)),
  ];
  const bed = start("unshare", [...NAMESPACES, ...main], { stdio: ["pipe", "pipe", "pipe"] });
  /** Everything inside ends with it. */
  const close = async () => {
    bed.process.stdin?.end();
    const late = setTimeout(() => void bed.stop("SIGKILL"), STOP_SECONDS * 1000);
    await bed.ended;
    clearTimeout(late);
  };
  await bed.saw(/^READY$/m, STAND_UP_SECONDS).catch(async (error) => {
    await close();
    throw error;
  });
  let boots = 0;
  return {
    async boot(who) {
      boots += 1;
      bed.process.stdin?.write(`${who}\n`);
      const [, taken = ""] = await bed.saw(new RegExp(`^BOOT ${boots} (.*)\\n`, "m"), BOOT_SECONDS);
      return JSON.parse(taken) as BootTaken;
    },
    close,
  };
}
