// What can switch a board's power, and what it can say about it.

/** `searching`: the port would deliver, and finds no device that takes power. `unknown`: nobody can say. */
export type PowerState = "on" | "off" | "searching" | "fault" | "unknown";

/** What a device said about one port; never what was asked of it. */
export interface PowerReading {
  state: PowerState;
  /** May the port deliver? Null: the device does not say. */
  adminOn: boolean | null;
  milliwatts?: number;
  /** IEEE 802.3 class of the powered device, 0 to 8. */
  pdClass?: number;
  /** The device's own word for it, where it says more than `state`. */
  detail?: string;
  atMs: number;
}

/** One port, outlet or relay of a device. */
export interface PowerTarget {
  /** As the device counts: `1.7`, `3`, `ether5`, `lan2`; of a Redfish service the path or id of a system. */
  port: string;
  /** The board on it, for drivers that hand it on. */
  node?: { name: string; serial?: string; mac?: string };
}

export const POWER_DRIVERS = [
  "snmp",
  "snmp-pdu",
  "routeros",
  "unifi",
  "ubus",
  "redfish",
  "webhook",
  "exec",
  "shelly",
  "tasmota",
  "manual",
  "virtual",
] as const;
export type PowerKind = (typeof POWER_DRIVERS)[number];

/** All ports of a device at one time. */
export interface PowerSweep {
  ports: Map<string, PowerReading>;
  /** Time since the device started; less than before: it has restarted. */
  upTimeMs?: number;
}

/** Power that a device has to give, W. */
export interface PowerBudget {
  capacityW: number;
  usedW: number;
}

/** One port of a switch, as its tables tell. */
export interface DiscoveredPort {
  /** Its name on the switch, for people: `Gi1/0/7`. */
  name: string;
  /** What `PowerTarget.port` is for it. Absent: it gives no power. */
  port?: string;
  alias?: string;
  up?: boolean;
  /** MAC addresses learned there. */
  macs: string[];
  /** Who tells of itself there by LLDP. */
  neighbour?: { mac?: string; name?: string; isBridge: boolean };
}
