import type { Core } from "../core.ts";
import type { PowerGauges } from "./gauges.ts";

const EVERY_MS = 60_000;
const WITHIN_MS = 10_000;

/** What switches give and could give. Budgets are asked for once a minute, never when somebody reads the metrics. */
export function powerGauges(core: Pick<Core, "power" | "registry">): {
  read(): PowerGauges;
  close(): void;
} {
  const { devices, bindings } = core.power;
  const budgets = new Map<string, { capacityW: number; usedW: number }>();

  async function ask(): Promise<void> {
    const seen = new Set<string>();
    for (const node of core.registry.all()) {
      const at = bindings.of(node.id);
      const device = at && devices.byId(at.switchId);
      if (!at || !device?.driver.budget || device.down || seen.has(at.switchId)) continue;
      seen.add(at.switchId);
      const target = { port: at.port, node: { name: node.name } };
      const signal = AbortSignal.timeout(WITHIN_MS);
      const told = await device
        .call(async (driver) => driver.budget?.(target, signal))
        .catch(() => undefined); // rounds tell of a switch that does not answer
      if (told) budgets.set(device.row.id, told);
      else budgets.delete(device.row.id);
    }
  }
  const timer = setInterval(() => void ask(), EVERY_MS);
  timer.unref();

  return {
    read() {
      const used = new Map<string, number>();
      const nodes = core.registry.all().flatMap((node) => {
        const at = bindings.of(node.id);
        if (!at) return [];
        const { watts, alarm } = core.power.view(node.id);
        if (watts !== undefined) used.set(at.switchId, (used.get(at.switchId) ?? 0) + watts);
        return [{ name: node.name, alarm: alarm !== undefined, ...(watts !== undefined && { watts }) }];
      });
      const switches = devices.all().map((device) => {
        const { id, name } = device.row;
        const budget = budgets.get(id);
        const usedWatts = budget?.usedW ?? used.get(id);
        return {
          name,
          up: device.down === undefined,
          ...(budget && { budgetWatts: budget.capacityW }),
          ...(usedWatts !== undefined && { usedWatts }),
        };
      });
      return { nodes, switches };
    },
    close: () => clearInterval(timer),
  };
}
