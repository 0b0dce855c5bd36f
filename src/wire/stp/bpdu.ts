// Spanning tree as it is heard on the wire: BPDUs of 802.1D (STP), 802.1w (RSTP) and 802.1Q (MSTP), behind 802.2 LLC 42 42 03.

import { formatMac } from "../../base/addresses.ts";
import { Reader } from "../../base/bytes.ts";

export type PortRole = "unknown" | "alternate" | "root" | "designated";

export interface Bpdu {
  protocol: "stp" | "rstp" | "mstp";
  /** Priority and MAC of the bridge that is the tree's root, and of the one that sends: "32768.aa:bb:cc:00:00:01". */
  root: string;
  bridge: string;
  port: number;
  /** RSTP and MSTP say of the sending port what it does; STP does not. */
  role?: PortRole;
  learning?: boolean;
  forwarding?: boolean;
  topologyChange: boolean;
  helloSeconds: number;
  /** How long a port without edge waits in each of its two steps before it forwards. */
  forwardDelaySeconds: number;
}

const LLC = [0x42, 0x42, 0x03];
const VERSIONS: Record<number, Bpdu["protocol"]> = { 0: "stp", 2: "rstp", 3: "mstp" };
const ROLES: readonly PortRole[] = ["unknown", "alternate", "root", "designated"];
/** 802.1D-2004 9.3.1, 9.3.3; a topology change notification is 0x80 and says nothing else. */
const [CONFIGURATION, RAPID] = [0x00, 0x02];

/**
 * A BPDU from the bytes after the Ethernet header (802.1D-2004 9.3), beginning with the LLC. Undefined for what is no configuration
 * BPDU; throws WIRE_SHORT where one is cut.
 */
export function decodeBpdu(bytes: Uint8Array): Bpdu | undefined {
  if (LLC.some((byte, i) => bytes[i] !== byte)) return undefined;
  const r = new Reader("STP", bytes.subarray(LLC.length));
  if (r.u16("protocol") !== 0) return undefined;
  const protocol = VERSIONS[r.u8("version")];
  const type = r.u8("type");
  if (!protocol || (type !== CONFIGURATION && type !== RAPID)) return undefined;
  const flags = r.u8("flags");
  const root = bridgeId(r, "root");
  r.u32("cost");
  const bridge = bridgeId(r, "bridge");
  const port = r.u16("port") & 0x0fff;
  r.u16("age");
  r.u16("max age");
  const helloSeconds = r.u16("hello") / 256;
  const forwardDelaySeconds = r.u16("forward delay") / 256;
  const rapid = type === RAPID && {
    role: ROLES[(flags >> 2) & 3] ?? ("unknown" as const),
    learning: (flags & 0x10) !== 0,
    forwarding: (flags & 0x20) !== 0,
  };
  return {
    protocol,
    root,
    bridge,
    port,
    ...rapid,
    topologyChange: (flags & 1) !== 0,
    helloSeconds,
    forwardDelaySeconds,
  };
}

function bridgeId(r: Reader, what: string): string {
  const priority = r.u16(`${what} priority`);
  return `${priority}.${formatMac(r.view(6, `${what} address`))}`;
}
