import { BrambleError } from "../../base/errors.ts";
import type { Node } from "../../fleet/node.ts";
import type { Book } from "../../storage/book.ts";
import type { PowerTables } from "../../storage/power-tables.ts";
import type { Registry } from "../registry.ts";
import { type Device, type Devices, portOf } from "./devices.ts";

/** How we know that a node hangs on a port. `place`: its place says so. */
export type Proof = "hand" | "fdb" | "circuit" | "power-toggle" | "place";
export type Binding = Omit<PowerTables["powerBinding"], "proof"> & { proof: Proof };

/** Which port gives which node its power. */
export type Bindings = Awaited<ReturnType<typeof openBindings>>;

export async function openBindings(book: Book, registry: Registry, devices: Devices, now: () => number) {
  const rows = new Map(
    (await book.selectFrom("powerBinding").selectAll().execute()).map((row) => [row.nodeId, row as Binding]),
  );

  /** Where nobody bound it, its place on a switch that we know is taken at its word. */
  function byPlace(node: Node): Binding | undefined {
    const { switch: name, port } = node.place ?? {};
    const device = name === undefined || port === undefined ? undefined : devices.byName(name);
    if (!device || port === undefined) return undefined;
    const known = device.ports.get(port)?.row.port ?? port;
    return {
      nodeId: node.id,
      switchId: device.row.id,
      port: known,
      proof: "place",
      boundMs: node.firstSeenMs,
    };
  }
  const of = (nodeId: string): Binding | undefined => {
    const row = rows.get(nodeId);
    if (row) return row;
    const node = registry.byId(nodeId);
    return node && byPlace(node);
  };
  const all = (): Binding[] => registry.all().flatMap(({ id }) => of(id) ?? []);

  return {
    of,
    all,
    /** The node on a port, where we know. */
    nodeAt: (device: Device, port: string): string | undefined =>
      all().find((one) => one.switchId === device.row.id && one.port === port)?.nodeId,

    /** Throws POWER_UNBOUND with what to do. */
    need(nodeId: string): Binding {
      const found = of(nodeId);
      if (found) return found;
      const name = registry.byId(nodeId)?.name ?? nodeId;
      throw new BrambleError("POWER_UNBOUND", `nothing that we know switches the power of ${name}`, {
        hint:
          devices.all().length > 0
            ? `bramble power bind ${name} SWITCH PORT; bramble switch scan finds ports`
            : "bramble switch add NAME --help; then bramble power bind NODE SWITCH PORT",
      });
    },

    async bind(node: Node, device: Device, port: string, proof: Proof): Promise<Binding> {
      const known = device.ports.size > 0 ? portOf(device, port).row : undefined;
      const at = known ? known.port : port;
      if (at === null) {
        throw new BrambleError("SWITCH_UNKNOWN", `port ${port} of ${device.row.name} gives no power`, {
          hint: `bramble switch ports ${device.row.name}`,
        });
      }
      const other = [...rows.values()].find(
        (one) => one.switchId === device.row.id && one.port === at && one.nodeId !== node.id,
      );
      if (other) {
        const name = registry.byId(other.nodeId)?.name ?? other.nodeId;
        throw new BrambleError("SWITCH_IN_USE", `port ${port} of ${device.row.name} is bound to ${name}`, {
          hint: `bramble power unbind ${name}`,
        });
      }
      const row: Binding = { nodeId: node.id, switchId: device.row.id, port: at, proof, boundMs: now() };
      const { nodeId: _, ...set } = row;
      await book
        .insertInto("powerBinding")
        .values(row)
        .onConflict((c) => c.column("nodeId").doUpdateSet(set))
        .execute();
      rows.set(node.id, row);
      return row;
    },

    async unbind(nodeId: string): Promise<void> {
      rows.delete(nodeId);
      await book.deleteFrom("powerBinding").where("nodeId", "=", nodeId).execute();
    },
  };
}
