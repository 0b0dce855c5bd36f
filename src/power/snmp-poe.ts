// PoE switches by SNMP: POWER-ETHERNET-MIB (RFC 3621) and what vendors have instead of it.
import type { Value } from "net-snmp";
import { BrambleError } from "../base/errors.ts";
import type { PowerReading, PowerTarget } from "../base/power.ts";
import { discoverPorts, ifIndexOf, OID, UP } from "./discover.ts";
import type { PowerDriver } from "./driver.ts";
import { openSnmp, type SnmpAccess } from "./snmp.ts";
import { stateOfText, type Vendor, vendorOf } from "./vendors.ts";

const SYS_OBJECT_ID = "1.3.6.1.2.1.1.2.0";
const SYS_UP_TIME = "1.3.6.1.2.1.1.3.0";

export interface SnmpPoeOptions extends SnmpAccess {
  /** VLANs whose forwarding tables are read, on switches that keep one for each. Default: those that the switch names. */
  vlans?: readonly number[];
  now(): number;
}

export function snmpPoe(options: SnmpPoeOptions): PowerDriver {
  const { now, vlans } = options;
  const agent = openSnmp(options);
  let known: Vendor | undefined;
  /** Of PoE instances. */
  let ifIndexes: Map<string, string> | undefined;

  async function vendor(signal: AbortSignal): Promise<Vendor> {
    if (!known) {
      const [id] = await agent.get([SYS_OBJECT_ID], signal);
      known = vendorOf(String(id ?? ""));
    }
    return known;
  }

  return {
    kind: "snmp",
    caps: { read: true, cycleAtomic: false, measure: true },
    async get({ port }, signal) {
      const of = await vendor(signal);
      const oids = columns(of).map((oid) => `${oid}.${port}`);
      const values = await agent.get(oids, signal);
      if (values[1] === undefined) {
        throw new BrambleError("POWER_REFUSED", `${options.host} has no PoE port ${port}`, {
          hint: "bramble switch ports NAME shows those that it has",
        });
      }
      return readingOf(of, values, now());
    },
    async set({ port }, on, signal) {
      const { control, id } = await vendor(signal);
      const other = "switch it by another driver (routeros, exec): bramble switch add --help";
      if (control.writes === "none") {
        throw new BrambleError("POWER_REFUSED", `a switch of kind ${id} can only be read by SNMP`, {
          hint: other,
        });
      }
      await agent.set(`${control.oid}.${port}`, on ? control.on : control.off, signal).catch((error) => {
        if (control.writes === "yes" || error.code !== "POWER_REFUSED") throw error;
        throw new BrambleError("POWER_REFUSED", error.message, { hint: other, cause: error });
      });
    },
    async sweep(signal) {
      const of = await vendor(signal);
      const [upTime] = await agent.get([SYS_UP_TIME], signal);
      const tables: Map<string, Value>[] = [];
      for (const oid of columns(of)) tables.push(await agent.walk(oid, signal));
      const ports = new Map<string, PowerReading>();
      for (const port of tables[1]?.keys() ?? []) {
        ports.set(
          port,
          readingOf(
            of,
            tables.map((table) => table.get(port)),
            now(),
          ),
        );
      }
      return { ports, ...(typeof upTime === "number" && { upTimeMs: upTime * 10 }) };
    },
    async budget({ port }: PowerTarget, signal) {
      const { budget } = await vendor(signal);
      if (!budget) return undefined;
      const at = budget.index === "0" ? "0" : (port.split(".")[0] ?? "1");
      const [capacity, used] = await agent.get([`${budget.capacity}.${at}`, `${budget.used}.${at}`], signal);
      if (typeof capacity !== "number" || typeof used !== "number" || capacity === 0) return undefined;
      return { capacityW: capacity / budget.perWatt, usedW: used / budget.perWatt };
    },
    async link({ port }, signal) {
      const of = await vendor(signal);
      ifIndexes ??= await ifIndexOf(agent, of, signal);
      const ifIndex = ifIndexes.get(port);
      if (ifIndex === undefined) return undefined;
      const [state] = await agent.get([`${OID.ifOperStatus}.${ifIndex}`], signal);
      return state === undefined ? undefined : state === UP;
    },
    discover: async (signal) =>
      discoverPorts(agent, await vendor(signal), signal, vlans === undefined ? {} : { vlans }),
    close: () => agent.close(),
  };
}

/** In the order in which readingOf takes their values; a column that a vendor lacks repeats the first. */
const columns = ({ control, status, power, class: pd }: Vendor): string[] => [
  control.oid,
  status.oid,
  power?.oid ?? control.oid,
  pd?.oid ?? control.oid,
];

/** DetectionStatus is the truth; AdminEnable only says what somebody wished. */
function readingOf(
  of: Vendor,
  [admin, status, power, pd]: (Value | undefined)[],
  atMs: number,
): PowerReading {
  const text = Buffer.isBuffer(status) ? status.toString("latin1") : undefined;
  const [state, detail] =
    text === undefined
      ? (of.status.states[Number(status)] ?? ["unknown", String(status)])
      : [stateOfText(text), text];
  const { control } = of;
  const adminOn = control.writes === "none" || admin === undefined ? null : Number(admin) !== control.off;
  const pdClass = Number(pd) - (of.class?.minus ?? 0);
  return {
    state: state as PowerReading["state"],
    adminOn: adminOn ?? (state === "off" ? false : null),
    detail: String(detail),
    atMs,
    ...(of.power && power !== undefined && { milliwatts: Number(power) * of.power.milliwatts }),
    ...(of.class && state === "on" && pdClass >= 0 && pdClass <= 8 && { pdClass }),
  };
}
