import type { PowerCommands, PowerView, SwitchPortView, SwitchView } from "../../api/power-contract.ts";
import { BrambleError } from "../../base/errors.ts";
import type { Node } from "../../fleet/node.ts";
import { selectNodes } from "../../fleet/select.ts";
import type { Running } from "../commands.ts";
import type { Core } from "../core.ts";
import { readSetting, writeSetting } from "../settings.ts";
import type { Proof } from "./bindings.ts";
import { type Device, portOf, type SwitchOptions } from "./devices.ts";
import { guarded, type PortFacts } from "./guard.ts";
import { provePort } from "./prove.ts";
import { findNodes, scanDevice } from "./scan.ts";
import { SHUTDOWN, SHUTDOWN_SETTING } from "./shutdown.ts";

/** The commands about power and about what switches it. */
export function powerCommands(core: Core, running?: Running): PowerCommands {
  const { book, registry, journal, news, power } = core;
  const { devices, bindings } = power;
  const nodesOf = (device: Device) => bindings.all().filter(({ switchId }) => switchId === device.row.id);
  const nameOf = (nodeId: string) => registry.byId(nodeId)?.name ?? nodeId;

  function switchView(device: Device): SwitchView {
    const { row, options, secrets, ports, down } = device;
    return {
      id: row.id,
      name: row.name,
      driver: row.driver,
      options: options as SwitchView["options"],
      secrets,
      ports: ports.size,
      nodes: nodesOf(device)
        .map(({ nodeId }) => nameOf(nodeId))
        .sort(),
      addedMs: row.addedMs,
      ...(row.address !== null && { address: row.address }),
      ...(row.scannedMs !== null && { scannedMs: row.scannedMs }),
      ...(row.upTimeMs !== null && { upTimeMs: row.upTimeMs }),
      ...(down && { error: down.words }),
    };
  }
  function portView(device: Device, facts: PortFacts): SwitchPortView {
    const { row, macs, neighbour } = facts;
    const bound = row.port === null ? undefined : bindings.nodeAt(device, row.port);
    const guard = devices.guardOf(facts);
    return {
      switch: device.row.name,
      name: row.name,
      macs,
      seen: macs.flatMap((mac) => {
        const node = registry.byMac(mac);
        return node && node.id !== bound ? [node.name] : [];
      }),
      allowed: row.guard === "allow",
      ...(row.port !== null && { port: row.port }),
      ...(row.alias !== null && { alias: row.alias }),
      ...(row.up !== null && { up: row.up === 1 }),
      ...(neighbour && { neighbour: neighbour.name ?? neighbour.mac ?? "a bridge" }),
      ...(bound !== undefined && { node: nameOf(bound), power: power.view(bound) }),
      ...(guard !== undefined && { guard }),
    };
  }
  function refuse(device: Device, port: string): void {
    const why = devices.whyGuarded(device, port);
    if (why !== undefined) throw guarded(device, port, why);
  }
  async function bindTo(node: Node, device: Device, port: string, proof: Proof) {
    const at = await bindings.bind(node, device, port, proof);
    await power.circuits.learn(node.id, at.switchId, at.port);
    return at;
  }
  const changed = (device: Device) => news.tell({ about: "switch", id: device.row.id });
  const viewNow = (nodeId: string, signal: AbortSignal): Promise<PowerView> => power.read(nodeId, signal);

  const shutdown = async () => {
    const set = await readSetting(book, SHUTDOWN_SETTING);
    return set === undefined
      ? { argv: [...SHUTDOWN], standard: true }
      : { argv: JSON.parse(set) as string[], standard: false };
  };

  /** Does it answer? Where it can be asked without a port. */
  async function answers(device: Device, signal: AbortSignal): Promise<void> {
    const { driver } = device;
    if (driver.sweep || driver.discover) await scanDevice(power, device, signal);
  }

  return {
    async powers({ select }) {
      const nodes = select === undefined ? registry.all() : selectNodes(registry.all(), select);
      return nodes.filter(({ id }) => power.isBound(id)).map(({ id }) => power.view(id));
    },
    power: async ({ node }, { signal }) => viewNow(registry.need(node).id, signal),
    async setPower({ node, want, soft }, { by }) {
      const found = registry.need(node);
      return power.set(found.id, want, { by, why: `asked for by ${by.name}`, ...(soft && { soft }) });
    },
    async bindPower({ node, switch: name, port }, { by, signal }) {
      const [found, device] = [registry.need(node), devices.need(name)];
      refuse(device, device.ports.size > 0 ? (portOf(device, port).row.port ?? port) : port);
      const at = await bindTo(found, device, port, "hand");
      journal.event("power", found.id, `bound to port ${at.port} of ${device.row.name} by ${by.name}`);
      news.tell({ about: "power", id: found.id });
      return viewNow(found.id, signal);
    },
    async unbindPower({ node }, { by }) {
      const found = registry.need(node);
      await power.forget(found.id);
      journal.event("power", found.id, `no port is bound to it any more (${by.name})`);
      news.tell({ about: "power", id: found.id });
      return { name: found.name };
    },
    shutdown,
    async setShutdown({ argv }) {
      if (argv === null) await book.deleteFrom("setting").where("name", "=", SHUTDOWN_SETTING).execute();
      else await writeSetting(book, SHUTDOWN_SETTING, JSON.stringify(argv));
      return shutdown();
    },
    switches: async () => devices.all().map(switchView),
    switch: async ({ switch: name }) => switchView(devices.need(name)),
    async addSwitch({ name, driver, address, options = {}, secrets = {}, unseen }, { signal }) {
      const device = await devices.add({
        name,
        driver,
        options: options as SwitchOptions,
        secrets: secrets as Record<string, string>,
        ...(address !== undefined && { address }),
      });
      try {
        await answers(device, signal);
      } catch (error) {
        if (!unseen) {
          await devices.remove(device);
          throw error;
        }
      }
      journal.event("switch", undefined, `${name} was added: ${driver}${address ? ` at ${address}` : ""}`);
      changed(device);
      return switchView(device);
    },
    async setSwitch({ switch: name, address, options = {}, drop = [], secrets = {} }) {
      const device = devices.need(name);
      await devices.change(device, {
        options: { ...options, ...Object.fromEntries(drop.map((key) => [key, null])) } as SwitchOptions,
        secrets: secrets as Record<string, string>,
        ...(address !== undefined && { address }),
      });
      const names = [
        ...Object.keys(options),
        ...drop,
        ...Object.keys(secrets),
        ...(address ? ["address"] : []),
      ];
      journal.event("switch", undefined, `${name}: set ${names.join(", ")}`);
      changed(device);
      return switchView(device);
    },
    async removeSwitch({ switch: name }) {
      const device = devices.need(name);
      const bound = nodesOf(device).map(({ nodeId }) => nameOf(nodeId));
      if (bound.length > 0) {
        throw new BrambleError("SWITCH_IN_USE", `${name} gives power to ${bound.slice(0, 12).join(", ")}`, {
          hint: "bramble power unbind NODE…",
        });
      }
      await devices.remove(device);
      power.circuits.forgetSwitch(device.row.id);
      journal.event("switch", undefined, `${name} was removed`);
      changed(device);
      return { name: device.row.name };
    },
    async scanSwitch({ switch: name, bind }, { by, signal }) {
      const device = devices.need(name);
      await scanDevice(power, device, signal);
      changed(device);
      const found = findNodes(power, registry.all()).filter((one) => one.device === device);
      const views = [];
      for (const { node, port, name: portName, alone, proof } of found) {
        const left = devices.whyGuarded(device, port) !== undefined;
        const free = bindings.nodeAt(device, port) === undefined;
        const bound = bind === true && alone && free && !left;
        if (bound) {
          await bindTo(node, device, port, proof);
          journal.event(
            "power",
            node.id,
            `bound to port ${port} of ${name}, where it was found (${by.name})`,
          );
          news.tell({ about: "power", id: node.id });
        }
        views.push({ node: node.name, switch: device.row.name, port, name: portName, bound });
      }
      return views;
    },
    async switchPorts({ switch: name }) {
      const device = devices.need(name);
      return [...device.ports.values()].map((facts) => portView(device, facts));
    },
    async guardPort({ switch: name, port, guard }, { by }) {
      const device = devices.need(name);
      const facts = portOf(device, port);
      await devices.guardPort(facts, guard);
      const words =
        guard === "allow" ? "may be switched" : guard ? "is left alone" : "is judged by the rules";
      journal.event(
        "switch",
        undefined,
        `port ${facts.row.name} of ${device.row.name} ${words} (${by.name})`,
      );
      changed(device);
      return portView(device, facts);
    },
    async provePort({ switch: name, port }, { by, signal }) {
      if (!running) {
        throw new BrambleError("SERVER_NEEDED", "only a running Bramble hears the boards start", {
          hint: "bramble up, then again",
        });
      }
      const device = devices.need(name);
      const at = device.ports.size > 0 ? (portOf(device, port).row.port ?? port) : port;
      const node = await provePort({ desk: power, registry, device, port: at, now: Date.now, signal });
      const before = bindings.nodeAt(device, at);
      if (before !== undefined && before !== node.id) await bindings.unbind(before);
      await bindTo(node, device, at, "power-toggle");
      journal.event(
        "power",
        node.id,
        `port ${port} of ${device.row.name} was switched off and on, and it started: bound (${by.name})`,
      );
      news.tell({ about: "power", id: node.id });
      return viewNow(node.id, signal);
    },
  };
}
