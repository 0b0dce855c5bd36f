import type { SuperviseCommands, SupervisionView } from "../../api/supervise-contract.ts";
import { BrambleError } from "../../base/errors.ts";
import type { Core } from "../core.ts";
import { report, sinceDays } from "./report.ts";
import { readSupervision, writeSupervision } from "./settings.ts";
import type { Supervisor } from "./supervisor.ts";
import { Watches } from "./watches.ts";

const DEFAULT_DAYS = 30;
const MOST_ROWS = 1_000;

/** `running`: of the server, where one runs; what the book knows is told without it. */
export function superviseCommands(core: Core, running?: { supervisor: Supervisor }): SuperviseCommands {
  const { book, registry, journal } = core;

  async function view(): Promise<SupervisionView> {
    const settings = await readSupervision(book);
    const live = running?.supervisor;
    const watched = live ? live.sights() : await resting();
    const limit = live?.limit() ?? Number.POSITIVE_INFINITY;
    return {
      ...settings,
      ...(Number.isFinite(limit) && { limit }),
      fetching: live?.fetching() ?? 0,
      waiting: live?.waiting() ?? 0,
      nodes: watched,
    };
  }

  /** As the book has it, without a server. */
  async function resting(): Promise<SupervisionView["nodes"]> {
    const watches = new Watches(book, () => {});
    await watches.load();
    return [...watches.all()].map(({ nodeId, phase, tries, cycles, words }) => ({
      node: registry.byId(nodeId)?.name ?? nodeId,
      phase,
      tries,
      powerCycles: cycles,
      paused: true,
      ...(words !== undefined && { words }),
    }));
  }

  return {
    supervision: view,
    async setSupervision(patch) {
      const { paused } = await readSupervision(book);
      const next = await writeSupervision(book, patch);
      await running?.supervisor.configure();
      const names = Object.keys(patch).join(", ");
      journal.event("set", undefined, `supervision: set: ${names}`);
      if (next.paused !== paused)
        journal.event("supervision", undefined, next.paused ? "paused for all nodes" : "goes on");
      return view();
    },
    async retryNode({ node }) {
      const found = registry.need(node);
      if (!running) {
        throw new BrambleError("NOT_AVAILABLE", "only a running Bramble cuts power", { hint: "bramble up" });
      }
      await running.supervisor.again(found);
      const sight = running.supervisor.sight(found);
      if (!sight) throw new BrambleError("INTERNAL", "a node that is tried anew has no watch");
      return sight;
    },
    reliability: async ({ by = "node", days = DEFAULT_DAYS, limit = MOST_ROWS }) => {
      await journal.flush();
      return (await report(book, registry, { by, sinceMs: sinceDays(days, Date.now()) })).slice(0, limit);
    },
  };
}
