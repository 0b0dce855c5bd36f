// Each decision as an event with its reason, within bounds.
import type { DhcpDecision, FleetAnswer } from "../fleet/dhcp-context.ts";
import type { Sender } from "../fleet/identify.ts";
import { messageType, OPTION, optionAddress } from "../wire/dhcp/options.ts";
import { type DhcpPacket, MESSAGE } from "../wire/dhcp/packet.ts";
import type { DhcpEvent } from "./dhcp.ts";
import type { Telling } from "./dhcp-limits.ts";

interface Setup {
  interface: string;
  address: string;
  telling: Telling;
  on(event: DhcpEvent): void;
  now(): number;
}

/** Who said what. */
export interface Heard {
  packet: DhcpPacket | undefined;
  sender: Sender;
  node?: FleetAnswer;
}

type What = Pick<DhcpEvent, "kind" | "reason"> &
  Partial<Pick<DhcpDecision, "action" | "address" | "learned">>;

const NAMES = Object.fromEntries(Object.entries(MESSAGE).map(([name, type]) => [type, name]));
const NOBODY: Heard = { packet: undefined, sender: { mac: "00:00:00:00:00:00", stage: "unknown" } };

export class DhcpTeller {
  readonly #setup: Setup;
  constructor(setup: Setup) {
    this.#setup = setup;
  }

  tell(heard: Heard, what: What): void {
    if (this.#setup.telling.client(heard.sender.mac, this.#setup.now())) this.#event(heard, what);
  }

  /** A packet that makes no sense, or our own failure over a good one. */
  broken(error: Error, address: string, heard = NOBODY): void {
    if (!this.#setup.telling.broken(address, this.#setup.now())) return;
    const untold = this.#setup.telling.untold();
    const more = untold > 0 ? ` (${untold} events before it were not told: too many)` : "";
    this.#event(heard, { kind: "error", reason: `from ${address}: ${error.message}${more}` });
  }

  /** A message that only servers send. */
  server(packet: DhcpPacket, address: string): void {
    const server = optionAddress(packet, OPTION.SERVER_ID) ?? address;
    if (server === this.#setup.address || !this.#setup.telling.broken(address, this.#setup.now())) return;
    const heard: Heard = { packet, sender: { mac: packet.chaddr, stage: "unknown" } };
    this.#event(heard, { kind: "foreign-server", reason: `another DHCP server is here: ${server}` });
  }

  #event({ packet, sender, node }: Heard, what: What): void {
    const { kind, reason, action = "silent", address, learned } = what;
    const type = packet ? messageType(packet) : 0;
    const got = action === "silent" ? "silence" : action.toUpperCase();
    this.#setup.on({
      kind,
      mac: sender.mac,
      ...(sender.serial !== undefined && { serial: sender.serial }),
      ...(node?.nodeId !== undefined && { nodeId: node.nodeId }),
      stage: sender.stage,
      xid: packet?.xid ?? 0,
      ...(address !== undefined && { address }),
      ...(learned !== undefined && { learned }),
      message: packet ? `${NAMES[type] ?? `message type ${type}`} → ${got}` : "not DHCP",
      reason,
      interface: this.#setup.interface,
      at: this.#setup.now(),
    });
  }
}
