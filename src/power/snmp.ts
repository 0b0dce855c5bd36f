// SNMP v2c and v3 as a client: promises, limits, and errors that say what to do.
import snmp, { type Session, type Value, type Varbind } from "net-snmp";
import { BrambleError } from "../base/errors.ts";

export interface SnmpAccess {
  host: string;
  /** Default 161. */
  port?: number;
  /** v2c. */
  community?: string;
  /** v3; without keys noAuthNoPriv. */
  user?: string;
  auth?: { protocol: AuthProtocol; key: string };
  privacy?: { protocol: PrivacyProtocol; key: string };
  /** Of v3: some agents keep several views. */
  context?: string;
  /** For one try, ms; default 3000, and there are two. */
  timeoutMs?: number;
  /** How long a question took, its repetitions included, whatever came of it. */
  asked?(ms: number): void;
}

export const AUTH_PROTOCOLS = ["md5", "sha", "sha224", "sha256", "sha384", "sha512"] as const;
export const PRIVACY_PROTOCOLS = ["des", "aes", "aes256b", "aes256r"] as const;
export type AuthProtocol = (typeof AUTH_PROTOCOLS)[number];
export type PrivacyProtocol = (typeof PRIVACY_PROTOCOLS)[number];

export interface Snmp {
  /** Values in the order of `oids`; undefined: there is no such object. */
  get(oids: readonly string[], signal: AbortSignal): Promise<(Value | undefined)[]>;
  /** Sets an integer. An exception inside a success counts as the refusal that it is. */
  set(oid: string, value: number, signal: AbortSignal): Promise<void>;
  /** Every instance under `oid`, by what follows it. */
  walk(oid: string, signal: AbortSignal): Promise<Map<string, Value>>;
  /** The view of one VLAN: community@vlan, or the context vlan-N (Cisco IOS keeps one forwarding table for each). */
  forVlan(vlan: number): Snmp;
  close(): void;
}

const REPETITIONS = 20;
/** More rows than this in one column are no switch's. */
const MOST_ROWS = 20_000;

export function openSnmp(access: SnmpAccess): Snmp {
  let session: Session | undefined;
  const drop = () => {
    session?.close();
    session = undefined;
  };
  const where = `${access.host}:${access.port ?? 161}`;

  /** A session that failed is opened anew: v3 learns the agent's engine, boots and time again. */
  function ask<T>(signal: AbortSignal, question: (session: Session, done: Answer<T>) => void): Promise<T> {
    return new Promise((resolve, reject) => {
      if (signal.aborted) return reject(signal.reason);
      const stop = () => reject(signal.reason);
      signal.addEventListener("abort", stop, { once: true });
      const current = session ?? open(access, drop);
      session = current;
      const began = performance.now();
      question(current, (error, value) => {
        signal.removeEventListener("abort", stop);
        access.asked?.(performance.now() - began);
        if (!error) return resolve(value);
        if (session === current) drop();
        reject(failure(error, where, access));
      });
    });
  }

  return {
    async get(oids, signal) {
      const answer = await ask<Varbind[]>(signal, (s, done) => s.get([...oids], done));
      return answer.map((one) => (snmp.isVarbindError(one) ? undefined : one.value));
    },
    async set(oid, value, signal) {
      const type = snmp.ObjectType["Integer"] as number;
      const [answer] = await ask<Varbind[]>(signal, (s, done) => s.set([{ oid, type, value }], done));
      if (!answer || snmp.isVarbindError(answer)) {
        const said = answer ? snmp.varbindError(answer) : "an empty answer";
        throw new BrambleError("POWER_REFUSED", `${where} took the SET, and answered with ${said}`, {
          hint: "there is no such port, or the community may not write: nothing was switched",
        });
      }
    },
    async walk(oid, signal) {
      const rows = new Map<string, Value>();
      let at = oid;
      for (;;) {
        const answer = await ask<(Varbind | Varbind[])[]>(signal, (s, done) =>
          s.getBulk([at], 0, REPETITIONS, done),
        );
        const got = answer.flat();
        for (const one of got) {
          if (snmp.isVarbindError(one) || !one.oid.startsWith(`${oid}.`)) return rows;
          const key = one.oid.slice(oid.length + 1);
          if (rows.has(key) || rows.size >= MOST_ROWS) {
            throw new BrambleError("POWER_REFUSED", `the table ${oid} of ${where} has no end`, {
              hint: "its agent answers in a circle: is its firmware up to date?",
            });
          }
          rows.set(key, one.value);
          at = one.oid;
        }
        if (got.length === 0) return rows;
      }
    },
    forVlan: (vlan) =>
      openSnmp(
        access.user === undefined
          ? { ...access, community: `${access.community ?? "public"}@${vlan}` }
          : { ...access, context: `vlan-${vlan}` },
      ),
    close: drop,
  };
}

type Answer<T> = (error: Error | null, value: T) => void;

function open(access: SnmpAccess, failed: () => void): Session {
  const { host, port = 161, community = "public", user, auth, privacy, context, timeoutMs = 3_000 } = access;
  const options = {
    port,
    timeout: timeoutMs,
    retries: 1,
    transport: host.includes(":") ? "udp6" : "udp4",
  } as const;
  const level = privacy ? "authPriv" : auth ? "authNoPriv" : "noAuthNoPriv";
  const session =
    user === undefined
      ? snmp.createSession(host, community, { ...options, version: snmp.Version2c })
      : snmp.createV3Session(
          host,
          {
            name: user,
            level: snmp.SecurityLevel[level] as number,
            ...(auth && {
              authProtocol: snmp.AuthProtocols[auth.protocol] as number,
              authKey: auth.key,
            }),
            ...(privacy && {
              privProtocol: snmp.PrivProtocols[privacy.protocol] as number,
              privKey: privacy.key,
            }),
          },
          { ...options, ...(context !== undefined && { context }) },
        );
  session.on("error", failed); // a socket's error: the questions that wait time out
  return session;
}

/** Names of net-snmp's errors; messages carry no keys and no communities. */
function failure(error: Error, where: string, { user }: SnmpAccess): BrambleError {
  const v3 = user !== undefined;
  if (error.name === "RequestTimedOutError") {
    return new BrambleError("POWER_UNREACHABLE", `${where} does not answer by SNMP`, {
      hint: v3
        ? "is it on, is SNMPv3 on, is our address allowed there? Some agents answer a wrong key with silence"
        : "is it on, is our address allowed there? A wrong community is answered with silence, too",
    });
  }
  if (
    error.name === "ResponseInvalidError" &&
    /digest|unknown user|authenti|decrypt|usm|security/i.test(error.message)
  ) {
    return new BrambleError("POWER_AUTH", `${where} refuses the user ${user}: ${error.message}`, {
      hint: "check user, protocols and keys: bramble switch set NAME …",
    });
  }
  if (error.name === "RequestFailedError") {
    return new BrambleError("POWER_REFUSED", `${where} refuses: ${error.message}`, {
      hint: "does this community or user have the right to write? Is the port one that gives power?",
    });
  }
  return new BrambleError("POWER_UNREACHABLE", `SNMP with ${where} failed: ${error.message}`, {
    cause: error,
  });
}
