// Looks at what hangs on a switch's ports, and says which nodes are there.
import type { Node } from "../../fleet/node.ts";
import type { PowerDesk } from "./desk.ts";
import type { Device } from "./devices.ts";
import { type PortFacts, portOfMac } from "./guard.ts";

/** A node that was found on a port it is not bound to. */
export interface Found {
  node: Node;
  device: Device;
  port: string;
  name: string;
  /** How sure: one MAC alone on the port, or the circuit of somebody who was bound to it. */
  alone: boolean;
  proof: "fdb" | "circuit";
}

/** Reads the device's tables into the book. A device without tables of that kind shows the ports that it can switch. */
export async function scanDevice(desk: PowerDesk, device: Device, signal: AbortSignal): Promise<PortFacts[]> {
  const { driver } = device;
  const ports = await device.call(async () => {
    if (driver.discover) return driver.discover(signal);
    const sweep = await driver.sweep?.(signal);
    return [...(sweep?.ports.keys() ?? [])].map((port) => ({ name: port, port, macs: [] }));
  });
  await desk.devices.sawPorts(device, ports);
  return [...device.ports.values()];
}

/** Nodes that hang on a port by the tables of all switches, and are bound to none or to another. The port with the fewest MACs counts. */
export function findNodes(desk: PowerDesk, nodes: readonly Node[]): Found[] {
  const all = desk.devices
    .all()
    .flatMap((device) => [...device.ports.values()].map((port) => ({ device, port })));
  return nodes.flatMap((node): Found[] => {
    const at = portOfMac(
      all.map(({ port }) => port),
      node.mac ?? "",
    );
    const port = at?.row.port;
    const device = all.find((one) => one.port === at)?.device;
    const bound = desk.bindings.of(node.id);
    const isBound = (to: Device, there: string) => bound?.switchId === to.row.id && bound.port === there;
    if (at && device && port !== null && port !== undefined) {
      if (isBound(device, port)) return [];
      return [{ node, device, port, name: at.row.name, alone: at.macs.length === 1, proof: "fdb" }];
    }
    const circuit = desk.circuits.portOf(node.id);
    const by = circuit && desk.devices.byId(circuit.switchId);
    if (!circuit || !by || isBound(by, circuit.port)) return [];
    return [
      { node, device: by, port: circuit.port, name: circuit.port, alone: true, proof: "circuit" as const },
    ];
  });
}
