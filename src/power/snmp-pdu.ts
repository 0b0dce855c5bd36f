// APC rack PDUs by SNMP (PowerNet-MIB): AP79xx (rPDU), AP8xxx (rPDU2), MasterSwitch.
import type { Value } from "net-snmp";
import { BrambleError } from "../base/errors.ts";
import type { PowerReading } from "../base/power.ts";
import type { PowerDriver } from "./driver.ts";
import { openSnmp, type SnmpAccess } from "./snmp.ts";

export interface PduFamily {
  id: "rpdu" | "rpdu2" | "masterswitch";
  command: { oid: string; on: number; off: number; reboot: number };
  /** The state's own numbers, which are not always the command's. */
  state: { oid: string; on: number; off: number };
  /** Seconds that a reboot leaves an outlet off. */
  rebootSeconds?: string;
}

const APC = "1.3.6.1.4.1.318.1.1";
/** In the order in which they are looked for: newer units also answer to the oldest one's objects. */
export const PDU_FAMILIES: readonly PduFamily[] = [
  {
    id: "rpdu",
    command: { oid: `${APC}.12.3.3.1.1.4`, on: 1, off: 2, reboot: 3 },
    state: { oid: `${APC}.12.3.5.1.1.4`, on: 1, off: 2 },
    rebootSeconds: `${APC}.12.3.4.1.1.6`,
  },
  {
    id: "rpdu2",
    command: { oid: `${APC}.26.9.2.4.1.5`, on: 1, off: 2, reboot: 3 },
    state: { oid: `${APC}.26.9.2.3.1.5`, on: 2, off: 1 }, // the reverse of the command's
    rebootSeconds: `${APC}.26.9.2.1.1.7`,
  },
  {
    id: "masterswitch",
    command: { oid: `${APC}.4.4.2.1.3`, on: 1, off: 2, reboot: 3 },
    state: { oid: `${APC}.4.4.2.1.3`, on: 1, off: 2 },
  },
];
const SYS_UP_TIME = "1.3.6.1.2.1.1.3.0";

export interface SnmpPduOptions extends SnmpAccess {
  /** Default: what the unit answers to. */
  family?: PduFamily["id"];
  now(): number;
}

export function snmpPdu(options: SnmpPduOptions): PowerDriver {
  const agent = openSnmp(options);
  let known = PDU_FAMILIES.find(({ id }) => id === options.family);

  async function family(signal: AbortSignal): Promise<PduFamily> {
    for (const one of PDU_FAMILIES) {
      if (known) break;
      if ((await agent.walk(one.state.oid, signal)).size > 0) known = one;
    }
    if (known) return known;
    throw new BrambleError("POWER_REFUSED", `${options.host} shows no outlets of an APC PDU`, {
      hint: "other makes: the exec or webhook driver",
    });
  }
  const readingOf = ({ state }: PduFamily, value: Value, atMs: number): PowerReading => {
    const now = value === state.on ? "on" : value === state.off ? "off" : "unknown";
    return { state: now, adminOn: now === "unknown" ? null : now === "on", atMs };
  };

  return {
    kind: "snmp-pdu",
    caps: { read: true, cycleAtomic: true, measure: false },
    async get({ port }, signal) {
      const of = await family(signal);
      const [value] = await agent.get([`${of.state.oid}.${port}`], signal);
      if (value !== undefined) return readingOf(of, value, options.now());
      throw new BrambleError("POWER_REFUSED", `${options.host} has no outlet ${port}`, {
        hint: "bramble switch ports NAME shows those that it has",
      });
    },
    async set({ port }, on, signal) {
      const { command } = await family(signal);
      await agent.set(`${command.oid}.${port}`, on ? command.on : command.off, signal);
    },
    async cycle({ port }, offMs, signal) {
      const { command, rebootSeconds } = await family(signal);
      if (rebootSeconds)
        await agent.set(`${rebootSeconds}.${port}`, Math.max(1, Math.ceil(offMs / 1000)), signal);
      await agent.set(`${command.oid}.${port}`, command.reboot, signal);
    },
    async sweep(signal) {
      const of = await family(signal);
      const [upTime] = await agent.get([SYS_UP_TIME], signal);
      const ports = new Map<string, PowerReading>();
      for (const [port, value] of await agent.walk(of.state.oid, signal))
        ports.set(port, readingOf(of, value, options.now()));
      return { ports, ...(typeof upTime === "number" && { upTimeMs: upTime * 10 }) };
    },
    close: () => agent.close(),
  };
}
