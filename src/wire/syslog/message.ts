// Syslog over UDP, read leniently: RFC 5424 as written, RFC 3164 in the forms that programs send, and whatever else as plain text.
import { utf8 } from "../../base/text.ts";

export interface SyslogMessage {
  format: "5424" | "3164" | "bare";
  /** RFC 5424 6.2.1: 0 kernel, 1 user, 3 daemons, 4 and 10 authorisation … */
  facility: number;
  /** 0 emergency … 3 error, 4 warning, 6 informational, 7 debug. */
  severity: number;
  /** As it was written; clocks of nodes are not trusted. */
  time?: string;
  host?: string;
  app?: string;
  process?: string;
  messageId?: string;
  /** Structured data: by element id, then by parameter name. */
  data?: ReadonlyMap<string, ReadonlyMap<string, string>>;
  text: string;
}

/** What RFC 3164 4.3.3 gives a message that has no priority: user, notice. */
const [USER, NOTICE] = [1, 5];
/** Structured data of strangers is read no further. */
const MOST_ELEMENTS = 32;

const PRIORITY = /^<(\d{1,3})>/;
/** RFC 5424 6: version, timestamp, host, app, process id, message id, each one word. */
const HEADER = /^1 (\S{1,64}) (\S{1,255}) (\S{1,48}) (\S{1,128}) (\S{1,32})(?: |$)/;
/** "Nov 22 06:30:01", or ISO 8601 as rsyslog and newer programs write it. */
const TIME =
  /^([A-Z][a-z]{2} [ \d]?\d \d\d:\d\d:\d\d(?:\.\d+)?|\d{4}-\d\d-\d\dT[\d:.]+(?:Z|[+-]\d\d:?\d\d)?) +/;
/** Program, perhaps its process in brackets, a colon (RFC 3164 4.1.3: 32 characters at most; programs exceed that). */
const TAG = /^([^\s:[\]]{1,64})(?:\[([^\]\s]{1,32})\])?: ?/;

/** Any bytes are a message. Control characters and line ends at the end are left for whoever shows it. */
export function parseSyslog(bytes: Uint8Array): SyslogMessage {
  const whole = utf8(bytes).replace(/[\0\r\n]+$/, "");
  const priority = PRIORITY.exec(whole);
  const value = Number(priority?.[1] ?? Number.NaN);
  if (!priority || value > 191) return { format: "bare", facility: USER, severity: NOTICE, text: whole };
  const rest = whole.slice(priority[0].length);
  const facts = { facility: value >> 3, severity: value & 7 };
  const header = HEADER.exec(rest);
  return header
    ? { format: "5424", ...facts, ...modern(header, rest.slice(header[0].length)) }
    : { format: "3164", ...facts, ...traditional(rest) };
}

const given = (text: string | undefined): string | undefined => (text === "-" ? undefined : text);

function modern(
  header: RegExpExecArray,
  rest: string,
): Omit<SyslogMessage, "format" | "facility" | "severity"> {
  const [time, host, app, process, messageId] = header.slice(1).map(given);
  const { data, text } = structured(rest);
  return {
    ...(time && { time }),
    ...(host && { host }),
    ...(app && { app }),
    ...(process && { process }),
    ...(messageId && { messageId }),
    ...(data.size > 0 && { data }),
    text: text.replace(/^\ufeff/, ""), // the BOM that says UTF-8 (RFC 5424 6.4)
  };
}

const ELEMENT = /^\[([^\s=\]"]{1,32})((?: [^\s=\]"]{1,32}="(?:\\.|[^"\\])*")*) ?\]/s;
const PARAMETER = / ([^\s=\]"]{1,32})="((?:\\.|[^"\\])*)"/gs;

/** RFC 5424 6.3: `-`, or elements in brackets; quotes, brackets and backslashes are escaped. What is not such is text. */
function structured(rest: string): { data: Map<string, Map<string, string>>; text: string } {
  const data = new Map<string, Map<string, string>>();
  if (rest === "-" || rest.startsWith("- ")) return { data, text: rest.slice(2) };
  let left = rest;
  while (data.size < MOST_ELEMENTS) {
    const element = ELEMENT.exec(left);
    if (!element) break;
    const parameters = [...(element[2] ?? "").matchAll(PARAMETER)].map(
      ([, name = "", value = ""]) => [name, value.replace(/\\(["\\\]])/g, "$1")] as const,
    );
    data.set(element[1] ?? "", new Map(parameters));
    left = left.slice(element[0].length);
  }
  return { data, text: data.size > 0 ? left.replace(/^ /, "") : left };
}

function traditional(rest: string): Omit<SyslogMessage, "format" | "facility" | "severity"> {
  const time = TIME.exec(rest);
  let left = time ? rest.slice(time[0].length) : rest;
  // The host stands only where a time does (RFC 3164 4.1.2); glibc's syslog() sends neither.
  const host = time && !TAG.test(left) ? /^(\S{1,255}) +/.exec(left) : null;
  if (host) left = left.slice(host[0].length);
  const tag = TAG.exec(left);
  return {
    ...(time?.[1] && { time: time[1] }),
    ...(host?.[1] && { host: host[1] }),
    ...(tag?.[1] && { app: tag[1] }),
    ...(tag?.[2] && { process: tag[2] }),
    text: tag ? left.slice(tag[0].length) : left,
  };
}
