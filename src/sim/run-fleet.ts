// Many virtual Pis at once over real UDP, each with its own loopback address, against a server that runs already.
import { formatIpv4, parseIpv4 } from "../base/addresses.ts";
import { familyOf, isOldBoot, type Model, macOfSerial } from "../formats/boards.ts";
import type { SimBoot, SimRequest, VirtualPi } from "./board.ts";
import type { Impairment } from "./impair.ts";
import { bootPi } from "./pi.ts";
import { realNet } from "./real-net.ts";

export interface FleetOptions {
  count: number;
  /** One after the other, again and again. */
  models: readonly Model[];
  server: string;
  dhcpPort: number;
  tftpPort: number;
  /** Of the first board; the others follow. Default 127.0.1.1. */
  firstAddress?: string;
  /** Serial of the first board as a number; the others follow. */
  firstSerial?: number;
  /** Boards under way at once. Default: all. */
  atOnce?: number;
  impair?: Impairment;
  /** What every board is besides its model. */
  like?: Partial<VirtualPi>;
  keepBytes?: boolean;
  signal?: AbortSignal;
  onProgress?(progress: FleetProgress): void;
}

/** A board was switched on; a file request of it ended; it has booted or failed. */
export type FleetProgress = { pi: VirtualPi; address: string } & (
  | { step: "on" }
  | { step: "request"; request: SimRequest }
  | { step: "end"; boot: SimBoot }
);

export interface FleetSummary {
  boots: { pi: VirtualPi; address: string; boot: SimBoot }[];
  /** Boards that read their kernel (or boot.img) whole. */
  booted: number;
  requests: number;
  bytes: number;
  ms: number;
}

const FIRST_SERIAL = 0x51b00001;

/** The boards of such a fleet, without booting them. */
export function fleetOf({ count, models, firstSerial = FIRST_SERIAL, like }: FleetOptions): VirtualPi[] {
  return Array.from({ length: count }, (_, i) => {
    const model = models[i % models.length] ?? "4B";
    const serial = ((firstSerial + i) >>> 0).toString(16).padStart(8, "0");
    const oui = familyOf(model) === "bcm2711" ? "dc:a6:32" : "2c:cf:67";
    const mac = isOldBoot(model) ? macOfSerial(serial) : macOfSerial(serial).replace("b8:27:eb", oui);
    return { hardwareWaits: 0, ...like, model, serial, mac };
  });
}

/** Boots them all. Fails only if a socket cannot be opened, or by `signal`: a board that does not boot is a result. */
export async function runFleet(options: FleetOptions): Promise<FleetSummary> {
  const { server, dhcpPort, tftpPort, impair, keepBytes = false, signal } = options;
  const started = performance.now();
  const first = parseIpv4(options.firstAddress ?? "127.0.1.1");
  const waiting = fleetOf(options).map((pi, i) => ({ pi, address: formatIpv4(first + i) }));
  const boots: FleetSummary["boots"] = [];
  const say = (progress: FleetProgress) => options.onProgress?.(progress);
  const worker = async () => {
    for (let next = waiting.shift(); next; next = waiting.shift()) {
      const { pi, address } = next;
      say({ pi, address, step: "on" });
      const net = realNet({
        address,
        server,
        dhcpPort,
        tftpPort,
        ...(impair && { impair: { ...impair, seed: (impair.seed ?? 1) + parseIpv4(address) } }),
      });
      const boot = await bootPi(pi, net, {
        keepBytes,
        onRequest: (request) => say({ pi, address, step: "request", request }),
        ...(signal && { signal }),
      });
      boots.push({ pi, address, boot });
      say({ pi, address, step: "end", boot });
    }
  };
  const atOnce = Math.min(options.atOnce ?? options.count, options.count);
  await Promise.all(Array.from({ length: atOnce }, worker));
  const requests = boots.flatMap(({ boot }) => boot.requests);
  return {
    boots,
    booted: boots.filter(({ boot }) => boot.outcome === "kernel" || boot.outcome === "boot-img").length,
    requests: requests.length,
    bytes: requests.reduce((sum, { bytes, result }) => sum + (result === "read" ? bytes : 0), 0),
    ms: performance.now() - started,
  };
}
