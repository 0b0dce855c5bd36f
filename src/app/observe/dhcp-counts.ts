import type { DhcpEvent } from "../../serve/dhcp.ts";
import type { Metrics } from "./metrics.ts";

/** "DISCOVER → OFFER" */
const MESSAGE = /^(\S+) → (\S+)/;

/** Counts what the DHCP server tells; in a flood it tells less than it hears. */
export function dhcpCounts(metrics: Metrics): (event: DhcpEvent) => void {
  return ({ kind, message, interface: server }) => {
    if (kind === "foreign-server") metrics.foreignOffers.inc({ vlan: server });
    const [, type = "", got = ""] = MESSAGE.exec(message) ?? [];
    metrics.dhcp.inc({
      type: type.toLowerCase() || "unreadable",
      result: kind === "decision" ? got.toLowerCase() : kind,
      server,
    });
  };
}
