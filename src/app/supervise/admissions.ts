// Who may boot now: so many boards at once are answered, the others stand in line and are answered when their turn has come.
import { bootsAtOnce, Line } from "../../fleet/admission.ts";
import type { Boots } from "../../fleet/boots.ts";
import type { Sender } from "../../fleet/identify.ts";
import type { Node } from "../../fleet/node.ts";
import type { Core } from "../core.ts";
import type { SupervisionSettings } from "./settings.ts";

/** Of a long line only so many are looked at: the others ask again by themselves. */
const MOST_TURNS = 500;

export function admissions(options: {
  registry: Core["registry"];
  boots: Boots;
  /** The setting, as it is now. */
  bootsAtOnce(): SupervisionSettings["bootsAtOnce"] | undefined;
  now(): number;
}) {
  const { registry, boots, now } = options;
  const line = new Line();
  let atOnce = Number.POSITIVE_INFINITY;
  let closed = false;
  /** Answers a node's last DISCOVER now; false: it does not listen. */
  let answer: (mac: string) => boolean = () => false;
  let turnOf: string | undefined;
  let turning = false;

  function limits(): void {
    atOnce = bootsAtOnce(options.bootsAtOnce() ?? "auto", registry.size);
  }
  /** The first in line that still listen are answered. */
  function next(): void {
    turning = false;
    if (closed || line.length === 0) return;
    for (const nodeId of line.waiting().slice(0, MOST_TURNS)) {
      if (boots.fetching >= atOnce) break;
      turnOf = nodeId;
      const mac = registry.byId(nodeId)?.mac;
      if (mac) answer(mac);
    }
    turnOf = undefined;
  }

  return {
    limits,
    tick(): void {
      limits();
      next();
    },
    /** Somebody has left its place: after whatever is being told now. */
    placeFree(): void {
      if (turning || line.length === 0) return;
      turning = true;
      setImmediate(next);
    },
    /** 0: it may boot now. Else its place in line: its DHCP stays unanswered, and it asks again by itself. */
    admit(node: Node, stage: Sender["stage"]): number {
      const open = boots.current(node.id);
      // A Pi 3's ROM asks five times and then sleeps for good: it cannot wait.
      if (stage === "rom3" || open?.stage === "dhcp" || open?.stage === "firmware") return 0;
      limits(); // a hall that is switched on for the first time grows by hundreds within a second
      if (turnOf === node.id) line.leave(node.id);
      const place = turnOf === node.id ? 0 : line.ask(node.id, boots.fetching, atOnce, now());
      if (place > 0) boots.touch(node.id, now());
      return place;
    },
    /** How a node that waits is answered when its turn has come. */
    useDhcp(again: (mac: string) => boolean): void {
      answer = again;
    },
    place: (nodeId: string): number | undefined => line.place(nodeId, now()),
    leave: (nodeId: string): void => line.leave(nodeId),
    waiting: (): number => line.length,
    limit: (): number => atOnce,
    close(): void {
      closed = true;
    },
  };
}
