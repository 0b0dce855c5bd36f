// A virtual APC rack PDU (PowerNet-MIB, AP79xx): outlets that follow their commands, with a reboot of their own.
import snmp from "net-snmp";
import { type AgentAccess, snmpAgent } from "./snmp-agent.ts";

const PDU = "1.3.6.1.4.1.318.1.1.12.3";
const type = (name: string): number => snmp.ObjectType[name] as number;
const [Integer, OctetString, OID, TimeTicks] = ["Integer", "OctetString", "OID", "TimeTicks"].map(type) as [
  number,
  number,
  number,
  number,
];
const COMMAND = { on: 1, off: 2, reboot: 3 };
const STATE = { on: 1, off: 2 };

export interface ApcPdu {
  readonly host: string;
  readonly port: number;
  isOn(outlet: number): boolean;
  close(): Promise<void>;
}

export async function virtualApcPdu(
  options: AgentAccess & {
    outlets: number;
    onOutlet?(outlet: number, on: boolean): void;
    /** How long a second of a reboot is here, ms. Default 1000. */
    secondMs?: number;
  },
): Promise<ApcPdu> {
  const { outlets, secondMs = 1_000 } = options;
  const agent = await snmpAgent(options);
  const timers = new Map<number, NodeJS.Timeout>();
  agent.scalar("sysObjectID", "1.3.6.1.2.1.1.2", "1.3.6.1.4.1.318.1.3.4.5", OID);
  agent.scalar("sysUpTime", "1.3.6.1.2.1.1.3", 0, TimeTicks, () => Math.floor(performance.now() / 10));

  const seconds = Array.from({ length: 60 }, (_, i) => i + 1);
  const index = ["outlet"];
  const configured = agent.table("rPDUOutletConfigTable", `${PDU}.4.1.1`, index, [
    { number: 6, type: Integer, writable: seconds },
  ]);
  const status = agent.table("rPDUOutletStatusTable", `${PDU}.5.1.1`, index, [
    { number: 2, type: OctetString },
    { number: 4, type: Integer },
  ]);
  const turn = (outlet: number, on: boolean) => {
    clearTimeout(timers.get(outlet));
    if ((status.get(4, [outlet]) === STATE.on) === on) return;
    status.put(4, [outlet], on ? STATE.on : STATE.off);
    options.onOutlet?.(outlet, on);
  };
  const set = ([outlet = 0]: number[], command: number) => {
    turn(outlet, command === COMMAND.on);
    const offMs = Number(configured.get(6, [outlet])) * secondMs;
    if (command === COMMAND.reboot)
      timers.set(
        outlet,
        setTimeout(() => turn(outlet, true), offMs),
      );
    return "commit" as const;
  };
  const control = agent.table("rPDUOutletControlTable", `${PDU}.3.1.1`, index, [
    { number: 4, type: Integer, writable: Object.values(COMMAND), set },
  ]);
  for (let outlet = 1; outlet <= outlets; outlet++) {
    control.add([outlet, COMMAND.on]);
    configured.add([outlet, 5]);
    status.add([outlet, `Outlet ${outlet}`, STATE.on]);
  }
  return {
    host: agent.host,
    port: agent.port,
    isOn: (outlet) => status.get(4, [outlet]) === STATE.on,
    async close() {
      for (const timer of timers.values()) clearTimeout(timer);
      await agent.close();
    },
  };
}
