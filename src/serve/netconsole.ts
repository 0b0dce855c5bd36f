// The kernel's and the bootloader's netconsole (UDP 6666): puts lines together that come in pieces.
import { type NetconsolePart, parseNetconsole } from "../wire/syslog/netconsole.ts";
import { type LogDoor, type LogOptions, logDoor } from "./syslog.ts";

/** A line that its sender never ends is one after so long, or at this length. */
const END_MS = 500;
const MOST_CHARACTERS = 1_000;
/** Senders with an unfinished line. */
const MOST_OPEN = 4_096;

interface OpenLine {
  text: string;
  severity: number | undefined;
  timer: NodeJS.Timeout;
}

export type NetconsoleLine = Pick<NetconsolePart, "text" | "severity">;

/** Throws Node's error when the port is taken or not allowed. */
export async function serveNetconsole(options: LogOptions<NetconsoleLine>): Promise<LogDoor> {
  const open = new Map<string, OpenLine>();

  function end(address: string): void {
    const line = open.get(address);
    if (!line) return;
    clearTimeout(line.timer);
    open.delete(address);
    options.heard(
      { text: line.text, ...(line.severity !== undefined && { severity: line.severity }) },
      { address },
    );
  }

  function take(part: NetconsolePart, address: string): void {
    const line = open.get(address);
    if (line) {
      line.text += part.text;
      if (!part.open || line.text.length >= MOST_CHARACTERS) end(address);
    } else if (part.open && open.size < MOST_OPEN) {
      const timer = setTimeout(() => end(address), END_MS);
      timer.unref();
      open.set(address, { text: part.text, severity: part.severity, timer });
    } else options.heard(part, { address });
  }

  const door = await logDoor(options, (bytes, { address }) => {
    for (const part of parseNetconsole(bytes)) take(part, address);
  });
  return {
    port: door.port,
    async close() {
      await door.close();
      for (const address of [...open.keys()]) end(address);
    },
  };
}
