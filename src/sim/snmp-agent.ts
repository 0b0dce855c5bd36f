// An SNMP agent (v2c; v3 with SHA-256 and AES-128) on a free UDP port, which can fall silent and answer late.
import { createSocket, type RemoteInfo, type Socket } from "node:dgram";
import snmp, { type Agent, type Provider, type Value } from "net-snmp";

export interface AgentAccess {
  communityRo?: string;
  communityRw?: string;
  /** A user of authPriv who may read and write. */
  v3?: { user: string; authKey: string; privKey: string };
  /** Default 127.0.0.1 and any free port. */
  host?: string;
  port?: number;
}

export interface SnmpAgent {
  readonly host: string;
  readonly port: number;
  table(name: string, oid: string, index: readonly string[], columns: readonly ColumnOf[]): AgentTable;
  scalar(name: string, oid: string, value: Value, type: number, read?: () => Value): (value: Value) => void;
  /** No answer to anything from now on; `false`: answers again. */
  hang(silent: boolean): void;
  /** Every answer comes this much later, ms. */
  late(ms: number): void;
  /** Packets heard. */
  heard(): number;
  /** Packets that were heard and not answered yet, at most at one time since the last call. */
  mostAtOnce(): number;
  close(): Promise<void>;
}

export interface ColumnOf {
  number: number;
  type: number;
  /** Its legal values: the column may be set. */
  writable?: readonly number[];
  /** A SET of it that is legal, before the value counts. */
  set?(index: number[], value: number): "commit" | "no-such-instance";
}

export interface AgentTable {
  add(row: Value[]): void;
  remove(index: number[]): void;
  put(column: number, index: number[], value: Value): void;
  get(column: number, index: number[]): Value;
}

const { MaxAccess, ObjectType } = snmp;

export async function snmpAgent(access: AgentAccess): Promise<SnmpAgent> {
  const host = access.host ?? "127.0.0.1";
  const socket = await bound(host, access.port ?? 0);
  let silent = false;
  let lateMs = 0;
  let heard = 0;
  let open = 0;
  let most = 0;
  const timers = new Set<NodeJS.Timeout>();
  const answered = (send: () => void) => {
    open -= 1;
    if (!silent) send();
  };
  // The agent is given a socket that is bound already: it cannot ask for port 0 itself.
  const facade = {
    on(event: string, hear: (bytes: Buffer, from: RemoteInfo) => void) {
      if (event !== "message") return;
      socket.on("message", (bytes, from) => {
        if (silent) return;
        heard += 1;
        open += 1;
        most = Math.max(most, open);
        hear(bytes, from);
      });
    },
    bind() {},
    send(bytes: Buffer, _offset: number, _length: number, port: number, address: string) {
      const send = () => socket.send(bytes, port, address, () => {});
      if (lateMs === 0) return answered(send);
      const timer = setTimeout(() => {
        timers.delete(timer);
        answered(send);
      }, lateMs);
      timers.add(timer);
    },
    close() {},
  };
  const agent = snmp.createAgent(
    {
      port: 1,
      address: host,
      disableAuthorization: false,
      accessControlModelType: snmp.AccessControlModelType["Simple"] as number,
      dgramModule: { createSocket: () => facade },
    },
    (error) => {
      if (error) open = Math.max(0, open - 1); // refused, by silence as SNMP does it
    },
  );
  admit(agent, access);
  const mib = agent.getMib();

  return {
    host,
    port: socket.address().port,
    table(name, oid, index, columns) {
      agent.registerProvider(tableOf(name, oid, index, columns));
      return {
        add: (row) => mib.addTableRow(name, row),
        remove: (at) => void mib.deleteTableRow(name, at),
        put: (column, at, value) => mib.setTableSingleCell(name, column, at, value),
        get: (column, at) => mib.getTableSingleCell(name, column, at),
      };
    },
    scalar(name, oid, value, scalarType, read) {
      agent.registerProvider({
        name,
        oid,
        scalarType,
        type: snmp.MibProviderType["Scalar"] as number,
        maxAccess: MaxAccess["read-only"] as number,
        handler(request) {
          if (read) request.instanceNode.value = read();
          request.done();
        },
      });
      mib.setScalarValue(name, value);
      return (next) => mib.setScalarValue(name, next);
    },
    hang(now) {
      silent = now;
      if (now) open = 0;
    },
    late(ms) {
      lateMs = ms;
    },
    heard: () => heard,
    mostAtOnce() {
      const now = most;
      most = open;
      return now;
    },
    async close() {
      for (const timer of timers) clearTimeout(timer);
      await new Promise<void>((done) => socket.close(() => done()));
    },
  };
}

function admit(agent: Agent, { communityRo, communityRw, v3 }: AgentAccess): void {
  const authorizer = agent.getAuthorizer();
  const rights = authorizer.getAccessControlModel();
  const { ReadOnly, ReadWrite } = snmp.AccessLevel as { ReadOnly: number; ReadWrite: number };
  for (const [community, level] of [
    [communityRo, ReadOnly],
    [communityRw, ReadWrite],
  ] as const) {
    if (community === undefined) continue;
    authorizer.addCommunity(community);
    rights.setCommunityAccess(community, level);
  }
  if (!v3) return;
  authorizer.addUser({
    name: v3.user,
    level: snmp.SecurityLevel["authPriv"] as number,
    authProtocol: snmp.AuthProtocols["sha256"] as number,
    authKey: v3.authKey,
    privProtocol: snmp.PrivProtocols["aes"] as number,
    privKey: v3.privKey,
  });
  rights.setUserAccess(v3.user, ReadWrite);
}

/** Every part of an index is an integer here, a MAC address six of them: the instance's numbers are the same (RFC 2578 7.7). */
function tableOf(
  name: string,
  oid: string,
  index: readonly string[],
  columns: readonly ColumnOf[],
): Provider {
  const hidden = index.map((part, i) => ({
    number: 1000 + i,
    name: part,
    type: ObjectType["Integer"] as number,
    maxAccess: MaxAccess["not-accessible"] as number,
  }));
  return {
    name,
    oid,
    type: snmp.MibProviderType["Table"] as number,
    maxAccess: MaxAccess["not-accessible"] as number,
    tableColumns: [
      ...hidden,
      ...columns.map(({ number, type, writable }) => ({
        number,
        name: `${name}${number}`,
        type,
        maxAccess: MaxAccess[writable ? "read-write" : "read-only"] as number,
        ...(writable && {
          constraints: { enumeration: Object.fromEntries(writable.map((value) => [value, String(value)])) },
        }),
      })),
    ],
    tableIndex: index.map((columnName) => ({ columnName })),
    handler(request) {
      const [column = 0, ...at] = request.oid
        .split(".")
        .slice(-index.length - 1)
        .map(Number);
      const set = columns.find(({ number }) => number === column)?.set;
      // net-snmp calls twice for each SET: to test, then to commit
      if (request.operation === snmp.PduType["SetRequest"] && set && !request.testSet) {
        if (set(at, Number(request.setValue)) === "no-such-instance") {
          // answered as some agents do: no error status, an exception in the varbind
          return request.done({
            errorStatus: snmp.ErrorStatus["NoError"] as number,
            type: ObjectType["NoSuchInstance"] as number,
            value: null,
          });
        }
      }
      request.done();
    },
  };
}

function bound(host: string, port: number): Promise<Socket> {
  return new Promise((done, fail) => {
    const socket = createSocket(host.includes(":") ? "udp6" : "udp4");
    socket.once("error", fail);
    socket.bind(port, host, () => {
      socket.removeListener("error", fail);
      socket.on("error", () => {}); // "unreachable" from a client that is gone
      done(socket);
    });
  });
}
