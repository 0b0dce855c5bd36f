// The tables that a managed PoE switch shows: system, interfaces, bridge, LLDP, POWER-ETHERNET-MIB (RFC 3621).
import snmp from "net-snmp";
import type { AgentTable, SnmpAgent } from "./snmp-agent.ts";

export const DETECTION = ["disabled", "searching", "deliveringPower", "fault", "test", "otherFault"] as const;
export type Detection = (typeof DETECTION)[number];
export const ADMIN_ON = 1;
export const ADMIN_OFF = 2;

const { Integer, OctetString, Gauge, TimeTicks, OID } = snmp.ObjectType as Record<string, number> as {
  Integer: number;
  OctetString: number;
  Gauge: number;
  TimeTicks: number;
  OID: number;
};
const LLDP = "1.0.8802.1.1.2.1";
/** Column names of the standard, for those who read this beside the MIB. */
export const PETH = { admin: 3, detection: 6, class: 10 } as const;
export const PETH_MAIN = { power: 2, oper: 3, consumption: 4 } as const;

export interface SwitchTables {
  interfaces: AgentTable;
  names: AgentTable;
  bridgePorts: AgentTable;
  fdb: AgentTable;
  lldp: AgentTable;
  lldpPorts: AgentTable;
  peth: AgentTable;
  main: AgentTable;
}

export interface SwitchFacts {
  name: string;
  sysDescr: string;
  sysObjectId: string;
  upTimeTicks(): number;
  setAdmin(port: number, value: number): "commit" | "no-such-instance";
}

export function switchTables(agent: SnmpAgent, facts: SwitchFacts): SwitchTables {
  const system = "1.3.6.1.2.1.1";
  agent.scalar("sysDescr", `${system}.1`, facts.sysDescr, OctetString);
  agent.scalar("sysObjectID", `${system}.2`, facts.sysObjectId, OID);
  agent.scalar("sysUpTime", `${system}.3`, 0, TimeTicks, facts.upTimeTicks);
  agent.scalar("sysName", `${system}.5`, facts.name, OctetString);
  const words = (number: number) => ({ number, type: OctetString });
  const count = (number: number) => ({ number, type: Integer });
  return {
    interfaces: agent.table("ifTable", "1.3.6.1.2.1.2.2.1", ["if"], [words(2), count(8)]),
    names: agent.table("ifXTable", "1.3.6.1.2.1.31.1.1.1", ["if"], [words(1), words(18)]),
    bridgePorts: agent.table("dot1dBasePortTable", "1.3.6.1.2.1.17.1.4.1", ["port"], [count(2)]),
    fdb: agent.table(
      "dot1qTpFdbTable",
      "1.3.6.1.2.1.17.7.1.2.2.1",
      ["fdb", "m1", "m2", "m3", "m4", "m5", "m6"],
      [count(2), count(3)],
    ),
    lldp: agent.table(
      "lldpRemTable",
      `${LLDP}.4.1.1`,
      ["mark", "port", "n"],
      [count(4), words(5), words(9), words(12)],
    ),
    lldpPorts: agent.table("lldpLocPortTable", `${LLDP}.3.7.1`, ["port"], [count(2), words(3), words(4)]),
    peth: agent.table(
      "pethPsePortTable",
      "1.3.6.1.2.1.105.1.1.1",
      ["group", "port"],
      [
        {
          number: PETH.admin,
          type: Integer,
          writable: [ADMIN_ON, ADMIN_OFF],
          set: ([, port = 0], value) => facts.setAdmin(port, value),
        },
        count(PETH.detection),
        count(PETH.class),
      ],
    ),
    main: agent.table(
      "pethMainPseTable",
      "1.3.6.1.2.1.105.1.3.1.1",
      ["group"],
      [
        { number: PETH_MAIN.power, type: Gauge },
        count(PETH_MAIN.oper),
        { number: PETH_MAIN.consumption, type: Gauge },
      ],
    ),
  };
}

/** The six index numbers of a MAC address. */
export const macIndex = (mac: string): number[] => mac.split(":").map((byte) => Number.parseInt(byte, 16));
