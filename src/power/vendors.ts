// What switches of different vendors do differently when their PoE is asked for by SNMP: POWER-ETHERNET-MIB (RFC 3621) and private MIBs.
import type { PowerState } from "../base/power.ts";

export interface Vendor {
  id: string;
  /** Of sysObjectID; the longest that fits counts. */
  prefix: string;
  /** Switches a port; its instance is `PowerTarget.port`. `none`: it can only be read. `untried`: whether it takes a SET, nobody here knows. */
  control: { oid: string; on: number; off: number; writes: "yes" | "untried" | "none" };
  status: { oid: string; states: Readonly<Record<number, [PowerState, string]>> };
  power?: { oid: string; milliwatts: number };
  class?: { oid: string; minus: number };
  budget?: { capacity: string; used: string; perWatt: number; index: "group" | "0" };
  /** How a port's PoE instance follows from its interface. */
  index: "same" | "entity" | "fpc" | "slot" | "ifIndex" | "any-group";
  fdb: "bridge" | "vlan";
}

const PETH = "1.3.6.1.2.1.105.1";
const STANDARD: Omit<Vendor, "id" | "prefix"> = {
  control: { oid: `${PETH}.1.1.3`, on: 1, off: 2, writes: "yes" },
  status: {
    oid: `${PETH}.1.1.6`,
    states: {
      1: ["off", "disabled"],
      2: ["searching", "searching"],
      3: ["on", "deliveringPower"],
      4: ["fault", "fault"],
      5: ["unknown", "test"],
      6: ["fault", "otherFault"],
    },
  },
  class: { oid: `${PETH}.1.1.10`, minus: 1 }, // pethPsePortPowerClassifications is class + 1
  budget: { capacity: `${PETH}.3.1.1.2`, used: `${PETH}.3.1.1.4`, perWatt: 1, index: "group" },
  index: "same",
  fdb: "bridge",
};

const TPLINK = "1.3.6.1.4.1.11863.6.56.1.1";
const MIKROTIK = "1.3.6.1.4.1.14988.1.1.15.1.1";
const HUAWEI = "1.3.6.1.4.1.2011.5.25.195.3.1";

/** Rows that nobody has tried on a real switch say so in docs/power.md. */
export const VENDORS: readonly Vendor[] = [
  { id: "standard", prefix: "", ...STANDARD },
  {
    id: "cisco-ios",
    prefix: "1.3.6.1.4.1.9.1.",
    ...STANDARD,
    power: { oid: "1.3.6.1.4.1.9.9.402.1.2.1.9", milliwatts: 1 },
    index: "entity",
    fdb: "vlan",
  },
  {
    id: "cisco-small-business",
    prefix: "1.3.6.1.4.1.9.6.1.",
    ...STANDARD,
    power: { oid: "1.3.6.1.4.1.9.6.1.101.108.1.1.5", milliwatts: 1 },
  },
  {
    id: "hpe-procurve",
    prefix: "1.3.6.1.4.1.11.2.3.7.11.",
    ...STANDARD,
    power: { oid: "1.3.6.1.4.1.11.2.14.11.1.9.1.1.1.8", milliwatts: 1 },
    index: "any-group",
  },
  {
    id: "aruba-cx",
    prefix: "1.3.6.1.4.1.47196.4.1.1.1.",
    ...STANDARD,
    control: { ...STANDARD.control, writes: "untried" },
    power: { oid: "1.3.6.1.4.1.47196.4.1.1.3.8.1.1.1.7", milliwatts: 1 },
  },
  {
    id: "juniper-ex",
    prefix: "1.3.6.1.4.1.2636.1.1.1.",
    ...STANDARD,
    control: { ...STANDARD.control, writes: "untried" },
    index: "fpc",
  },
  {
    id: "netgear-fastpath",
    prefix: "1.3.6.1.4.1.4526.100.",
    ...STANDARD,
    power: { oid: "1.3.6.1.4.1.4526.10.15.1.1.1.2", milliwatts: 1 },
  },
  {
    id: "tplink-jetstream",
    prefix: "1.3.6.1.4.1.11863.",
    control: { oid: `${TPLINK}.2.1.1.2`, on: 1, off: 0, writes: "yes" }, // not the standard's 2
    status: {
      oid: `${TPLINK}.2.1.1.11`,
      states: {
        0: ["off", "off"],
        1: ["searching", "turning on"],
        2: ["on", "on"],
        3: ["fault", "overload"],
        4: ["fault", "short"],
        5: ["fault", "device of no standard"],
        6: ["fault", "voltage too high"],
        7: ["fault", "voltage too low"],
        8: ["fault", "hardware fault"],
        9: ["fault", "too hot"],
      },
    },
    power: { oid: `${TPLINK}.2.1.1.7`, milliwatts: 100 },
    class: { oid: `${TPLINK}.2.1.1.10`, minus: 0 },
    budget: { capacity: `${TPLINK}.1.1`, used: `${TPLINK}.1.3`, perWatt: 10, index: "0" },
    index: "slot",
    fdb: "bridge",
  },
  {
    id: "mikrotik",
    prefix: "1.3.6.1.4.1.14988.1",
    control: { oid: `${MIKROTIK}.3`, on: 0, off: 0, writes: "none" },
    status: {
      oid: `${MIKROTIK}.3`,
      states: {
        1: ["off", "disabled"],
        2: ["searching", "waiting for load"],
        3: ["on", "powered on"],
        4: ["fault", "overload"],
        5: ["fault", "short circuit"],
        6: ["fault", "voltage too low"],
        7: ["fault", "current too low"],
        8: ["off", "power reset"],
        9: ["fault", "voltage too high"],
        10: ["fault", "controller error"],
        11: ["unknown", "controller upgrade"],
        12: ["fault", "PoE-in detected"],
        13: ["fault", "no valid power supply"],
      },
    },
    power: { oid: `${MIKROTIK}.6`, milliwatts: 100 },
    index: "ifIndex",
    fdb: "bridge",
  },
  {
    id: "huawei",
    prefix: "1.3.6.1.4.1.2011.",
    control: { oid: `${HUAWEI}.3`, on: 1, off: 2, writes: "yes" },
    status: { oid: `${HUAWEI}.7`, states: {} }, // a text: see stateOfText
    power: { oid: `${HUAWEI}.10`, milliwatts: 1 },
    index: "ifIndex",
    fdb: "bridge",
  },
];

/** The row of a switch, by its sysObjectID. */
export function vendorOf(sysObjectId: string): Vendor {
  let best = VENDORS[0] as Vendor;
  for (const vendor of VENDORS) {
    if (sysObjectId.startsWith(vendor.prefix) && vendor.prefix.length > best.prefix.length) best = vendor;
  }
  return best;
}

/** Port states that are words: Huawei's column, UniFi's and realtek-poe's fields. */
export function stateOfText(text: string): PowerState {
  const word = text.toLowerCase();
  if (/fault|overload|short|error|denied/.test(word)) return "fault";
  if (/deliver|powered|^on$|^good$/.test(word)) return "on";
  if (/disable|^off$/.test(word)) return "off";
  if (/search|detect|request|wait/.test(word)) return "searching";
  return "unknown";
}
