// Which MAC hangs on which port, and which PoE instance that port has: BRIDGE-MIB, Q-BRIDGE-MIB, LLDP-MIB, ENTITY-MIB.
import type { Value } from "net-snmp";
import type { DiscoveredPort } from "../base/power.ts";
import type { Snmp } from "./snmp.ts";
import type { Vendor } from "./vendors.ts";

const BRIDGE = "1.3.6.1.2.1.17";
export const OID = {
  ifDescr: "1.3.6.1.2.1.2.2.1.2",
  ifOperStatus: "1.3.6.1.2.1.2.2.1.8",
  ifName: "1.3.6.1.2.1.31.1.1.1.1",
  ifAlias: "1.3.6.1.2.1.31.1.1.1.18",
  basePortIfIndex: `${BRIDGE}.1.4.1.2`,
  tpFdbPort: `${BRIDGE}.4.3.1.2`,
  tpFdbStatus: `${BRIDGE}.4.3.1.3`,
  qTpFdbPort: `${BRIDGE}.7.1.2.2.1.2`,
  qTpFdbStatus: `${BRIDGE}.7.1.2.2.1.3`,
  remSubtype: "1.0.8802.1.1.2.1.4.1.1.4",
  remChassis: "1.0.8802.1.1.2.1.4.1.1.5",
  remName: "1.0.8802.1.1.2.1.4.1.1.9",
  remCapEnabled: "1.0.8802.1.1.2.1.4.1.1.12",
  locPortId: "1.0.8802.1.1.2.1.3.7.1.3",
  entPhyIndex: "1.3.6.1.4.1.9.9.402.1.2.1.11",
  entAlias: "1.3.6.1.2.1.47.1.3.2.1.2",
  vtpVlanState: "1.3.6.1.4.1.9.9.46.1.3.1.1.2",
};
const LEARNED = 3;
const CHASSIS_MAC = 4;
/** LldpSystemCapabilitiesMap, bit 2. */
const BRIDGES = 0x20;
export const UP = 1;
/** VLANs that Cisco keeps for media of old; they have no forwarding table. */
const isOldMedium = (vlan: number) => vlan >= 1002 && vlan <= 1005;

type Table = Map<string, Value>;

/** Every interface that is a bridge port or gives power. */
export async function discoverPorts(
  agent: Snmp,
  vendor: Vendor,
  signal: AbortSignal,
  options: { vlans?: readonly number[] } = {},
): Promise<DiscoveredPort[]> {
  const walk = (oid: string) => agent.walk(oid, signal);
  const names = await walk(OID.ifName);
  const descriptions = await walk(OID.ifDescr);
  const aliases = await walk(OID.ifAlias);
  const states = await walk(OID.ifOperStatus);
  const poe = await poeIndex(agent, vendor, descriptions, signal);
  const learned = await forwarding(agent, vendor, signal, options.vlans);
  const neighbours = await lldp(agent, names, signal);
  const macs = new Map<string, Set<string>>();
  for (const [mac, ifIndex] of learned.macs) {
    const there = macs.get(ifIndex) ?? new Set();
    macs.set(ifIndex, there.add(mac));
  }
  const all = new Set([...learned.ifIndexes, ...poe.keys()]);
  return [...all].map((ifIndex) => {
    const port = poe.get(ifIndex);
    const alias = text(aliases.get(ifIndex));
    const neighbour = neighbours.get(ifIndex);
    return {
      name: text(names.get(ifIndex)) || text(descriptions.get(ifIndex)) || ifIndex,
      up: states.get(ifIndex) === UP,
      macs: [...(macs.get(ifIndex) ?? [])].sort(),
      ...(port !== undefined && { port }),
      ...(alias !== "" && { alias }),
      ...(neighbour && { neighbour }),
    };
  });
}

/** ifIndex → PoE instance. */
async function poeIndex(
  agent: Snmp,
  vendor: Vendor,
  descriptions: Table,
  signal: AbortSignal,
): Promise<Map<string, string>> {
  const instances = await agent.walk(vendor.status.oid, signal);
  const map = new Map<string, string>();
  const put = (ifIndex: string, instance: string) => {
    if (instances.has(instance)) map.set(ifIndex, instance);
  };
  if (vendor.index === "entity") {
    const entities = await agent.walk(OID.entPhyIndex, signal);
    const aliases = await agent.walk(OID.entAlias, signal);
    for (const [instance, entity] of entities) {
      const ifIndex = text(aliases.get(`${entity}.0`))
        .split(".")
        .at(-1);
      if (ifIndex) put(ifIndex, instance);
    }
    if (map.size > 0) return map;
    // no physical entities: Gi<group>/0/<port>
    for (const [ifIndex, name] of descriptions) {
      const [, group, port] = /(\d+)\/0\/(\d+)$/.exec(text(name)) ?? [];
      if (group !== undefined) put(ifIndex, `${group}.${port}`);
    }
  } else if (vendor.index === "fpc") {
    for (const [ifIndex, name] of descriptions) {
      const [, fpc, port] = /^(?:fe|ge|mge|xe|et)-(\d+)\/0\/(\d+)$/.exec(text(name)) ?? [];
      if (fpc !== undefined) put(ifIndex, `${Number(fpc) + 1}.${Number(port) + 1}`); // interfaces count from 0
    }
  } else if (vendor.index === "slot") {
    for (const [local, id] of await agent.walk(OID.locPortId, signal)) {
      const port = /^\d+\/\d+\/(\d+)$/.exec(text(id))?.[1];
      if (port !== undefined) put(local, port);
    }
  } else {
    for (const instance of instances.keys()) {
      const [group, port] = instance.split(".");
      if (vendor.index === "ifIndex") map.set(instance, instance);
      else if (port !== undefined && (group === "1" || vendor.index === "any-group")) map.set(port, instance);
    }
  }
  return map;
}

/** PoE instance → ifIndex. */
export async function ifIndexOf(
  agent: Snmp,
  vendor: Vendor,
  signal: AbortSignal,
): Promise<Map<string, string>> {
  const poe = await poeIndex(agent, vendor, await agent.walk(OID.ifDescr, signal), signal);
  return new Map([...poe].map(([ifIndex, instance]) => [instance, ifIndex]));
}

/** Learned MACs with their ifIndex, and the ifIndex of every bridge port. */
async function forwarding(agent: Snmp, vendor: Vendor, signal: AbortSignal, vlans?: readonly number[]) {
  const macs: [string, string][] = [];
  const ifIndexes = new Set<string>();
  async function read(view: Snmp, port: string, status: string, skip: number): Promise<number> {
    const bridgePorts = await view.walk(OID.basePortIfIndex, signal);
    for (const ifIndex of bridgePorts.values()) ifIndexes.add(String(ifIndex));
    const rows = await view.walk(port, signal);
    if (rows.size === 0) return 0;
    const states = await view.walk(status, signal);
    for (const [key, number] of rows) {
      const ifIndex = bridgePorts.get(String(number)); // 0: learned elsewhere
      if (states.get(key) === LEARNED && ifIndex !== undefined)
        macs.push([macOf(key, skip), String(ifIndex)]);
    }
    return rows.size;
  }
  const found = await read(agent, OID.qTpFdbPort, OID.qTpFdbStatus, 1);
  if (found === 0 && vendor.fdb !== "vlan") await read(agent, OID.tpFdbPort, OID.tpFdbStatus, 0);
  if (found === 0 && vendor.fdb === "vlan") {
    const named = vlans ?? [...(await agent.walk(OID.vtpVlanState, signal)).keys()].map(lastNumber);
    for (const vlan of named.filter((one) => !isOldMedium(one))) {
      const view = agent.forVlan(vlan);
      try {
        await read(view, OID.tpFdbPort, OID.tpFdbStatus, 0);
      } finally {
        view.close();
      }
    }
  }
  return { macs, ifIndexes };
}

/** LLDP neighbours by ifIndex. lldpRemLocalPortNum is not always that: lldpLocPortId may name the interface. */
async function lldp(agent: Snmp, names: Table, signal: AbortSignal) {
  const subtypes = await agent.walk(OID.remSubtype, signal);
  const found = new Map<string, { mac?: string; name?: string; isBridge: boolean }>();
  if (subtypes.size === 0) return found;
  const chassis = await agent.walk(OID.remChassis, signal);
  const told = await agent.walk(OID.remName, signal);
  const capable = await agent.walk(OID.remCapEnabled, signal);
  const local = await agent.walk(OID.locPortId, signal);
  const byName = new Map([...names].map(([ifIndex, name]) => [text(name), ifIndex]));
  for (const [key, subtype] of subtypes) {
    const port = key.split(".")[1] ?? "";
    const ifIndex = names.has(port) ? port : (byName.get(text(local.get(port))) ?? port);
    const id = chassis.get(key);
    const bits = capable.get(key);
    const name = text(told.get(key));
    const isBridge = Buffer.isBuffer(bits) && ((bits[0] ?? 0) & BRIDGES) !== 0;
    const before = found.get(ifIndex);
    found.set(ifIndex, {
      isBridge: isBridge || (before?.isBridge ?? false),
      ...(subtype === CHASSIS_MAC && Buffer.isBuffer(id) && id.length === 6 && { mac: macBytes([...id]) }),
      ...(name !== "" && { name }),
    });
  }
  return found;
}

const lastNumber = (key: string): number => Number(key.split(".").at(-1));
const macBytes = (bytes: number[]): string =>
  bytes.map((byte) => byte.toString(16).padStart(2, "0")).join(":");
/** dot1qTpFdb's key is `fdbId.mac`, dot1dTpFdb's the MAC alone. */
const macOf = (key: string, skip: number): string => macBytes(key.split(".").slice(skip).map(Number));
const text = (value: Value | undefined): string =>
  value === undefined || value === null
    ? ""
    : (Buffer.isBuffer(value) ? value.toString("utf8") : String(value)).replaceAll("\0", "").trim();
