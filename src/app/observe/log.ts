// The server's own log: lines for people, or JSON for programs. Levels as the house has them: info for decisions, warn for what an
// operator may want to change, error for us, debug for packets. What looks like a secret is blanked before it is written.
import pc from "picocolors";
import { pino } from "pino";
import { blanked } from "./looks-secret.ts";

export type LogFormat = "pretty" | "json";
export type LogLevel = "debug" | "info" | "warn" | "error";

export interface Log {
  say(words: string): void;
  warn(words: string): void;
  error(words: string): void;
  /** An event of a node's page: as JSON at level info, for people only where they asked for debug. */
  event(event: { kind: string; words: string; node?: string }): void;
}

const COLOURS: Record<number, (text: string) => string> = { 40: pc.yellow, 50: pc.red };

/** `write` takes whole lines with their newline. */
export function openLog(
  { format, level }: { format: LogFormat; level: LogLevel },
  write: (line: string) => void = (line) => process.stdout.write(line),
): Log {
  const pretty = (line: string) => {
    const { time, msg, level: at, node, kind } = JSON.parse(line) as Line;
    const clock = pc.dim(new Date(time).toTimeString().slice(0, 8));
    const about = kind === undefined ? "" : pc.dim(`${node ?? "-"} ${kind}: `);
    write(`${clock} ${about}${(COLOURS[at] ?? String)(msg)}\n`);
  };
  const logger = pino(
    {
      level,
      base: null,
      timestamp: pino.stdTimeFunctions.epochTime,
      formatters: { level: (label, number) => (format === "json" ? { level: label } : { level: number }) },
    },
    { write: format === "json" ? write : pretty },
  );
  return {
    say: (words) => logger.info(blanked(words)),
    warn: (words) => logger.warn(blanked(words)),
    error: (words) => logger.error(blanked(words)),
    event({ kind, words, node }) {
      const about = { kind, ...(node && { node }) };
      if (format === "json") logger.info(about, blanked(words));
      else logger.debug(about, blanked(words));
    },
  };
}

interface Line {
  time: number;
  msg: string;
  level: number;
  node?: string;
  kind?: string;
}
