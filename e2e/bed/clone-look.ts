import { readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import type { Stage } from "../scenario.ts";
import { openCard } from "./card.ts";
import { output } from "./commands.ts";
import type { Fleet } from "./fleet.ts";

/** What is on a node's clone, seen with other people's programs. */
export interface CloneLook {
  /** A file's content, by debugfs, after e2fsck has replayed the journal. */
  cat(path: string): Promise<Buffer>;
  /** Had the file system been left in order? */
  wasClean: boolean;
}

/** Call it when nobody writes any more: guest and server have ended. Of a clone with a power cut behind it, e2fsck may replay the journal and nothing else. */
export async function lookAtClone(t: Stage, fleet: Fleet, nodeId: string): Promise<CloneLook> {
  const raw = join(t.folder, `${nodeId}.raw`);
  const root = join(t.folder, `${nodeId}.root`);
  const clone = join(fleet.bramble.data, "clones", `${nodeId}.qcow2`);
  await output("qemu-img", ["check", "-q", clone]);
  await output("qemu-img", ["convert", "-f", "qcow2", "-O", "raw", clone, raw]);
  const card = await openCard(raw);
  card.close();
  const from = [`if=${raw}`, "bs=1M", "iflag=skip_bytes", `skip=${card.rootOffset}`];
  await output("dd", [...from, `of=${root}`, "conv=sparse", "status=none"]);
  const flags = await output("dumpe2fs", ["-h", root]);
  const wasClean = /Filesystem state: +clean\n/.test(flags) && !flags.includes("needs_recovery");
  if (!wasClean) await output("e2fsck", ["-E", "journal_only", "-y", root]);
  // exit code 0: nothing is wrong with it
  await output("e2fsck", ["-fn", root]);
  return {
    wasClean,
    async cat(path) {
      const into = join(t.folder, `${nodeId}.file`);
      await output("debugfs", ["-R", `dump ${path} ${into}`, root]);
      const bytes = await readFile(into);
      await rm(into);
      return bytes;
    },
  };
}
