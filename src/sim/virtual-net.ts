// A network in memory with its own clock: servers are functions from packet to packets, time jumps from event to event.
import { dice } from "./dice.ts";
import type { Endpoint, Frame, Order, SimNet, Wire } from "./machine.ts";

export interface Datagram {
  from: Endpoint;
  to: Endpoint;
  bytes: Uint8Array;
}

/** What a server puts on the network. */
export interface Sent extends Datagram {
  /** A frame for this board, without asking ARP (raw, or pinned). */
  mac?: string;
  afterMs?: number;
  /** ARP who-has for this address right before, to everybody. */
  arpBefore?: string;
  /** From now on the address needs no ARP. */
  pin?: { address: string; mac: string };
}

export interface VirtualServer {
  address: string;
  /** A datagram for `address` or for everybody; `mac` is who sent it. */
  receive(packet: Datagram, now: number, mac: string): Sent[] | Promise<Sent[]>;
  /** Called at `deadline()`. */
  tick?(now: number): Sent[] | Promise<Sent[]>;
  deadline?(): number;
}

export interface VirtualNetOptions {
  servers: readonly VirtualServer[];
  seed?: number;
  /** One way, ms. Default 0.2. */
  delayMs?: number;
  /** Chances, 0 to 1. */
  loss?: number;
  duplicate?: number;
  /** A datagram that takes up to `reorderMs` longer. */
  reorder?: number;
  reorderMs?: number;
  /** How long a server believes an ARP answer, ms. Default 8000: five of delay, three of probes without answer. */
  neighbourMs?: number;
  /** Hears every datagram, also those that are lost. */
  onDatagram?(packet: Datagram, now: number, lost: boolean): void;
}

interface Plugged {
  mac: string;
  address: string;
  hear(frame: Frame): void;
}

const ALL = "255.255.255.255";

/** Boots run as soon as the event loop is free, as many as are plugged in, all on one clock. */
export function virtualNet(options: VirtualNetOptions): SimNet & { now(): number } {
  const { servers, delayMs = 0.2, loss = 0, duplicate = 0, reorder = 0, reorderMs = 5 } = options;
  const random = dice(options.seed ?? 1);
  const boards = new Set<Plugged>();
  const neighbours = new Map<string, { mac: string; until: number }>();
  const queue: { at: number; order: number; run: () => void | Promise<void> }[] = [];
  let clock = 0;
  let count = 0;
  let running = false;

  const schedule = (at: number, run: () => void | Promise<void>) => {
    const event = { at, order: count++, run };
    // Nearly always the newest event belongs near the end.
    let i = queue.length;
    while (i > 0 && (queue[i - 1]?.at ?? 0) > at) i--;
    queue.splice(i, 0, event);
    if (!running) {
      running = true;
      setImmediate(() => void pump());
    }
    return () => {
      const place = queue.indexOf(event);
      if (place >= 0) queue.splice(place, 1);
    };
  };

  async function pump() {
    for (let steps = 0; ; steps++) {
      const ticking = nextTick();
      const event = queue[0];
      if (ticking && (!event || ticking.at < event.at)) {
        // With no board plugged in nobody waits for a server's timers.
        if (boards.size === 0) break;
        clock = Math.max(clock, ticking.at);
        put(await (ticking.server.tick?.(clock) ?? []));
        continue;
      }
      if (!event) break;
      queue.shift();
      clock = Math.max(clock, event.at);
      await event.run();
      if (steps % 64 === 63) await new Promise<void>((done) => setImmediate(done));
    }
    running = false;
  }

  const nextTick = () =>
    servers
      .map((server) => ({ server, at: server.deadline?.() ?? Number.POSITIVE_INFINITY }))
      .filter(({ at }) => at < Number.POSITIVE_INFINITY)
      .sort((a, b) => a.at - b.at)[0];

  /** The way of one datagram: lost, doubled or late by the dice. */
  const travel = (packet: Datagram, deliver: () => void | Promise<void>) => {
    const lost = random() < loss;
    options.onDatagram?.(packet, clock, lost);
    if (lost) return;
    for (let copies = random() < duplicate ? 2 : 1; copies > 0; copies--)
      schedule(clock + delayMs + (random() < reorder ? random() * reorderMs : 0), deliver);
  };

  const put = (sent: readonly Sent[]) => {
    for (const packet of sent) schedule(clock + (packet.afterMs ?? 0), () => emit(packet));
  };

  const emit = (packet: Sent) => {
    if (packet.arpBefore !== undefined) ask(packet.from.address, packet.arpBefore);
    if (packet.pin)
      neighbours.set(packet.pin.address, { mac: packet.pin.mac, until: Number.POSITIVE_INFINITY });
    const broadcast = packet.to.address === ALL;
    const mac = packet.mac ?? neighbour(packet.to.address)?.mac;
    if (broadcast || mac) {
      const frame: Frame = { kind: "udp", from: packet.from, to: packet.to, bytes: packet.bytes, broadcast };
      travel(packet, () => {
        for (const board of boards) if (broadcast || board.mac === mac) board.hear(frame);
      });
      return;
    }
    // Ask, and send it when somebody has answered.
    ask(packet.from.address, packet.to.address);
    schedule(clock + 10 * delayMs, () => {
      if (neighbour(packet.to.address)) emit(packet);
    });
  };

  const neighbour = (address: string) => {
    const entry = neighbours.get(address);
    return entry && entry.until > clock ? entry : undefined;
  };

  const ask = (sender: string, target: string) => {
    const frame: Frame = {
      kind: "arp",
      what: "request",
      sender,
      mac: macOf(sender),
      target,
      broadcast: true,
    };
    schedule(clock + delayMs, () => {
      for (const board of boards) board.hear(frame);
    });
  };

  const learn = (board: Plugged) => {
    if (board.address === "0.0.0.0" || neighbours.get(board.address)?.until === Number.POSITIVE_INFINITY)
      return;
    neighbours.set(board.address, { mac: board.mac, until: clock + (options.neighbourMs ?? 8000) });
  };

  const perform = (board: Plugged, order: Exclude<Order, { do: "receive" }>) => {
    if (order.do === "configure") board.address = order.address;
    else if (order.do === "arp" && order.what === "request") {
      learn(board);
      if (servers.some(({ address }) => address === order.target))
        schedule(clock + 2 * delayMs, () =>
          board.hear({
            kind: "arp",
            what: "reply",
            sender: order.target,
            mac: macOf(order.target),
            target: board.address,
            broadcast: false,
          }),
        );
    } else if (order.do === "arp") learn(board);
    else if (order.do === "send") {
      const packet: Datagram = {
        from: { address: board.address, port: order.port },
        to: order.to,
        bytes: order.bytes.slice(),
      };
      travel(packet, async () => {
        for (const server of servers)
          if (order.to.address === ALL || order.to.address === server.address)
            put(await server.receive(packet, clock, board.mac));
      });
    }
    return undefined;
  };

  return {
    now: () => clock,
    attach({ mac, hear }): Wire {
      const board: Plugged = { mac, address: "0.0.0.0", hear };
      boards.add(board);
      return {
        now: () => clock,
        act: (order) => perform(board, order),
        at: (time, wake) => schedule(time, wake),
        close: () => {
          boards.delete(board);
        },
      };
    },
  };
}

/** A locally administered MAC for a server: made from its address. */
const macOf = (address: string): string =>
  `02:00:${address
    .split(".")
    .map((part) => Number(part).toString(16).padStart(2, "0"))
    .join(":")}`;
