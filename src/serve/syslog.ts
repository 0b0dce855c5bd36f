// Syslog over UDP (RFC 5426): listens, never answers.
import { parseSyslog, type SyslogMessage } from "../wire/syslog/message.ts";
import { LogLimits } from "./log-limits.ts";
import { openUdp } from "./udp.ts";

/** A message is at most this long (RFC 5426 3.2: receivers should take 2,048 bytes). */
const MOST_BYTES = 8_192;
const RECEIVE_BUFFER = 1 << 20;

export interface LogDoor {
  port: number;
  close(): Promise<void>;
}

export interface LogOptions<Heard> {
  host: string;
  /** 0: any free port. */
  port: number;
  heard(message: Heard, from: { address: string }): void;
  /** This address sends faster than anybody reads: what comes is not kept. */
  dropped(address: string): void;
}

/** Throws Node's error when the port is taken or not allowed. */
export async function serveSyslog(options: LogOptions<SyslogMessage>): Promise<LogDoor> {
  return logDoor(options, (bytes, from) => options.heard(parseSyslog(bytes), from));
}

/** A UDP port that only hears, within bounds for each address. */
export async function logDoor(
  { host, port, dropped }: Pick<LogOptions<never>, "host" | "port" | "dropped">,
  take: (bytes: Uint8Array, from: { address: string }) => void,
): Promise<LogDoor> {
  const limits = new LogLimits();
  const plane = await openUdp({
    host,
    port,
    receiveBuffer: RECEIVE_BUFFER,
    onMessage(bytes, { address }) {
      if (limits.allows(address, performance.now())) take(bytes.subarray(0, MOST_BYTES), { address });
      else dropped(address);
    },
    onError() {}, // nothing is ever sent from here
  });
  return { port: plane.port, close: () => plane.close() };
}
