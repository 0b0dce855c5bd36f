import type { Do } from "../fleet/boots.ts";
import type { DhcpMode } from "../fleet/dhcp-context.ts";
import type { EnrolRule } from "../fleet/enrol.ts";
import type { AgentShelf } from "./agent-shelf.ts";
import type { Core } from "./core.ts";
import type { RevokeOptions } from "./life/revoke.ts";

/** What the boot desk stands on. */
export interface DeskOptions {
  core: Core;
  agents: AgentShelf;
  rule: EnrolRule;
  newId(): string;
  now(): number;
  agentUrl(address: string): string;
  diskPorts: { nbd(): number; iscsi(): number };
  /** Opens the door for NFS roots where it is not open yet: the port. */
  nfsDoor(): Promise<number>;
  /** Our address on an interface of the DHCP server. */
  addressOf(name: string): string;
  /** Our address where a node's own way to us is not known. */
  defaultHost: string;
  /** How addresses are given on the network that this address of ours is on. */
  dhcpMode?(server: string | undefined): DhcpMode | undefined;
  endLease: RevokeOptions["endLease"];
  say(words: string): void;
  /** Counts what happens. */
  watch?: { boot(order: Do): void; token(): void };
}
