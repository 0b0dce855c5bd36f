// Virtual Pis against a running server, over real UDP sockets: for the demo, the sim command and tests.
import { createHash } from "node:crypto";
import { BrambleError } from "../base/errors.ts";
import { isOldBoot, MODELS, type Model, macOfSerial, modelNamed } from "../formats/boards.ts";
import type { SimBoot, SimRequest, VirtualPi } from "../sim/board.ts";
import { bootPi } from "../sim/pi.ts";
import { realNet } from "../sim/real-net.ts";

export interface Rack {
  server: string;
  dhcpPort: number;
  tftpPort: number;
  /** Addresses that boards use before DHCP gives them one: 127.64.x.y on loopback. */
  firstAddress?: string;
  /** No waits for hardware: the network's waits are never touched. */
  quick: boolean;
  keepBytes?: boolean;
  signal?: AbortSignal;
}

/** A board number `n` of a model: same number, same serial and MAC. */
export function virtualPi(model: Model, n: number, quick: boolean): VirtualPi {
  const digits = createHash("sha256").update(`bramble virtual pi ${model} ${n}`).digest("hex");
  const serial = digits.slice(0, 8);
  return {
    model,
    serial,
    mac: isOldBoot(model)
      ? macOfSerial(serial)
      : `dc:a6:32:${digits.slice(8, 10)}:${digits.slice(10, 12)}:${digits.slice(12, 14)}`,
    hardwareWaits: quick ? 0 : 1,
    patienceMs: 120_000,
  };
}

/** "4b,5,3b" → models; every one is named that is not known. */
export function parseModels(text: string): Model[] {
  return text.split(",").map((name) => {
    const model = modelNamed(name);
    if (model) return model;
    throw new BrambleError("BAD_INPUT", `${name} is no model that boots from a network`, {
      hint: `one of ${MODELS.join(", ")}`,
    });
  });
}

export function bootInRack(
  pi: VirtualPi,
  n: number,
  rack: Rack,
  onRequest: (request: SimRequest) => void,
): Promise<SimBoot> {
  const [a = 127, b = 64] = (rack.firstAddress ?? "127.64.0.0").split(".").map(Number);
  const net = realNet({
    address: `${a}.${b}.${1 + Math.floor(n / 250)}.${1 + (n % 250)}`,
    server: rack.server,
    dhcpPort: rack.dhcpPort,
    tftpPort: rack.tftpPort,
  });
  return bootPi(pi, net, {
    onRequest,
    keepBytes: rack.keepBytes ?? false,
    ...(rack.signal && { signal: rack.signal }),
  });
}
