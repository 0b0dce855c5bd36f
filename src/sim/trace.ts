// Logs of real boards: what they asked for, as JSON (events with proto, file, result; a world that says what the board was).
import { BrambleError } from "../base/errors.ts";

/** One line of the log. asked: the log does not say what came of it. */
export interface TraceLine {
  path: string;
  outcome: "found" | "missing" | "asked";
  /** true: read whole; false: only probed; undefined: the log cannot tell the two apart. */
  whole: boolean | undefined;
  /** The log has requests only, in their true order: what came of them was concluded. */
  concluded?: boolean;
}

export interface TraceWorld {
  model: string;
  stepping?: string;
  /** "rom3,bootcode", "bootcode", "eeprom4", "eeprom5". */
  stages?: string;
  firmwareDate?: string;
  configTxt: string[];
  hats: string[];
  displays: string[];
  vl805?: boolean;
  compare: "order" | "set";
  /** The last file that the board itself asked for; what follows was asked by what it booted. */
  until?: string;
}

export interface Trace {
  id: string;
  model: string;
  /** Does the log show the whole boot? Else it is matched as the part that it is. */
  whole: boolean;
  serial: string | undefined;
  mac: string | undefined;
  sizes: Record<string, number>;
  /** Every reading is a line of its own, and probes are told from readings. */
  exact: boolean;
  lines: TraceLine[];
  world: TraceWorld | undefined;
  /** Everything that might hold a date. */
  about: string;
  fromProse: boolean;
}

type Json = Record<string, unknown>;
const object = (value: unknown): Json => (typeof value === "object" && value !== null ? (value as Json) : {});
const text = (value: unknown): string | undefined => (typeof value === "string" ? value : undefined);
const texts = (value: unknown): string[] =>
  Array.isArray(value) ? value.filter((v) => typeof v === "string") : [];

/** Slashes as a server sees them: one at a time, none in front. */
export const plainPath = (path: string): string => path.replace(/\/+/g, "/").replace(/^\//, "");

const PLACEHOLDER = "<serial>";
/** Stands in where a log has blackened the serial. */
const NOBODY = "10000001";

/** BAD_INPUT if this is no trace. */
export function readTrace(json: unknown): Trace {
  const trace = object(json);
  const events = Array.isArray(trace["events"]) ? trace["events"].map(object) : undefined;
  if (!events) throw new BrambleError("BAD_INPUT", "this is no trace: it has no events");
  const all = events.filter(({ proto, file }) => proto === "tftp" && typeof file === "string");
  if (all.length === 0) throw new BrambleError("BAD_INPUT", "this trace asks for no file");
  const client = object(trace["client"]);
  const paths = all.map(({ file }) => String(file));
  const serial = serialOf(client, paths);
  const world = worldOf(trace["world"]);
  const lines = linesOf(all, trace, serial ?? NOBODY);
  return {
    id: text(trace["id"]) ?? "",
    model: world?.model ?? text(trace["model"]) ?? "",
    whole: /^full/i.test(text(trace["completeness"]) ?? "full"),
    serial,
    mac: text(client["mac"]),
    sizes: object(trace["sizes"]) as Record<string, number>,
    exact: tellsProbes(all),
    lines: world?.until === undefined ? lines : upTo(lines, world.until),
    world,
    about: ["id", "title", "source"].map((key) => text(trace[key]) ?? "").join(" "),
    fromProse: /prose/i.test(text(trace["orderNote"]) ?? ""),
  };
}

function serialOf(client: Json, paths: string[]): string | undefined {
  const given = text(client["serial"]) ?? text(client["tftpPrefixTried"])?.replace(/\/$/, "");
  if (given && /^[0-9a-f]{8}$/i.test(given)) return given.toLowerCase();
  if (paths.some((path) => path.startsWith(PLACEHOLDER))) return NOBODY;
  return paths.map((path) => /^([0-9a-f]{8})\//.exec(path)?.[1]).find((found) => found !== undefined);
}

function linesOf(events: Json[], trace: Json, serial: string): TraceLine[] {
  const inferred = object(trace["inferred"]);
  const absent = trace["inferred"] === undefined ? undefined : new Set(texts(inferred["missing"]));
  const chosen = text(inferred["kernelChosen"]);
  const exact = tellsProbes(events);
  return events.map(({ file, result, alsoAborted }) => {
    const path = plainPath(String(file).replace(PLACEHOLDER, serial));
    if (result === "sent")
      return { path, outcome: "found", whole: exact && alsoAborted !== true ? true : undefined };
    if (result === "aborted-by-client") return { path, outcome: "found", whole: false };
    if (result === "not-found") return { path, outcome: "missing", whole: undefined };
    if (!absent) return { path, outcome: "asked", whole: undefined };
    // Of the kernels that were looked at only the chosen one is sure to be there.
    const other = chosen !== undefined && /^kernel[^/]*\.img$/.test(path) && path !== chosen;
    const outcome = other ? "asked" : absent.has(path) ? "missing" : "found";
    return { path, outcome, whole: undefined, concluded: true };
  });
}

/** A log that knows of aborted transfers means "read whole" by "sent"; another one may mean a probe. */
const tellsProbes = (events: Json[]): boolean =>
  events.some(({ result, alsoAborted }) => result === "aborted-by-client" || alsoAborted === true);

function upTo(lines: TraceLine[], path: string): TraceLine[] {
  const last = lines.findLastIndex((line) => line.path === path || line.path.endsWith(`/${path}`));
  return last < 0 ? lines : lines.slice(0, last + 1);
}

function worldOf(value: unknown): TraceWorld | undefined {
  if (value === undefined) return undefined;
  const world = object(value);
  const model = text(world["model"]);
  if (!model) throw new BrambleError("BAD_INPUT", "the trace's world names no model");
  const [stepping, stages, firmwareDate, until] = ["stepping", "stages", "firmwareDate", "until"].map((key) =>
    text(world[key]),
  );
  return {
    model,
    ...(stepping && { stepping }),
    ...(stages && { stages }),
    ...(firmwareDate && { firmwareDate }),
    ...(until && { until }),
    configTxt: texts(world["configTxt"]),
    hats: texts(world["hats"]),
    displays: texts(world["displays"]),
    ...(typeof world["vl805"] === "boolean" && { vl805: world["vl805"] }),
    compare: world["compare"] === "set" ? "set" : "order",
  };
}
