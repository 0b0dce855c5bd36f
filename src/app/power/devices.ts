// The switches, PDUs and plugs of the book, each with its open driver, its limits and what is known of its ports.
import { randomUUID } from "node:crypto";
import { networkInterfaces } from "node:os";
import { BrambleError } from "../../base/errors.ts";
import type { DiscoveredPort, PowerKind } from "../../base/power.ts";
import type { PowerDriver } from "../../power/driver.ts";
import type { Book } from "../../storage/book.ts";
import type { PowerTables } from "../../storage/power-tables.ts";
import { factsOf, guardOf, type PortFacts } from "./guard.ts";
import { pacer, slots } from "./slots.ts";

export type SwitchRow = PowerTables["powerSwitch"];
export type Secrets = Record<string, string>;
/** What a person set of a device that is no secret; its driver knows what it means. */
export type SwitchOptions = Record<string, unknown> & {
  every?: number;
  offSeconds?: number;
  reserveWatts?: number;
};

export interface Device {
  row: SwitchRow;
  options: SwitchOptions;
  driver: PowerDriver;
  /** Names of the secrets that it was given. */
  secrets: string[];
  ports: Map<string, PortFacts>;
  /** Why it does not answer, since when. */
  down?: { words: string; sinceMs: number };
  /** Switches' agents are slow single threads: four questions at a time, the others wait. */
  call<T>(work: (driver: PowerDriver) => Promise<T>): Promise<T>;
  /** How long a board waits for its power, so that not all draw their inrush at once, ms. */
  turnMs(now: number): number;
}

export interface NewSwitch {
  name: string;
  driver: PowerKind;
  address?: string | undefined;
  options: SwitchOptions;
  secrets: Secrets;
}
export type OpenDriver = (wish: NewSwitch) => PowerDriver;

const AT_ONCE = 4;
const ON_PER_SECOND = 4;

export type Devices = Awaited<ReturnType<typeof openDevices>>;

export async function openDevices(book: Book, open: OpenDriver, now: () => number) {
  const devices = new Map<string, Device>();
  const secrets = new Map(
    (await book.selectFrom("powerSecret").selectAll().execute()).map((row) => [row.switchId, row.value]),
  );
  const ports = await book.selectFrom("powerPort").selectAll().execute();

  function make(row: SwitchRow, given: Secrets, driver: PowerDriver): Device {
    const limit = slots(AT_ONCE);
    const device: Device = {
      row,
      options: JSON.parse(row.options) as SwitchOptions,
      driver,
      secrets: Object.keys(given),
      ports: new Map(),
      call: (work) => limit(() => work(device.driver)),
      turnMs: pacer(ON_PER_SECOND),
    };
    return device;
  }
  const wishOf = (row: SwitchRow, given: Secrets): NewSwitch => ({
    name: row.name,
    driver: row.driver as PowerKind,
    address: row.address ?? undefined,
    options: JSON.parse(row.options) as SwitchOptions,
    secrets: given,
  });
  const secretsOf = (id: string): Secrets => JSON.parse(secrets.get(id) ?? "{}") as Secrets;

  for (const row of await book.selectFrom("powerSwitch").selectAll().execute()) {
    const given = secretsOf(row.id);
    const device = make(
      row,
      given,
      openOrTell(() => open(wishOf(row, given)), row.driver as PowerKind),
    );
    for (const port of ports.filter(({ switchId }) => switchId === row.id))
      device.ports.set(port.name, factsOf(port));
    devices.set(row.id, device);
  }

  function need(reference: string): Device {
    const found = devices.get(reference) ?? all().find(({ row }) => row.name === reference);
    if (found) return found;
    const names = all().map(({ row }) => row.name);
    throw new BrambleError("SWITCH_UNKNOWN", `there is no switch ${reference}`, {
      hint:
        names.length > 0 ? `there are: ${names.slice(0, 12).join(", ")}` : "bramble switch add NAME --help",
    });
  }
  const all = () => [...devices.values()].sort((a, b) => (a.row.name < b.row.name ? -1 : 1));

  return {
    all,
    need,
    byId: (id: string): Device | undefined => devices.get(id),
    byName: (name: string): Device | undefined => all().find(({ row }) => row.name === name),

    async add(wish: NewSwitch): Promise<Device> {
      if (all().some(({ row }) => row.name === wish.name)) {
        throw new BrambleError("SWITCH_TAKEN", `there is a switch ${wish.name} already`, {
          hint: `bramble switch set ${wish.name} changes it`,
        });
      }
      const driver = open(wish);
      const row: SwitchRow = {
        id: randomUUID(),
        name: wish.name,
        driver: wish.driver,
        address: wish.address ?? null,
        options: JSON.stringify(wish.options),
        addedMs: now(),
        upTimeMs: null,
        upAtMs: null,
        scannedMs: null,
      };
      const value = JSON.stringify(wish.secrets);
      await book.transaction().execute(async (trx) => {
        await trx.insertInto("powerSwitch").values(row).execute();
        await trx.insertInto("powerSecret").values({ switchId: row.id, value }).execute();
      });
      secrets.set(row.id, value);
      const device = make(row, wish.secrets, driver);
      devices.set(row.id, device);
      return device;
    },

    /** What is not given stays; a null takes an option away. */
    async change(device: Device, patch: Partial<Omit<NewSwitch, "driver">>): Promise<void> {
      const { row } = device;
      const options = { ...device.options, ...patch.options };
      for (const [key, value] of Object.entries(options)) if (value === null) delete options[key];
      const given = { ...secretsOf(row.id), ...patch.secrets };
      const next = { ...row, options: JSON.stringify(options), address: patch.address ?? row.address };
      const driver = open(wishOf(next, given));
      const value = JSON.stringify(given);
      await book.transaction().execute(async (trx) => {
        const { options: text, address } = next;
        await trx
          .updateTable("powerSwitch")
          .set({ options: text, address })
          .where("id", "=", row.id)
          .execute();
        await trx.updateTable("powerSecret").set({ value }).where("switchId", "=", row.id).execute();
      });
      secrets.set(row.id, value);
      device.driver.close();
      Object.assign(device, { row: next, options, driver, secrets: Object.keys(given) });
    },

    async remove(device: Device): Promise<void> {
      const { id } = device.row;
      await book.transaction().execute(async (trx) => {
        for (const table of ["powerSecret", "powerPort", "powerCircuit"] as const)
          await trx.deleteFrom(table).where("switchId", "=", id).execute();
        await trx.deleteFrom("powerSwitch").where("id", "=", id).execute();
      });
      devices.delete(id);
      secrets.delete(id);
      device.driver.close();
    },

    async sawUpTime({ row }: Device, upTimeMs: number): Promise<void> {
      Object.assign(row, { upTimeMs, upAtMs: now() });
      const { upAtMs, id } = row;
      await book.updateTable("powerSwitch").set({ upTimeMs, upAtMs }).where("id", "=", id).execute();
    },

    /** What a scan found takes the place of what was known; what a person said about a port stays. */
    async sawPorts(device: Device, found: readonly DiscoveredPort[]): Promise<void> {
      const { id } = device.row;
      const rows = found.map((port) => ({
        switchId: id,
        name: port.name,
        port: port.port ?? null,
        alias: port.alias ?? null,
        up: port.up === undefined ? null : Number(port.up),
        macs: JSON.stringify(port.macs),
        neighbour: port.neighbour ? JSON.stringify(port.neighbour) : null,
        guard: device.ports.get(port.name)?.row.guard ?? null,
      }));
      const scannedMs = now();
      await book.transaction().execute(async (trx) => {
        await trx.deleteFrom("powerPort").where("switchId", "=", id).execute();
        for (const row of rows) await trx.insertInto("powerPort").values(row).execute();
        await trx.updateTable("powerSwitch").set({ scannedMs }).where("id", "=", id).execute();
      });
      device.row.scannedMs = scannedMs;
      device.ports = new Map(rows.map((row) => [row.name, factsOf(row)]));
    },

    async guardPort(port: PortFacts, guard: "allow" | "refuse" | null): Promise<void> {
      const { switchId, name } = port.row;
      port.row.guard = guard;
      await book
        .updateTable("powerPort")
        .set({ guard })
        .where("switchId", "=", switchId)
        .where("name", "=", name)
        .execute();
    },

    /** Why a port must not be switched; undefined: nothing is known against it. */
    whyGuarded(device: Device, port: string): string | undefined {
      const facts = [...device.ports.values()].find(({ row }) => row.port === port);
      return facts && guardOf(facts, ownMacs());
    },

    guardOf: (port: PortFacts): string | undefined => guardOf(port, ownMacs()),

    close(): void {
      for (const { driver } of devices.values()) driver.close();
    },
  };
}

/** A port by its name on the switch or by the number that gives power. */
export function portOf(device: Device, reference: string): PortFacts {
  const all = [...device.ports.values()];
  const found = all.find(({ row }) => row.port === reference) ?? device.ports.get(reference);
  if (found) return found;
  throw new BrambleError("SWITCH_UNKNOWN", `${device.row.name} has no port ${reference}`, {
    hint:
      all.length > 0
        ? `bramble switch ports ${device.row.name}`
        : `bramble switch scan ${device.row.name} first`,
  });
}

const ownMacs = (): ReadonlySet<string> =>
  new Set(
    Object.values(networkInterfaces())
      .flatMap((one) => one ?? [])
      .map(({ mac }) => mac),
  );

/** A device whose settings cannot be any more says so when it is asked, and keeps nobody from starting. */
function openOrTell(open: () => PowerDriver, kind: PowerKind): PowerDriver {
  try {
    return open();
  } catch (error) {
    const caps = { read: true, cycleAtomic: false, measure: false };
    return { kind, caps, get: () => Promise.reject(error), set: () => Promise.reject(error), close() {} };
  }
}
