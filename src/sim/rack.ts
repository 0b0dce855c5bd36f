// A rack of virtual Pis on the ports of a virtual switch: power on a port starts the board, no power ends it.
import { formatIpv4, parseIpv4 } from "../base/addresses.ts";
import type { Behaviour } from "./behaviour.ts";
import { good } from "./behaviour.ts";
import type { VirtualPi } from "./board.ts";
import type { PoeSwitch } from "./poe-switch.ts";
import { type PowerStep, powerOn } from "./power-on.ts";
import { realNet } from "./real-net.ts";

export interface RackPi {
  /** Of the switch. */
  port: number;
  pi: VirtualPi;
  /** Default: good. */
  behaviour?: Behaviour;
}

export interface RackOptions {
  switch: PoeSwitch;
  server: { address: string; dhcpPort: number; tftpPort: number };
  pis: readonly RackPi[];
  /** Loopback address of the first board; the others follow. Default 127.0.1.1. */
  firstAddress?: string;
  /** A board's power came, it came further, or its power was cut. `powerOn` counts from 1. */
  told?(news: RackNews): void;
  /** A net that cannot be opened. */
  failed(error: unknown): void;
}

export type RackNews = { port: number; pi: VirtualPi; powerOn: number } & (
  | { step: "on" }
  | { step: "off" }
  | PowerStep
);

export interface Rack {
  /** How often the port's board was switched on. */
  powerOns(port: number): number;
  /** Ports whose boards have power now. */
  on(): number[];
  /** Cuts all power; ends when no board runs any more. */
  close(): Promise<void>;
}

/** Plugs the boards in: from now on they live and die by their ports. */
export function rack({ server, pis, failed, ...options }: RackOptions): Rack {
  const first = parseIpv4(options.firstAddress ?? "127.0.1.1");
  const boards = new Map(
    pis.map(({ port, pi, behaviour = good }, i) => [
      port,
      { pi, behaviour, address: formatIpv4(first + i), powerOns: 0 },
    ]),
  );
  const running = new Map<number, AbortController>();
  /** Also those whose power is cut and that have not let go of their sockets yet. */
  const ending = new Set<Promise<void>>();

  function on(port: number): void {
    const board = boards.get(port);
    if (!board || running.has(port)) return;
    const { pi, address, behaviour } = board;
    board.powerOns += 1;
    const nth = board.powerOns;
    const cut = new AbortController();
    const { dhcpPort, tftpPort } = server;
    options.told?.({ port, pi, powerOn: nth, step: "on" });
    const ended = powerOn({
      pi,
      fate: behaviour(nth),
      net: () => realNet({ address, server: server.address, dhcpPort, tftpPort }),
      signal: cut.signal,
      told: (step) => options.told?.({ port, pi, powerOn: nth, ...step }),
    })
      .catch(failed)
      .finally(() => ending.delete(ended));
    ending.add(ended);
    running.set(port, cut);
  }
  function off(port: number): void {
    const board = boards.get(port);
    const cut = running.get(port);
    if (!cut || !board) return;
    running.delete(port);
    cut.abort();
    options.told?.({ port, pi: board.pi, powerOn: board.powerOns, step: "off" });
  }

  const stop = options.switch.on((port, state) => (state === "deliveringPower" ? on(port) : off(port)));
  for (const [port, { pi }] of boards) options.switch.plug(port, pi.mac);
  return {
    powerOns: (port) => boards.get(port)?.powerOns ?? 0,
    on: () => [...running.keys()].sort((a, b) => a - b),
    async close() {
      stop();
      for (const port of running.keys()) off(port);
      await Promise.all(ending);
    },
  };
}
