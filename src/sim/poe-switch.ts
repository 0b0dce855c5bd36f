// A virtual PoE switch: a real SNMP agent whose ports search, deliver and cut power, learn MACs, and which can lie, hang and reboot.
import {
  ADMIN_ON,
  DETECTION,
  type Detection,
  macIndex,
  PETH,
  PETH_MAIN,
  type SwitchTables,
  switchTables,
} from "./poe-switch-mib.ts";
import { type AgentAccess, snmpAgent } from "./snmp-agent.ts";

export interface PoeSwitchOptions extends AgentAccess {
  ports: number;
  name?: string;
  /** Default: one that no vendor has. */
  sysObjectId?: string;
  sysDescr?: string;
  /** From power on to power delivered, ms. Default 500. */
  searchMs?: number;
  /** From SET to the port's reaction, ms. Default 20. */
  reactMs?: number;
  /** All that the supply can give, W. Default 370. */
  budgetW?: number;
  onPort?(port: number, state: Detection): void;
}

/**
 * `ignores`: takes a SET, shows it, and does nothing. `no-such-instance`: answers a SET without an error status, with an exception inside.
 * `stays-off`: ports go off, and never on again.
 */
export type Lie = "ignores" | "no-such-instance" | "stays-off";

export interface PoeSwitch {
  readonly host: string;
  /** UDP. */
  readonly port: number;
  read(port: number): { adminOn: boolean; detection: Detection };
  /** A board hangs on the port: it can be delivered power, and its MAC is learned while it is. `lldp`: the name by which it tells of itself. */
  plug(port: number, mac: string, lldp?: string): void;
  unplug(port: number): void;
  /** Another switch hangs there: it needs no power from us, has this MAC in LLDP as a bridge, and these MACs behind it. */
  uplink(port: number, mac: string, behind: readonly string[]): void;
  alias(port: number, text: string): void;
  /** Ports are heard from here on; ends with what it returns. */
  on(listener: (port: number, state: Detection) => void): () => void;
  /** All ports lose power; after `downMs` it comes back and delivers again, `forgets`: to all ports, whatever was set before. */
  reboot(how?: { downMs?: number; forgets?: boolean }): void;
  /** Of these ports, or all. Undefined: honest again. */
  lie(how: Lie | undefined, ports?: readonly number[]): void;
  hang(silent: boolean): void;
  late(ms: number): void;
  /** The board's link, whatever its power. */
  link(port: number, up: boolean): void;
  /** A port says that it has a fault. */
  fault(port: number): void;
  heard(): number;
  mostAtOnce(): number;
  close(): Promise<void>;
}

interface Port {
  detection: Detection;
  mac?: string;
  lldp?: string;
  /** MACs of an up-link. */
  behind?: readonly string[];
  /** Its MACs stand in the tables. */
  learned?: boolean;
  timer?: NodeJS.Timeout | undefined;
}

const CLASS4 = 5; // the value is class + 1
const LEARNED = 3;
const PD_W = 5;
const PORT_LOCAL = 7;
const CHASSIS_MAC = 4;
/** LldpSystemCapabilitiesMap: bit 2 is bridge, bit 7 station only. */
const CAPABLE = { bridge: Buffer.from([0x20, 0]), station: Buffer.from([0x01, 0]) };

export async function virtualPoeSwitch(options: PoeSwitchOptions): Promise<PoeSwitch> {
  const { ports: count, name = "virtual-poe", searchMs = 500, reactMs = 20, budgetW = 370 } = options;
  const agent = await snmpAgent(options);
  const ports = new Map<number, Port>();
  const listeners = new Set<(port: number, state: Detection) => void>();
  if (options.onPort) listeners.add(options.onPort);
  let bootedMs = performance.now();
  let lying: { how: Lie; ports: readonly number[] | undefined } | undefined;
  let rebooting: NodeJS.Timeout | undefined;
  const liesAt = (port: number): Lie | undefined =>
    lying && (lying.ports?.includes(port) ?? true) ? lying.how : undefined;

  const tables = switchTables(agent, {
    name,
    sysDescr: options.sysDescr ?? "Bramble virtual PoE switch",
    sysObjectId: options.sysObjectId ?? "1.3.6.1.4.1.99999.1.1",
    upTimeTicks: () => Math.floor((performance.now() - bootedMs) / 10),
    setAdmin(port, value) {
      const lie = liesAt(port);
      if (lie === "no-such-instance") return lie;
      if (lie !== "ignores") later(port, reactMs, () => (value === ADMIN_ON ? search(port) : cut(port)));
      return "commit";
    },
  });
  const of = (number: number): Port => {
    const port = ports.get(number);
    if (!port) throw new RangeError(`the virtual switch has no port ${number}`);
    return port;
  };
  const adminOn = (port: number) => tables.peth.get(PETH.admin, [1, port]) === ADMIN_ON;

  /** What the port was about to do, it does no more. */
  function later(number: number, ms: number, what: () => void): void {
    const port = of(number);
    clearTimeout(port.timer);
    port.timer = setTimeout(what, ms);
  }
  function become(number: number, detection: Detection): void {
    const port = of(number);
    if (port.detection === detection) return;
    port.detection = detection;
    tables.peth.put(PETH.detection, [1, number], DETECTION.indexOf(detection) + 1);
    tables.peth.put(PETH.class, [1, number], detection === "deliveringPower" ? CLASS4 : 1);
    const delivering = [...ports.values()].filter((one) => one.detection === "deliveringPower").length;
    tables.main.put(PETH_MAIN.consumption, [1], delivering * PD_W);
    if (port.mac) learn(tables, number, port, detection === "deliveringPower");
    for (const listener of listeners) listener(number, detection);
  }
  function search(number: number): void {
    const { detection, mac, behind } = of(number);
    if (detection === "deliveringPower" || liesAt(number) === "stays-off") return;
    become(number, "searching");
    if (mac && !behind) later(number, searchMs, () => become(number, "deliveringPower"));
  }
  const cut = (number: number) => become(number, "disabled");

  function unplug(number: number): void {
    const port = of(number);
    clearTimeout(port.timer);
    if (port.detection === "deliveringPower") become(number, "searching");
    if (port.behind) learn(tables, number, port, false);
    for (const key of ["mac", "lldp", "behind"] as const) delete port[key];
  }

  for (let number = 1; number <= count; number++) {
    ports.set(number, { detection: "searching" });
    tables.interfaces.add([number, `port ${number}`, 2]);
    tables.names.add([number, `${number}`, ""]);
    tables.bridgePorts.add([number, number]);
    tables.lldpPorts.add([number, PORT_LOCAL, `${number}`, `port ${number}`]);
    tables.peth.add([1, number, ADMIN_ON, DETECTION.indexOf("searching") + 1, 1]);
  }
  tables.main.add([1, budgetW, 1, 0]);

  return {
    host: agent.host,
    port: agent.port,
    read: (port) => ({ adminOn: adminOn(port), detection: of(port).detection }),
    plug(number, mac, lldp) {
      unplug(number);
      Object.assign(of(number), { mac, ...(lldp !== undefined && { lldp }) });
      if (adminOn(number)) search(number);
    },
    unplug,
    uplink(number, mac, behind) {
      unplug(number);
      const port = Object.assign(of(number), { mac, behind });
      learn(tables, number, port, true);
    },
    alias: (port, text) => tables.names.put(18, [port], text),
    on(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    reboot({ downMs = 1_000, forgets = false } = {}) {
      agent.hang(true);
      for (const [number, port] of ports) {
        clearTimeout(port.timer);
        if (!port.behind) become(number, "disabled");
      }
      clearTimeout(rebooting);
      rebooting = setTimeout(() => {
        bootedMs = performance.now();
        agent.hang(false);
        for (const number of ports.keys()) {
          if (forgets) tables.peth.put(PETH.admin, [1, number], ADMIN_ON);
          if (adminOn(number)) search(number);
        }
      }, downMs);
    },
    lie(how, of) {
      lying = how && { how, ports: of };
    },
    hang: agent.hang,
    late: agent.late,
    link: (port, up) => tables.interfaces.put(8, [port], up ? 1 : 2),
    fault: (port) => become(port, "fault"),
    heard: agent.heard,
    mostAtOnce: agent.mostAtOnce,
    async close() {
      clearTimeout(rebooting);
      for (const { timer } of ports.values()) clearTimeout(timer);
      await agent.close();
    },
  };
}

/** Rows of the forwarding table and of LLDP, while the port's link is up. */
function learn(tables: SwitchTables, number: number, port: Port, up: boolean): void {
  if (up === (port.learned ?? false)) return;
  port.learned = up;
  const { mac = "", lldp, behind = [] } = port;
  tables.interfaces.put(8, [number], up ? 1 : 2);
  for (const one of [mac, ...behind]) {
    const index = [1, ...macIndex(one)];
    if (up) tables.fdb.add([...index, number, LEARNED]);
    else tables.fdb.remove(index);
  }
  if (lldp === undefined && !port.behind) return;
  const index = [0, number, 1];
  const capable = port.behind ? CAPABLE.bridge : CAPABLE.station;
  const chassis = Buffer.from(macIndex(mac));
  if (up) tables.lldp.add([...index, CHASSIS_MAC, chassis, lldp ?? "another-switch", capable]);
  else tables.lldp.remove(index);
}
