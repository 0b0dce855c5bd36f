// A board's log played again: its tree is built, the matching virtual Pi boots from our own servers, and the requests are compared.
import type { SimBoot, VirtualPi } from "./board.ts";
import type { SimNet } from "./machine.ts";
import { bootPi } from "./pi.ts";
import { compareOrder, compareSets } from "./replay-compare.ts";
import { replayWorld } from "./replay-world.ts";
import { readTrace } from "./trace.ts";

export interface ReplayResult {
  same: boolean;
  firstDifference?: string;
  compare: "order" | "set";
  /** False: the log is a part of a boot, and was matched as such. */
  whole: boolean;
  pi: VirtualPi;
  boot: SimBoot;
}

/** Starts servers that hand out exactly these files to this board, and the way to them. */
export type StartServers = (
  tree: { files: ReadonlyMap<string, Uint8Array> },
  pi: VirtualPi,
) => Promise<{ net: SimNet; close(): Promise<void> }>;

/** BAD_INPUT for JSON that is no trace. What the servers throw goes through. */
export async function replayTrace(json: unknown, startServers: StartServers): Promise<ReplayResult> {
  const trace = readTrace(json);
  const { pi, files, added, compare } = replayWorld(trace);
  const servers = await startServers({ files }, pi);
  try {
    const boot = await bootPi(pi, servers.net);
    const result =
      compare === "set"
        ? compareSets(trace.lines, boot.requests, added)
        : compareOrder(trace.lines, boot.requests, trace);
    return { ...result, compare, whole: trace.whole, pi, boot };
  } finally {
    await servers.close();
  }
}
