import { type Command, Option } from "commander";
import type { Log, LogFormat, LogLevel } from "../observe/log.ts";
import type { ServerSettings } from "../server.ts";
import { port } from "./numbers.ts";

const FORMATS: readonly LogFormat[] = ["pretty", "json"];
const LEVELS: readonly LogLevel[] = ["debug", "info", "warn", "error"];

export interface LogOptions {
  syslogPort: string;
  netconsolePort: string;
  metricsPerNode?: boolean;
  logFormat: LogFormat;
  logLevel: LogLevel;
}

/** What a server writes, and what of its nodes it listens for. */
export const logOptions = (command: Command): Command =>
  command
    .option("--syslog-port <port>", "UDP port for what nodes log; 0: none", port, "514")
    .option("--netconsole-port <port>", "UDP port for what nodes' kernels print; 0: none", port, "6666")
    .option("--metrics-per-node", "metrics of single nodes, where there are at most 1,000")
    .addOption(
      new Option("--log-format <format>", "lines for people, or JSON").choices(FORMATS).default("pretty"),
    )
    .addOption(new Option("--log-level <level>", "what is worth a line").choices(LEVELS).default("info"));

/** The log that was asked for; pino is no other command's to load. */
export async function openedLog({ logFormat, logLevel }: LogOptions): Promise<Log> {
  const { openLog } = await import("../observe/log.ts");
  return openLog({ format: logFormat, level: logLevel });
}

export function logSettings(
  { syslogPort, netconsolePort, metricsPerNode }: LogOptions,
  log: Log,
): Pick<ServerSettings, "logs" | "perNodeMetrics" | "say" | "told"> {
  const port = (name: "syslog" | "netconsole", text: string) =>
    Number(text) > 0 ? { [name]: Number(text) } : {};
  return {
    logs: { ...port("syslog", syslogPort), ...port("netconsole", netconsolePort) },
    perNodeMetrics: metricsPerNode ?? false,
    say: log.say,
    told: log.event,
  };
}
