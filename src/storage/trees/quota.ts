import type { Host } from "./host.ts";
import type { TreeQuota } from "./keep.ts";

/** What a tree may have of its own: its own limit, which may change at any time, and what the host's disk has. */
export function treeQuota(host: Host, folder: string, limit: () => number | undefined): TreeQuota {
  return {
    get limit() {
      return limit() ?? Number.POSITIVE_INFINITY;
    },
    space(used) {
      const most = limit() ?? Number.POSITIVE_INFINITY;
      const { total, free } = host.space(folder);
      return { total: Math.min(most, total), free: Math.min(Math.max(0, most - used), free) };
    },
  };
}
