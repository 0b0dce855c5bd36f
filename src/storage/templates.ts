// Liquid, strict: what a template does not know is an error, what a person typed stays inside its quotes.
import { filters, Liquid, type LiquidError, tags } from "liquidjs";
import { BrambleError } from "../base/errors.ts";
import {
  OpenValues,
  type Render,
  type Template,
  type TemplateKind,
  type TemplateValues,
} from "../fleet/template-values.ts";
import { near } from "./near-names.ts";
import { Quoted, quoteJson, quoteShell } from "./template-quotes.ts";

/** Characters of a template, and of what it makes. */
const TEXT_LIMIT = 256 * 1024;
/** Far more than any template needs: a machine that stalls for a moment must not refuse a node. */
const RENDER_MS = 1_000;
/** For all the templates of one node together: they are rendered where packets are answered. */
const NODE_MS = 3_000;
/** Items that ranges and filters may make. */
const MEMORY_LIMIT = 2_000_000;

/** Nothing that reads files, the clock or dice, or that looks inside an object. */
const TAGS = ["assign", "for", "if", "unless", "case", "comment", "raw", "capture", "break", "continue", "#"];
const FILTERS =
  "append prepend upcase downcase capitalize strip lstrip rstrip replace replace_first remove remove_first split join first last size slice default plus minus times divided_by modulo at_least at_most abs ceil floor round sort uniq map where compact concat reverse base64_encode sha256 url_encode truncate".split(
    " ",
  );

/** Which quoting each place takes. In a script JSON's quotes would let `$(…)` through. */
const QUOTES: { [K in TemplateKind]: readonly ("json" | "shell" | "raw")[] } = {
  shell: ["shell"],
  yaml: ["json"],
  text: ["json", "shell", "raw"],
  words: [],
};
/** Characters that mean nothing in YAML, in a shell, or in a file of words. */
const PLAIN: { [K in TemplateKind]: RegExp } = {
  shell: /^[A-Za-z0-9_%+=:./@-]*$/,
  yaml: /^(?!-|:|.*:$)[A-Za-z0-9_+=:./@-]*$/,
  text: /^[A-Za-z0-9_%+=:,./@-]*$/,
  words: /^[A-Za-z0-9_%+=:,./@-]*$/,
};

/**
 * What `text` becomes with these values. Unknown variables, filters and tags, a value that could break out of where it stands, and
 * output beyond 256 Ki characters throw TEMPLATE_BAD: `name:line:column: what`, with the names that there are as hint.
 */
export function renderTemplate(
  { name, text, kind }: Template,
  values: TemplateValues,
  limitMs = RENDER_MS,
): string {
  if (limitMs <= 0) throw bad(`${name}:1:1`, "the templates before it have worked for too long");
  if (text.length > TEXT_LIMIT) throw bad(`${name}:1:1`, `it has more than ${TEXT_LIMIT} characters`);
  const engine = engines[kind];
  let out: string;
  try {
    const limits = { renderLimit: Math.min(limitMs, RENDER_MS), memoryLimit: MEMORY_LIMIT };
    out = String(engine.renderSync(engine.parse(text), opened(values) as object, limits));
  } catch (error) {
    throw explained(error as LiquidError, { name, text, kind }, values);
  }
  if (out.length > TEXT_LIMIT) throw bad(`${name}:1:1`, `it makes more than ${TEXT_LIMIT} characters`);
  return out;
}

/** Renders several templates, which may take this long together. */
export function templatesRenderer(totalMs = NODE_MS): Render {
  let leftMs = totalMs;
  return (template, values) => {
    const start = performance.now();
    try {
      return renderTemplate(template, values, leftMs);
    } finally {
      leftMs -= performance.now() - start;
    }
  };
}

/** Whatever name liquid asks for is there, and nothing of what every object has. */
const open = ({ values, other }: OpenValues): object =>
  new Proxy(Object.assign(Object.create(null) as Record<string, string>, values), {
    get: (target, key) => (typeof key === "string" ? (target[key] ?? other) : undefined),
    getOwnPropertyDescriptor: (target, key) =>
      Object.getOwnPropertyDescriptor(target, key) ?? { configurable: true, value: other },
  });

/** The values as liquid takes them. */
function opened(value: unknown): unknown {
  if (value instanceof OpenValues) return open(value);
  if (typeof value !== "object" || value === null || Array.isArray(value)) return value;
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, opened(inner)]));
}

const engines: { [K in TemplateKind]: Liquid } = {
  shell: engine("shell"),
  yaml: engine("yaml"),
  text: engine("text"),
  words: engine("words"),
};

function engine(kind: TemplateKind): Liquid {
  const liquid = new Liquid({
    strictVariables: true,
    strictFilters: true,
    ownPropertyOnly: true,
    lenientIf: false,
    templates: {},
    cache: false,
    parseLimit: TEXT_LIMIT,
    outputEscape: (value: unknown) => plain(value, kind),
  });
  for (const name of Object.keys(liquid.tags)) if (!TAGS.includes(name)) delete liquid.tags[name];
  const allowed = [...FILTERS, ...(QUOTES[kind].includes("raw") ? ["raw"] : [])];
  for (const name of Object.keys(liquid.filters)) if (!allowed.includes(name)) delete liquid.filters[name];
  liquid.registerFilter("json", (value: unknown) => new Quoted("json", quoteJson(quotable(value))));
  liquid.registerFilter("shell", (value: unknown) => new Quoted("shell", quoteShell(quotable(value))));
  return liquid;
}

const NO_VALUE = "this is not known of this node, or was not given yet";
const quotable = (value: unknown): unknown => {
  if (value === null || value === undefined) throw new Error(NO_VALUE);
  return value instanceof Quoted ? value.text : value;
};

/** What is printed: quoted as this place wants it, or made of harmless characters only. */
function plain(value: unknown, kind: TemplateKind): string {
  if (value instanceof Quoted) {
    if (QUOTES[kind].includes(value.by)) return value.text;
    throw new Error(`"| ${value.by}" does not protect a value here: ${advice(kind)}`);
  }
  if (value === null || value === undefined) throw new Error(NO_VALUE);
  if (typeof value === "object") throw new Error("that is a group of values, not one");
  const text = String(value);
  if (PLAIN[kind].test(text)) return text;
  throw new Error(`a value holds characters that could mean something here: ${advice(kind)}`);
}

const advice = (kind: TemplateKind): string =>
  kind === "words"
    ? "only letters, digits and _%+=:,./@- may stand here"
    : `write {{ … | ${QUOTES[kind].filter((one) => one !== "raw").join(" }} or {{ … | ")} }}, without quotes around it`;

const bad = (at: string, what: string, hint?: string): BrambleError =>
  new BrambleError("TEMPLATE_BAD", `${at}: ${what}`, hint === undefined ? {} : { hint });

/** liquidjs's error as a place and a sentence; no value of a variable is in either. */
function explained(error: LiquidError, { name, text, kind }: Template, values: TemplateValues): BrambleError {
  const source = error.originalError?.message ?? error.message.split(/, (?:line|file):/)[0] ?? "";
  const token = error.token as unknown as { getPosition?(): [number, number]; begin?: number } | undefined;
  let [line, column] = token?.getPosition?.() ?? [1, 1];
  const unknown = /^undefined (filter|variable): (.*)$|^tag "(.*)" not found$/.exec(source);
  let what = source;
  let hint: string | undefined;
  if (unknown?.[1] === "filter") {
    const at = text.slice(token?.begin ?? 0).search(new RegExp(`\\|\\s*${literal(unknown[2] ?? "")}`));
    const before = text.slice(0, (token?.begin ?? 0) + Math.max(0, at));
    if (at >= 0) [line, column] = [before.split("\n").length, before.length - before.lastIndexOf("\n")];
    what = `there is no filter ${unknown[2]}`;
    hint = near(unknown[2] ?? "", Object.keys(engines[kind].filters));
  } else if (unknown?.[1] === "variable") {
    what = `there is no value ${unknown[2]}`;
    hint = nearSecret(unknown[2] ?? "", values) ?? nearValue(unknown[2] ?? "", values);
  } else if (unknown) {
    what = `there is no tag ${unknown[3]}`;
    hint = near(unknown[3] ?? "", Object.keys(engines[kind].tags));
  } else if (source === NO_VALUE) {
    hint =
      "ask first, {% if … %}; a value of the profile is given by: bramble profile set PROFILE --value NAME=TEXT";
  } else if (source.startsWith("template render limit"))
    what = `it works for more than ${RENDER_MS} ms, or all together for too long`;
  else if (source.startsWith("memory alloc limit")) what = "it holds too much at once";
  else if (source === "Invalid string length") what = `it makes more than ${TEXT_LIMIT} characters`;

  return bad(`${name}:${line}:${column}`, what, hint);
}

const literal = (text: string): string => text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");

/** What to do where a secret was meant. */
function nearSecret(path: string, values: TemplateValues): string | undefined {
  const [first, name] = path.split(".");
  if (first !== "secret") return undefined;
  if (!Object.hasOwn(values, "secret"))
    return "secrets are not for boot files, which anybody on the network can read";
  const close = nearValue(path, values);
  return close.startsWith("did you") ? close : `bramble profile secret set PROFILE ${name}`;
}

/** Names beside the first one of a path that is not there. */
function nearValue(path: string, values: TemplateValues): string {
  let here: unknown = values;
  const walked: string[] = [];
  for (const part of path.split(".")) {
    if (typeof here !== "object" || here === null || !Object.hasOwn(here, part)) break;
    walked.push(part);
    here = (here as Record<string, unknown>)[part];
  }
  const missing = path.split(".")[walked.length] ?? "";
  const names = typeof here === "object" && here !== null ? Object.keys(here) : [];
  const prefix = walked.map((part) => `${part}.`).join("");
  return near(
    prefix + missing,
    names.map((one) => prefix + one),
  );
}

// the whole sets are exported by the library: used to be sure that what is allowed exists
for (const name of FILTERS)
  if (!(name in filters)) throw new BrambleError("INTERNAL", `liquid has no filter ${name}`);
for (const name of TAGS) if (!(name in tags)) throw new BrambleError("INTERNAL", `liquid has no tag ${name}`);
