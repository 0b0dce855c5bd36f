// The part of net-snmp (MIT, no types of its own) that we use: as a client here, as an agent in src/sim.
declare module "net-snmp" {
  import type { EventEmitter } from "node:events";

  export type Value = number | bigint | string | Buffer | null;
  export interface Varbind {
    oid: string;
    type: number;
    value: Value;
  }
  export interface User {
    name: string;
    level: number;
    authProtocol?: number;
    authKey?: string;
    privProtocol?: number;
    privKey?: string;
  }
  interface SessionOptions {
    port?: number;
    version?: number;
    /** ms */
    timeout?: number;
    retries?: number;
    /** SNMPv3 context name. */
    context?: string;
    transport?: "udp4" | "udp6";
    backoff?: number;
  }
  type Answer<T> = (error: Error | null, value: T) => void;
  export interface Session extends EventEmitter {
    get(oids: string[], done: Answer<Varbind[]>): void;
    set(varbinds: Varbind[], done: Answer<Varbind[]>): void;
    getBulk(
      oids: string[],
      nonRepeaters: number,
      maxRepetitions: number,
      done: Answer<(Varbind | Varbind[])[]>,
    ): void;
    close(): void;
  }

  interface Column {
    number: number;
    name: string;
    type: number;
    maxAccess: number;
    constraints?: { enumeration: Record<number, string> };
  }
  export interface MibRequest {
    operation: number;
    oid: string;
    /** Of a SET: what is to be set. */
    setValue: Value;
    testSet?: boolean;
    instanceNode: { value: Value };
    done(error?: { errorStatus: number; type: number; value: Value }): void;
  }
  export interface Provider {
    name: string;
    type: number;
    oid: string;
    maxAccess: number;
    scalarType?: number;
    defVal?: Value;
    tableColumns?: Column[];
    tableIndex?: { columnName: string }[];
    handler?(request: MibRequest): void;
  }
  interface Mib {
    addTableRow(table: string, row: Value[]): void;
    deleteTableRow(table: string, index: number[]): boolean;
    setTableSingleCell(table: string, column: number, index: number[], value: Value): void;
    getTableSingleCell(table: string, column: number, index: number[]): Value;
    setScalarValue(name: string, value: Value): void;
  }
  export interface Agent {
    getMib(): Mib;
    registerProvider(provider: Provider): void;
    getAuthorizer(): {
      addCommunity(name: string): void;
      addUser(user: User): void;
      getAccessControlModel(): {
        setCommunityAccess(name: string, level: number): void;
        setUserAccess(name: string, level: number): void;
      };
    };
    close(): void;
  }

  type Names = Record<string, number> & Record<number, string>;
  const snmp: {
    createSession(host: string, community: string, options: SessionOptions): Session;
    createV3Session(host: string, user: User, options: SessionOptions): Session;
    createAgent(
      options: {
        port: number;
        address: string;
        disableAuthorization: boolean;
        accessControlModelType: number;
        dgramModule: object;
      },
      heard: (error: Error | null) => void,
    ): Agent;
    isVarbindError(varbind: Varbind): boolean;
    varbindError(varbind: Varbind): string;
    Version2c: number;
    ObjectType: Names;
    PduType: Names;
    ErrorStatus: Names;
    MaxAccess: Names;
    MibProviderType: Names;
    SecurityLevel: Names;
    AuthProtocols: Names;
    PrivProtocols: Names;
    AccessControlModelType: Names;
    AccessLevel: Names;
  };
  export default snmp;
}
