// One power-on of a virtual board, from the first DISCOVER to a system that is up, until its power is cut.
import { setTimeout as sleep } from "node:timers/promises";
import type { Fate } from "./behaviour.ts";
import type { SimBoot, VirtualPi } from "./board.ts";
import type { Order, SimNet } from "./machine.ts";
import { muteNet } from "./mute-net.ts";
import { bootPi } from "./pi.ts";
import { type AgentEnd, virtualAgent } from "./virtual-agent.ts";

export interface PowerOn {
  pi: VirtualPi;
  /** A network socket for each start of the firmware. */
  net(): SimNet;
  fate: Fate;
  /** The power is cut. */
  signal: AbortSignal;
  /** How far the board has come. */
  told?(step: PowerStep): void;
}

export type PowerStep = { step: "firmware"; boot: SimBoot } | { step: "agent"; end: AgentEnd };

const TFTP = 69;
/** Files that a board has when it stands still in its firmware; blocks that it has of the next one when it does so in a file. */
const FILES = 4;
const BLOCKS = 3;
/** A board that starts anew by itself takes its time. */
const RESTART_MS = 500;

/** Ends when the power is cut, never before: a board that has failed or is up just stays. Fails for errors of the net. */
export async function powerOn({ pi, net, fate, signal, told }: PowerOn): Promise<void> {
  const cut = new Promise<void>((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener("abort", () => resolve(), { once: true });
  });
  if (fate.end === "hang" && fate.at === "power") return cut;
  try {
    do {
      const boot = await bootPi(pi, sick(net(), fate), { keepBytes: true, signal });
      told?.({ step: "firmware", boot });
      if (boot.outcome !== "kernel") break;
      if (fate.end === "loop") {
        await sleep(RESTART_MS, undefined, { signal });
        continue;
      }
      if (fate.end === "hang" && fate.at === "kernel") break;
      const { cmdline, address = "127.0.0.1" } = boot;
      const end = await virtualAgent({ cmdline, address, fate, signal });
      if (!signal.aborted) told?.({ step: "agent", end });
    } while (fate.end === "loop");
  } catch (error) {
    if (!signal.aborted) throw error;
  }
  return cut;
}

/** A net on which a board that is to stand still in its firmware falls silent. */
function sick(net: SimNet, fate: Fate): SimNet {
  if (fate.end !== "hang") return net;
  const asks = (order: Order) => order.do === "send" && order.to.port === TFTP;
  if (fate.at === "dhcp") return muteNet(net, asks);
  if (fate.at !== "firmware" && fate.at !== "file") return net;
  let files = 0;
  let acks = 0;
  return muteNet(net, (order) => {
    if (asks(order)) {
      files += 1;
      acks = 0;
      return fate.at === "firmware" && files > FILES;
    }
    // DHCP goes to port 67; whatever else it sends belongs to a transfer
    if (order.do === "send" && order.to.port !== 67) acks += 1;
    return fate.at === "file" && acks > BLOCKS;
  });
}
