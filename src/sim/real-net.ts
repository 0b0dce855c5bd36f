// Real UDP for a virtual Pi, on loopback (on an interface: raw-net.ts): each board has an address of its own and speaks unicast to ports that need no privileges.
import { createSocket, type Socket } from "node:dgram";
import { type Impairment, impairment } from "./impair.ts";
import type { Frame, Order, SimNet, Wire } from "./machine.ts";

export interface RealNetOptions {
  /** The board's own address until DHCP gives it another, for example 127.0.1.7: all of its sockets are bound to it. */
  address: string;
  /** Where DHCP and TFTP are. */
  server: string;
  /** Default 67 and 69. */
  dhcpPort?: number;
  tftpPort?: number;
  /** The board's DHCP port; default 0, any free one: the server then answers to where the packet came from. */
  clientPort?: number;
  impair?: Impairment;
}

const DHCP_SERVER = 67;
const DHCP_CLIENT = 68;
const TFTP = 69;

/** Fails with Node's error when a socket cannot be opened. ARP is the kernel's business here: it is taken as answered. */
export function realNet(options: RealNetOptions): SimNet {
  return { attach: ({ hear }) => plug(options, hear) };
}

function plug(options: RealNetOptions, hear: (frame: Frame) => void): Wire {
  const { server, dhcpPort = DHCP_SERVER, tftpPort = TFTP } = options;
  const sockets = new Map<number, Promise<Socket>>();
  /** Those that are open already: a packet needs no promise. */
  const ready = new Map<number, Socket>();
  const timers = new Set<NodeJS.Timeout>();
  const late = impairment(options.impair ?? {});
  let address = options.address;

  const later = (ms: number, run: () => void) => {
    if (ms <= 0) return run();
    const timer = setTimeout(() => {
      timers.delete(timer);
      run();
    }, ms);
    timers.add(timer);
  };

  const open = async (port: number): Promise<Socket> => {
    const dhcp = port === DHCP_CLIENT;
    const wanted = dhcp ? (options.clientPort ?? 0) : port;
    // Another program may sit on the very port that firmware would use: any other does as well.
    const socket = await bind(wanted, address).catch((error: NodeJS.ErrnoException) => {
      if (error.code === "EADDRINUSE" && !dhcp) return bind(0, address);
      throw error;
    });
    socket.on("message", (bytes, from) => {
      for (const ms of late())
        later(ms, () =>
          hear({
            kind: "udp",
            from: { address: from.address, port: from.port },
            to: { address, port },
            bytes,
            broadcast: false,
          }),
        );
    });
    return socket;
  };

  const send = (order: Extract<Order, { do: "send" }>): undefined | Promise<void> => {
    const dhcp = order.to.port === DHCP_SERVER;
    const toPort = dhcp ? dhcpPort : order.to.port === TFTP ? tftpPort : order.to.port;
    const put = (socket: Socket) => {
      for (const ms of late())
        later(ms, () => {
          if (ready.get(order.port) === socket) socket.send(order.bytes, toPort, server, () => {}); // unreachable is like lost
        });
    };
    const socket = ready.get(order.port);
    if (socket) {
      put(socket);
      return undefined;
    }
    const opening = open(order.port);
    sockets.set(order.port, opening);
    return opening.then((opened) => {
      ready.set(order.port, opened);
      put(opened);
    });
  };

  const release = (port: number) => {
    const opening = sockets.get(port);
    sockets.delete(port);
    ready.delete(port);
    void opening?.then((socket) => socket.close());
  };

  return {
    now: () => performance.now(),
    act(order) {
      if (order.do === "send") return send(order);
      if (order.do === "release") release(order.port);
      else if (order.do === "configure") {
        if (order.address.startsWith("127.")) address = order.address;
      } else if (order.what === "request") {
        const { target } = order;
        const reply = { kind: "arp", what: "reply", sender: target, mac: "", target: address } as const;
        setImmediate(() => hear({ ...reply, broadcast: false }));
      }
      return undefined;
    },
    at(time, wake) {
      const timer = setTimeout(wake, Math.max(0, time - performance.now()));
      return () => clearTimeout(timer);
    },
    async close() {
      for (const timer of timers) clearTimeout(timer);
      const open = [...sockets.values()];
      sockets.clear();
      ready.clear();
      await Promise.all(
        open.map(async (opening) => {
          const socket = await opening.catch(() => undefined);
          if (socket) await new Promise<void>((done) => socket.close(() => done()));
        }),
      );
    },
  };
}

function bind(port: number, address: string): Promise<Socket> {
  return new Promise((done, fail) => {
    const socket = createSocket("udp4");
    socket.once("error", (error) => {
      socket.close();
      fail(error);
    });
    socket.bind({ port, address, exclusive: true }, () => {
      socket.removeAllListeners("error");
      socket.on("error", () => {}); // an answer that says "unreachable": silence for the board
      done(socket);
    });
  });
}
