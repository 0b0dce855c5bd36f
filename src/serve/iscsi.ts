// The iSCSI server: targets over TCP, one session for each connection (src/wire/iscsi, src/wire/scsi).
import { createHash, randomBytes } from "node:crypto";
import { once } from "node:events";
import { createServer, type Socket } from "node:net";
import type { ChapTools } from "../wire/iscsi/chap.ts";
import { Allowance, type Limits } from "../wire/nbd/limits.ts";
import type { LogicalUnit } from "../wire/scsi/unit.ts";
import { Connection } from "./iscsi-connection.ts";
import { type House, type IscsiClient, peerOf } from "./iscsi-house.ts";
import { type Lun, RunningUnit } from "./iscsi-unit.ts";
import { HalfOpen, type Patience, watch } from "./iscsi-watch.ts";
import { Slabs } from "./outbox.ts";
import { deferred, throttled } from "./throttle.ts";

export type { IscsiClient, IscsiTarget } from "./iscsi-house.ts";

/** What happened at an iSCSI server. Of `refused` and `error`, one a second for each address, with the number of the others. */
export interface IscsiEvent {
  kind: "refused" | "login" | "logout" | "lost" | "reinstated" | "error";
  client: IscsiClient;
  target?: string;
  why: string;
  /** Events like this one that were not told since the last one. */
  more?: number;
  at: number;
}

export interface IscsiLimits extends Limits, Patience {
  /** Bytes of commands that all sessions together may have open. */
  serverBytes: number;
  connections: number;
  /** Logins that have not ended: beyond these the oldest is cut off. */
  logins: number;
  loginsPerAddress: number;
  /** From the first byte to the end of the login. */
  loginMs: number;
}
const LIMITS: IscsiLimits = {
  requests: 1024,
  bytes: 32 << 20,
  serverBytes: 256 << 20,
  connections: 8192,
  logins: 1024,
  loginsPerAddress: 64,
  loginMs: 30_000,
  pingMs: 10_000,
  pongMs: 30_000,
  stallMs: 120_000,
};

export interface IscsiOptions {
  host: string;
  /** 0: any free one. */
  port: number;
  /** May this initiator log in? Asked when the target's name is known, before CHAP. May wait. */
  find: House["find"];
  /** The names that this client may see. */
  discover: House["discover"];
  on?: (event: IscsiEvent) => void;
  limits?: Partial<IscsiLimits>;
}
export interface IscsiServer {
  port: number;
  /** Ends all sessions of a target, logins too; resolves when nothing of them touches its disks any more. */
  drop(target: string, why: string): Promise<void>;
  /** The sessions of a target, and for how long each has said nothing. */
  alive(target: string): { client: IscsiClient; quietMs: number }[];
  /** Does any initiator of this target answer within that time? */
  ping(target: string, timeoutMs: number): Promise<boolean>;
  /** Asks all initiators to log out, and to come back: before a planned restart. */
  askToLogOut(withinS: number): void;
  close(): Promise<void>;
}

const LOGGED_OUT = "logged out";
const REINSTATED = "its initiator has logged in anew";

/** Serves targets over iSCSI until close(). Rejects when the port cannot be had. */
export async function serveIscsi(options: IscsiOptions): Promise<IscsiServer> {
  const limits = { ...LIMITS, ...options.limits };
  const connections = new Map<Connection, { over: () => void; whenOver: Promise<void> }>();
  const halfOpen = new HalfOpen(limits);
  const units = new WeakMap<LogicalUnit, RunningUnit>();
  const tell = throttled<IscsiEvent>(options.on ?? (() => {}), ["login", "logout", "lost", "reinstated"]);
  let handles = 0;

  const cut = async (which: (c: Connection) => boolean, why: string) => {
    const chosen = [...connections].filter(([connection]) => which(connection));
    for (const [connection] of chosen) connection.end(why);
    await Promise.all(chosen.map(([, { whenOver }]) => whenOver));
  };
  const named = (connection: Connection) => {
    const target = connection.target?.name;
    return { client: { ...connection.client }, ...(target !== undefined && { target }) };
  };

  const house: House = {
    slabs: new Slabs(),
    session: { limits, allowance: new Allowance(limits.serverBytes), tools: TOOLS },
    find: options.find,
    discover: options.discover,
    running: (luns) => new Map([...luns].map(([number, lun]) => [number, runningOf(units, lun)])),
    async admit(connection, { initiator, isid, target }) {
      // Reinstatement (RFC 7143 6.3.5): the same name and ISID at the same target is the same session.
      const same = ({ nexus, opened }: Connection) =>
        opened && nexus?.initiator === initiator && nexus.isid === isid && nexus.target === target;
      if (target !== undefined) await cut((other) => other !== connection && same(other), REINSTATED);
      handles = (handles % 0xffff) + 1;
      return handles;
    },
    admitted(connection) {
      halfOpen.delete(connection);
      if (connection.target) tell({ kind: "login", ...named(connection), why: "" });
    },
    ended(connection, why) {
      const known = connections.get(connection);
      connections.delete(connection);
      halfOpen.delete(connection);
      const kind = !connection.opened
        ? "refused"
        : why === LOGGED_OUT
          ? "logout"
          : why === REINSTATED
            ? "reinstated"
            : "lost";
      const discovery = connection.opened && !connection.target;
      if (!discovery && (kind !== "refused" || connection.spoke)) tell({ kind, ...named(connection), why });
      known?.over();
    },
    cold: (connection, why) =>
      void cut((other) => other !== connection && other.target?.name === connection.target?.name, why),
    waiting: new Set(),
    released() {
      if (house.waiting.size === 0) return;
      const ready = [...house.waiting];
      house.waiting.clear(); // whoever still has to wait comes back by itself
      for (const connection of ready) connection.next();
    },
    error(connection, error) {
      const why = error instanceof Error ? error.message : String(error);
      tell({ kind: "error", ...named(connection), why });
    },
  };

  const welcome = (socket: Socket) => {
    if (connections.size >= limits.connections) {
      const client = { ...peerOf(socket), initiator: "", isid: "" };
      tell({ kind: "refused", client, why: "too many connections" });
      socket.destroy();
      return;
    }
    const connection = new Connection(socket, house);
    const { promise, resolve } = deferred();
    connections.set(connection, { over: resolve, whenOver: promise });
    halfOpen.add(connection, limits.loginMs);
  };

  const server = createServer({ pauseOnConnect: true }, welcome);
  server.listen(options.port, options.host);
  await once(server, "listening");
  const watching = watch(() => connections.keys(), limits);
  const at = server.address();
  const sessions = (target: string) =>
    [...connections.keys()].filter((c) => c.open && c.target?.name === target);
  return {
    port: typeof at === "object" && at ? at.port : options.port,
    drop: (target, why) => cut((connection) => connection.target?.name === target, why),
    alive: (target) =>
      sessions(target).map(({ client, heardAt }) => ({
        client: { ...client },
        quietMs: Date.now() - heardAt,
      })),
    async ping(target, timeoutMs) {
      const asked = sessions(target).map((connection) => connection.ping());
      let timer: NodeJS.Timeout | undefined;
      const late = new Promise<boolean>((resolve) => {
        timer = setTimeout(() => resolve(false), timeoutMs);
      });
      const answered = await Promise.race([late, ...asked.map((answer) => answer.then(() => true))]);
      clearTimeout(timer);
      return answered;
    },
    askToLogOut(withinS) {
      for (const connection of connections.keys())
        if (connection.open && connection.target) connection.askToLogOut(withinS);
    },
    async close() {
      clearInterval(watching);
      const closed = once(server, "close");
      server.close();
      await cut(() => true, "the server stops");
      await closed;
    },
  };
}

const TOOLS: ChapTools = {
  digest: (algorithm, bytes) => createHash(algorithm).update(bytes).digest(),
  random: (length) => randomBytes(length),
};

function runningOf(units: WeakMap<LogicalUnit, RunningUnit>, lun: Lun): RunningUnit {
  let running = units.get(lun.unit);
  if (!running) {
    running = new RunningUnit(lun);
    units.set(lun.unit, running);
  }
  return running;
}
